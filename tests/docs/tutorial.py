"""Runs a tutorial: the Markdown itself, top to bottom, in a folder of its own.

    ```sh                        is run; the block right behind it (text or json) is what it prints
    ```yaml FILE                 is the whole file
    ```yaml FILE append          comes at its end
    ```diff FILE                 changes the file: lines with - and without a sign stand there, once; @@ begins the next
    ```diff FILE mistake         the same, then undone; the block right behind it is what spec-lint says in between

`python -m tests.docs.tutorial` writes what the commands print into the tutorial.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "writing-a-spec.md"
_FENCE = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
LINT = "spec-lint my-specs"
_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """`start` and `end` are where its text stands in the Markdown."""

    kind: str
    info: list[str]
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Printed:
    """One command: what came, and the block that says what comes."""

    command: str
    is_mistaken: bool
    code: int
    came: str
    shown: Block | None


def blocks(markdown: str) -> list[Block]:
    return [Block(m[1], m[2].split(), m[3], m.start(3), m.end(3)) for m in _FENCE.finditer(markdown)]


def run(markdown: str, folder: Path) -> list[Printed]:
    """Everything that the tutorial asks for, in its order. Raises `AssertionError` where a change does not fit."""
    found = blocks(markdown)
    printed: list[Printed] = []
    for block, after in zip(found, [*found[1:], None], strict=True):
        shown = after if after is not None and after.kind in ("text", "json") else None
        if block.kind == "sh":
            printed.append(_command(block.text, folder, shown, is_mistaken=False))
        elif block.info:
            path, before = _change(block, folder)
            if block.info[1:] == ["mistake"]:
                printed.append(_command(LINT, folder, shown, is_mistaken=True))
                path.write_text(before, encoding="utf-8")
    return printed


def final(markdown: str, folder: Path) -> Path:
    """What an author has at the end: the first command and all changes but the mistakes; `folder` itself."""
    found = blocks(markdown)
    begin = next(block for block in found if block.kind == "sh")
    done = _shell(begin.text, folder)
    assert done.returncode == 0, done.stdout
    for block in found:
        if block.info and block.info[1:] != ["mistake"]:
            _change(block, folder)
    return folder


def _change(block: Block, folder: Path) -> tuple[Path, str]:
    """The file that was changed, and what stood there before."""
    path = folder / block.info[0]
    before = path.read_text("utf-8") if path.is_file() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_changed(block, before), encoding="utf-8")
    return path, before


def _command(command: str, folder: Path, shown: Block | None, *, is_mistaken: bool) -> Printed:
    done = _shell(command, folder)
    return Printed(command, is_mistaken, done.returncode, done.stdout, shown)


def _changed(block: Block, before: str) -> str:
    if block.kind != "diff":
        return before + block.text if block.info[1:] == ["append"] else block.text
    for hunk in block.text.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert before.count(old) == 1, f"{block.info[0]} holds this {before.count(old)} times:\n{old}"
        before = before.replace(old, new)
    return before


def _shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    programs = str(Path(sys.executable).parent)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("INTEGRATIONS_", "COLUMNS"))}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**kept, "PATH": f"{programs}:{kept.get('PATH', '')}"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False,
    )  # fmt: skip


def steady(text: str) -> str:
    """Without what differs: ids, times and sealed cursors from run to run, and how many specs the project has."""
    text = re.sub(r"\d+ pages, \d+ written", "3 pages, 3 written", text)
    text = re.sub(r'"executionId":"[^"]*"', '"executionId":"01M8…"', text)
    text = re.sub(r'"latencyMs":\d+', '"latencyMs":9', text)
    return re.sub(r'"nextCursor":"[^"]*"', '"nextCursor":"Ab3…"', text)


def main() -> None:
    markdown = TUTORIAL.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for one in reversed(run(markdown, Path(folder))):
            if one.shown is not None:
                markdown = markdown[: one.shown.start] + steady(one.came) + markdown[one.shown.end :]
            elif one.code:
                sys.stderr.write(f"{one.command}{one.came}")
    TUTORIAL.write_text(markdown, encoding="utf-8")


if __name__ == "__main__":
    main()
