"""What authors write who think in another language, and what it is called here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.diagnostics import unknown

_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "str": ("text",),
    "string": ("text",),
    "tostring": ("text",),
    "lowercase": ("lower",),
    "downcase": ("lower",),
    "uppercase": ("upper",),
    "upcase": ("upper",),
    "len": ("length",),
    "count": ("length",),
    "size": ("length",),
    "int": ("integer",),
    "float": ("decimal",),
    "number": ("decimal",),
    "round": ("fixed",),
    "date": ("time",),
    "datetime": ("time",),
    "strftime": ("time",),
    "strptime": ("from_time",),
    "urlencode": ("percent",),
    "urlquote": ("percent",),
    "tojson": ("json",),
    "b64encode": ("base64",),
    "trim": ("squash",),
    "strip": ("squash",),
    "coalesce": ("not_null", "default"),
}
"""What a function is called elsewhere, and its names here: the first that exists at the place is meant."""
_NOW = "the time of the call is a name, not a function: call.now"
_OPERATORS: Mapping[str, str] = {"or": "||", "and": "&&", "not": "!", "=": "=="}
_DASHED = re.compile(r"(?<![\w\"'.-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*(?:-\w+)+)")
_WORD = re.compile(r"[A-Za-z]+|=")
_LAST_WORD = re.compile(r"([A-Za-z]+)\s*$")


def unknown_function(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a function that does not exist."""
    names = list(known)
    message, hint = unknown("function", name, names)
    meant = next((one for one in _FUNCTIONS.get(name.lower(), ()) if one in names), None)
    if name.lower() == "now":
        hint = _NOW
    elif meant is not None:
        hint = f'did you mean "{meant}"? known: {hint.partition("known: ")[2]}'
    return message, hint


def query_hint(text: str, at: int) -> str:
    """What the author of a text that is no query meant; `at`: where reading it ended. Empty where nothing is known."""
    if "{{" in text:
        inner = text.strip().removeprefix("{{").removesuffix("}}").strip()
        shown = f": {inner}" if text.strip().startswith("{{") and "{{" not in inner and "}}" not in inner else ""
        return f"a query stands here: write it without {{{{ }}}}{shown}"
    for dashed in _DASHED.finditer(text):
        if dashed.start() <= at <= dashed.end():
            return f'write {dashed[1]}."{dashed[2]}"'
    word = _WORD.match(text, at)
    before = _LAST_WORD.search(text, 0, at)
    for found in (word[0] if word else "", before[1] if before else ""):
        if found.lower() in _OPERATORS:
            return f"{found} is written {_OPERATORS[found.lower()]}"
    return ""


def bare_word(name: str) -> str:
    """The hint for a name that nobody knows and that is compared with something."""
    return f"a text stands in single quotes: '{name}'"
