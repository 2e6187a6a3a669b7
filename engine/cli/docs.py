"""`integrations docs`: a Markdown page per integration and an index, written from specs and cases."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.bootstrap import open_registry, spec_folders
from engine.cases.model import Case, WebhookCase
from engine.cases.read import read_folder
from engine.cli.pages.page import INDEX, index, page
from engine.cli.pages.subject import Subject
from engine.errors import SettingsError, SpecError
from engine.locations import schemas_dir
from engine.settings import Settings
from engine.spec.load import load


def docs(given: argparse.Namespace, settings: Settings) -> int:
    """0, or with --check 1 when a page is not what specs and cases say today."""
    folder = Path(given.out)
    wanted = pages(settings)
    there = {path.name: path for path in folder.glob("*.md")}
    changed = sorted(name for name, text in wanted.items() if not _is(there.get(name), text))
    gone = sorted(there.keys() - wanted.keys())
    if given.check:
        for name in (*changed, *gone):
            sys.stderr.write(f"{folder / name} is out of date: run `integrations docs`\n")
        return 1 if changed or gone else 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in changed:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        for name in gone:
            there[name].unlink()
    except OSError as error:
        raise SettingsError(f"--out: can't write to {folder} ({type(error).__name__})") from None
    sys.stdout.write(f"{folder}: {len(wanted)} pages, {len(changed)} written, {len(gone)} removed\n")
    return 0


def _is(path: Path | None, text: str) -> bool:
    return path is not None and path.read_bytes() == text.encode()


def pages(settings: Settings) -> Mapping[str, str]:
    """All pages by file name. Raises `SpecError` when a spec or a case is wrong."""
    loaded = load(spec_folders(settings), open_registry(), schemas_dir())
    wrong, subjects = list(loaded.errors), []
    for file, made in loaded.specs.items():
        cases, found = read_folder(Path(file).parent)
        wrong += found
        if made.integration is not None:
            calls = tuple(case for case in cases if isinstance(case, Case))
            proofs = tuple(case for case in cases if isinstance(case, WebhookCase))
            subjects.append(Subject(made.resolved, made.integration, calls, proofs))
    if wrong:
        raise SpecError(tuple(wrong))
    subjects.sort(key=lambda subject: subject.integration.integration_id)
    return {INDEX: index(subjects), **{f"{one.integration.integration_id}.md": page(one) for one in subjects}}
