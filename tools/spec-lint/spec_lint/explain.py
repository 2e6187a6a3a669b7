"""The page of a code: why it is a mistake, a wrong example, a right one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

from spec_lint.table import TABLE, entry_of

_PAGES = Path(__file__).parent / "pages"
_WIDEST = 110
_FENCE = re.compile(r"^```yaml (wrong|right)((?: [a-z]+)*)$", re.MULTILINE)
_WHERE = {"read": "in an action that reads", "write": "in an action that writes", "cases": "in a file of cases"}


def page_of(code: str) -> str:
    """The page as Markdown. Raises `UnknownCode` with the nearest code."""
    entry_of(code)
    return (_PAGES / f"{code}.md").read_text(encoding="utf-8")


def list_of_codes() -> str:
    """Every code with its sentence, family by family."""
    lines = []
    family = ""
    for code in sorted(TABLE):
        if family not in ("", code.rstrip("0123456789")):
            lines.append("")
        family = code.rstrip("0123456789")
        mark = "" if TABLE[code].severity == "error" else "  (warning)"
        lines.append(f"{code:8} {TABLE[code].what}{mark}")
    return "\n".join(lines) + "\n"


def show_page(page: str, terminal: TextIO) -> None:
    """The page laid out; what Markdown keeps behind the fence of a block stands above it."""
    from rich.console import Console
    from rich.markdown import Markdown

    page = _FENCE.sub(lambda fence: f"**{_above(*fence.groups())}**\n\n```yaml", page)
    console = Console(file=terminal, force_terminal=True)
    console.print(Markdown(page, code_theme="ansi_dark"), width=min(console.width, _WIDEST))


def _above(kind: str, where: str) -> str:
    places = [_WHERE[word] for word in where.split() if word in _WHERE]
    return ", ".join([kind.capitalize(), *places]) + ":"
