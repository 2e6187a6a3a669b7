"""Texts made of pairs: forms, signature bases, `t=1,v1=a` headers, Link headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.library.encode import form_encoded, percent_encoded
from engine.library.function import LibraryError, choice, null_out, refuse, text_of


@null_out
def pairs(
    x: Any,
    *,
    only: Any = None,
    skip: Any = None,
    sort: Any = True,
    encode: Any = "none",
    blank: Any = "keep",
    between: Any = "=",
    join: Any = "&",
    unique: Any = False,
) -> str:
    """An object of texts (or lists of texts: a repeated name) as one text, `a=1&b=2`.

    `only`, `skip`: names, with `*` for any characters, one or a list. `encode`: none, form or percent (true is
    percent, false none). `sort`: by name, then value, as they are written. `blank`: drop leaves out empty values;
    null is an empty value. `unique`: a pair that stands twice is written once.
    """
    if not isinstance(x, dict):
        raise refuse("pairs", "an object", x)
    written = _encoder(encode)
    drop = choice("pairs", "blank", blank, ("keep", "drop")) == "drop"
    found = [
        (written(name), written(value))
        for name, value in _chosen(x, _names("only", only), _names("skip", skip))
        if value or not drop
    ]
    if _flag("unique", unique):
        found = list(dict.fromkeys(found))
    if _flag("sort", sort):
        found.sort()
    middle, glue = _text("between", between), _text("join", join)
    return glue.join(name + middle + value for name, value in found)


@null_out
def kv(x: Any, name: Any, which: Any = "first") -> str | list[str] | None:
    """The value of `name` in `t=1,v1=a,v1=b`, or the list of all its values when `which` is "all"; null without any."""
    choice("kv", "the third argument", which, ("first", "all"))
    found = []
    for part in text_of("kv", x).split(","):
        key, mark, value = part.partition("=")
        if mark and key.strip() == name:
            found.append(value.strip())
    if which == "all":
        return found or None
    return found[0] if found else None


@null_out
def link(x: Any, rel: Any) -> str | None:
    """The URL of a Link header (RFC 8288; one text or a list of them) whose `rel` says `rel`, or null."""
    wanted = text_of("link", rel).lower()
    for header in x if isinstance(x, list) else [x]:
        for url, parameters in _links(text_of("link", header)):
            if wanted in parameters.get("rel", "").lower().split():
                return url
    return None


def _chosen(x: dict[str, Any], only: list[str] | None, skip: list[str] | None) -> Iterator[tuple[str, str]]:
    for name, value in x.items():
        if only is not None and not any(like(name, pattern) for pattern in only):
            continue
        if skip is not None and any(like(name, pattern) for pattern in skip):
            continue
        for one in value if isinstance(value, list) else [value]:
            yield name, "" if one is None else text_of("pairs", one)


def like(name: str, pattern: str) -> bool:
    """True when `name` is `pattern`, where each `*` stands for any characters. Linear, whatever the pattern."""
    head, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, tail = rest
    if not name.startswith(head) or len(name) < len(head) + len(tail) or not name.endswith(tail):
        return False
    at, end = len(head), len(name) - len(tail)
    for part in middle:
        hit = name.find(part, at, end)
        if hit < 0:
            return False
        at = hit + len(part)
    return True


def _encoder(encode: Any) -> Callable[[str], str]:
    known = {True: "percent", False: "none"}.get(encode, encode) if isinstance(encode, bool) else encode
    name = choice("pairs", "encode", known, ("none", "form", "percent"))
    if name == "none":
        return str
    encoded = form_encoded if name == "form" else percent_encoded
    return lambda text: encoded("pairs", text)


def _names(option: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise LibraryError(f"pairs: {option} must be a name or a list of names")
    return names


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise LibraryError(f"pairs: {option} must be true or false")
    return value


def _text(option: str, value: Any) -> str:
    if not isinstance(value, str):
        raise LibraryError(f"pairs: {option} must be text")
    return value


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    at = 0
    while (start := header.find("<", at)) >= 0 and (end := header.find(">", start)) >= 0:
        parts, at = _parameters(header, end + 1)
        parameters: dict[str, str] = {}
        for part in parts:
            name, _, value = part.partition("=")
            parameters.setdefault(name.strip().lower(), value.strip())
        yield header[start + 1 : end].strip(), parameters


def _parameters(header: str, at: int) -> tuple[list[str], int]:
    """The `;` parts up to the next `,` outside quotes (quotes taken off), and where that is."""
    parts, part, quoted = [], "", False
    while at < len(header):
        char = header[at]
        at += 1
        if quoted and char == "\\":
            part += header[at : at + 1]
            at += 1
        elif char == '"':
            quoted = not quoted
        elif quoted or char not in ";,":
            part += char
        elif char == ";":
            parts.append(part)
            part = ""
        else:
            break
    return [*parts, part], at
