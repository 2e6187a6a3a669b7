"""From a rendered tree to what stands on the wire. Each position of a request has its own spelling.

A tree is plain JSON data (`str int Decimal bool None list dict`); what was absent has fallen out of it before. Lists
and objects in a query or a form are spelled by `EncodeOptions`:

    index      a[0]=x&a[1]=y      objects anywhere: a[0][b]=x
    brackets   a[]=x&a[]=y                          a[][b]=x
    repeat     a=x&a=y            a list of lists or objects has no spelling here and is refused
    comma      a=x,y              the same

A query repeats by default, the habit of most APIs. A form counts by default, because that alone spells every tree: a
provider that wants another one says so. Empty lists and objects leave no pair in either. With `nulls: drop` a null
leaves a list before its elements are counted; `blank: drop` also drops what `nulls: blank` made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote, quote_plus

from engine.catalog import EncodeOptions
from engine.library.exact import dumps
from engine.library.function import kind
from engine.library.function import scalar_text as spelled

_CONTROL_BUT_TAB = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")
_HALF = "half of a surrogate pair can't be sent"


class Unsendable(ValueError):
    """A value that has no spelling at its place. Names the place (and a type), never the value."""


QUERY = EncodeOptions()
FORM = EncodeOptions(arrays="index", space="plus")


def query_pairs(tree: Any, options: EncodeOptions = QUERY) -> list[tuple[str, str]]:
    """The pairs of a query, decoded, in the order of the tree unless `sort`. Raises `Unsendable`."""
    return _pairs(tree, options, "query")


def form_pairs(tree: Any, options: EncodeOptions = FORM) -> list[tuple[str, str]]:
    """The pairs of a form, decoded. Raises `Unsendable`."""
    return _pairs(tree, options, "form")


def encode_pairs(pairs: Iterable[tuple[str, str]], space: Literal["plus", "percent"] = "percent") -> str:
    """`a=b&c=d` in UTF-8: RFC 3986 (`%20`, all but letters, digits and `-._~` escaped) or as a form (`+`)."""
    escape = _plus if space == "plus" else _percent
    try:
        return "&".join(f"{escape(name)}={escape(text)}" for name, text in pairs)
    except UnicodeEncodeError:
        raise Unsendable(f"query or form: {_HALF}") from None


def header_value(value: Any) -> str:
    """The text of a header, trimmed. Line ends, control characters and text beyond Latin-1 are `Unsendable`."""
    text = scalar_text(value, "header").strip(" \t")
    if _CONTROL_BUT_TAB.search(text):
        raise Unsendable("header: line ends and control characters can't stand in a header")
    if not text.isascii() and any(ord(char) > 0xFF for char in text):
        raise Unsendable("header: only Latin-1 characters can stand in a header")
    return text


def json_body(tree: Any) -> bytes:
    """Compact UTF-8 JSON, decimals exact. Raises `Unsendable`."""
    try:
        return dumps(tree)
    except ValueError as error:
        raise Unsendable(f"json: {error}") from None


def text_body(value: Any) -> bytes:
    """A scalar as UTF-8 text; null is an empty body."""
    try:
        return b"" if value is None else scalar_text(value, "text").encode()
    except UnicodeEncodeError:
        raise Unsendable(f"text: {_HALF}") from None


def scalar_text(value: Any, place: str) -> str:
    """The spelling of a scalar (`true`, `10`, `0.5`); anything else at `place` is `Unsendable`."""
    if type(value) is str:
        return value
    try:
        text = spelled(value)
    except ValueError as error:
        raise Unsendable(f"{place}: {error}") from None
    if text is None:
        raise Unsendable(f"{place}: {kind(value)} can't stand here")
    return text


def _percent(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def _plus(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def _pairs(tree: Any, options: EncodeOptions, place: str) -> list[tuple[str, str]]:
    if tree is None:
        return []
    if not isinstance(tree, dict):
        raise Unsendable(f"{place}: must be an object, not {kind(tree)}")
    pairs = [pair for name, value in tree.items() for pair in _walk(name, value, options, place)]
    if options.blank == "drop":
        pairs = [pair for pair in pairs if pair[1]]
    if options.sort:
        pairs.sort(key=lambda pair: pair[0])
    return pairs


def _walk(name: str, value: Any, options: EncodeOptions, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(f"{name}[{key}]", inner, options, place)
    elif isinstance(value, list):
        yield from _list(name, value, options, place)
    elif value is not None:
        yield name, scalar_text(value, f"{place}.{name}")
    elif options.nulls == "blank":
        yield name, ""


def _list(name: str, items: list[Any], options: EncodeOptions, place: str) -> Iterator[tuple[str, str]]:
    if options.nulls == "drop":
        items = [item for item in items if item is not None]
    if options.arrays in {"repeat", "comma"} and any(isinstance(item, (list, dict)) for item in items):
        raise Unsendable(
            f"{place}.{name}: a list of lists or objects has no spelling with `arrays: {options.arrays}`; "
            "use index or brackets"
        )
    if options.arrays == "comma":
        if items:
            texts = ("" if item is None else scalar_text(item, f"{place}.{name}") for item in items)
            yield name, ",".join(texts)
        return
    for at, item in enumerate(items):
        yield from _walk(_NAMES[options.arrays].format(name=name, at=at), item, options, place)


_NAMES: Mapping[str, str] = {"index": "{name}[{at}]", "brackets": "{name}[]", "repeat": "{name}"}
