"""Habits of this code base that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.locations import specs_dir
from tests.house.source import ROOT, functions, python_files, text, tree

_PROVIDERS = frozenset(
    {
        "calendly",
        "ghn",
        "ghtk",
        "haravan",
        "hubspot",
        "jtexpress",
        "momo",
        "prestashop",
        "salesforce",
        "sapo",
        "sendgrid",
        "shopify",
        "stripe",
        "twilio",
        "viettelpost",
        "vnpay",
        "woocommerce",
        "zalopay",
        "zoho",
    }
)
_COMMON_WORDS = {"google"}  # a provider's name and also that of libraries
_TEXT = {".py", ".html", ".js", ".css", ".json", ".yaml", ".yml", ".md", ".txt", ".toml", ".j2"}


def _providers() -> set[str]:
    """Names from the folders of specs/ (`<category>-<provider>`) and the fixed list."""
    folders = (folder.name for folder in specs_dir().iterdir() if folder.is_dir())
    return ({name.partition("-")[2] or name for name in folders} | _PROVIDERS) - _COMMON_WORDS


def _naming(providers: Iterable[str]) -> re.Pattern[str]:
    """A name as a word of its own, also inside camelCase and snake_case (`ghn_fee`, `GhnFee`, `fee2GHN`)."""
    names = sorted(map(re.escape, providers))
    titles = "|".join(name.capitalize() for name in names)
    return re.compile(rf"(?<![A-Za-z])(?i:{'|'.join(names)})(?![A-Za-z])|(?:{titles})(?![a-z])")


@pytest.mark.parametrize("line", ["a Stripe form", "GHN", "ghn_fee = 1", "class GhnFee", "momo2", "x.ZaloPay()"])
def test_a_provider_is_recognised_in_any_spelling(line: str) -> None:
    assert _naming(_PROVIDERS).search(line)


@pytest.mark.parametrize("line", ["striped", "a moment", "message", "sapone", "oneghnx"])
def test_a_word_that_contains_a_providers_name_is_no_provider(line: str) -> None:
    assert not _naming(_PROVIDERS).search(line)


def test_the_engine_names_no_provider() -> None:
    naming = _naming(_providers())
    files = [file for file in (ROOT / "engine").rglob("*") if file.suffix in _TEXT and "_data" not in file.parts]
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if (match := naming.search(line))
    ]
    assert len(files) > 5
    assert found == []


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    assert {str(f): lines for f in python_files() if (lines := text(f).count("\n")) > 500} == {}


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{file}:{node.lineno}: {node.name} has {lines} lines"
        for file in python_files("engine", "plugins", "tools", "bench")
        for node in functions(file)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > 60
    ]
    assert long == []


def _broad_excepts(file: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & set(re.findall(r"\w+", ast.unparse(node.type))))
    ]


def test_broad_excepts_are_few_and_each_says_why() -> None:
    """A reason beyond a linter's code stands on the line of the `except` or alone on one right before or after it."""
    found = [(file, number) for file in python_files("engine", "plugins", "tools") for number in _broad_excepts(file)]
    silent = [f"{file}:{number}" for file, number in found if not _reason(text(file).splitlines(), number)]
    assert silent == []
    assert len(found) <= 10, found


def _reason(lines: list[str], number: int) -> bool:
    before, here, after = ["", *lines, ""][number - 1 : number + 2]
    comments = [here.partition("#")[2]] + [line.strip()[1:] for line in (before, after) if line.strip().startswith("#")]
    return any(re.sub(r"noqa: ?[A-Z0-9, ]+", "", comment).strip(" #-—:") for comment in comments)


def test_nothing_is_left_for_later() -> None:
    mark = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r"|\bNotImplemented" + "Error")
    others = [Path("Makefile"), Path(".ci/run"), Path("pyproject.toml")]
    specs = [file.relative_to(ROOT) for file in specs_dir().rglob("*.yaml")]
    found = [
        f"{file}:{number}"
        for file in [*python_files(), *others, *specs]
        for number, line in enumerate(text(file).splitlines(), 1)
        if mark.search(line)
    ]
    assert found == []
