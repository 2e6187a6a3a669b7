"""Pieces of Markdown, as GitHub and most other readers take it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.library import exact

_WIDTH = 110
_SPECIAL = re.compile(r"([\\`*<\[\]|]|(?<!\w)_|_(?!\w))")


def heading(level: int, text: str) -> list[str]:
    return ["#" * level + " " + text, ""]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose cells are Markdown already; nothing where there are no rows."""
    listed = list(rows)
    if not listed:
        return []
    return [_row(columns), _row(["---"] * len(columns)), *map(_row, listed), ""]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", " ") for cell in cells) + " |"


def plain(text: str) -> str:
    """Text of a spec on one line; none of its characters is read as Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(value: Any) -> str:
    """A name or a value in code style, also inside a table."""
    text = value if isinstance(value, str) else exact.dumps(value).decode()
    ticks = "``" if "`" in text else "`"
    pad = " " if "`" in text or not text else ""
    return f"{ticks}{pad}{' '.join(text.split())}{pad}{ticks}".replace("|", "\\|")


def fenced(kind: str, text: str) -> list[str]:
    return [f"```{kind}", text.rstrip("\n"), "```", ""]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """A part that is shown when somebody opens it."""
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "</details>", ""]


def as_json(value: Any, indent: int = 0) -> str:
    """JSON with as much on a line as is read easily; numbers keep every digit."""
    short = _spaced(value)
    inner = " " * (indent + 2)
    if len(short) + indent <= _WIDTH or not isinstance(value, Mapping | list) or not value:
        return short
    if isinstance(value, Mapping):
        parts = [f"{inner}{exact.dumps(key).decode()}: {as_json(sub, indent + 2)}" for key, sub in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(inner + as_json(sub, indent + 2) for sub in value) + "\n" + " " * indent + "]"


def _spaced(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{exact.dumps(key).decode()}: {_spaced(sub)}" for key, sub in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spaced, value)) + "]"
    return exact.dumps(value).decode()
