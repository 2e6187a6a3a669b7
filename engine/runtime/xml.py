"""XML by one convention, both ways.

    {order: {"@id": 7, note: hello, item: [{sku: A}, {sku: B}], gone: null}}
    <order id="7"><note>hello</note><item><sku>A</sku></item><item><sku>B</sku></item><gone></gone></order>

One root key. `@name` is an attribute, `#text` the text of an element that has attributes or children too, a list is a
repeated element. An empty list leaves nothing, a null attribute neither. Prefixes stay in the key (`sf:Id`), `xmlns`
declarations are attributes.

Reading: everything is text; an element that holds nothing, or only white space, is null; an element that occurs once
is no list (`list(x)` makes one). White space between elements falls, comments and processing instructions too.
Reading is safe with hostile text: any DOCTYPE is refused, so there are no entities beyond the five of XML and nothing
is ever fetched; depth and number of nodes are capped, and no part of it recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NoReturn
from xml.parsers import expat

from engine.library.function import scalar_text

MAX_DEPTH = 100
MAX_NODES = 200_000

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff"
    "\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
)
_PART = rf"[{_START}][{_START}\-.0-9\u00b7\u0300-\u036f\u203f-\u2040]*"
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)


class XmlError(ValueError):
    """XML that can't be written or read. Names the element or the line, never a value."""


def to_xml(tree: Any) -> bytes:
    """The document of a tree, UTF-8, with declaration and without white space of its own. Raises `XmlError`."""
    if not isinstance(tree, dict) or len(tree) != 1:
        raise XmlError("XML needs an object with exactly one key, the root element")
    (name, value), *_ = tree.items()
    if isinstance(value, list):
        raise XmlError(f"{_shown(name)}: the root element can't be a list")
    return ('<?xml version="1.0" encoding="UTF-8"?>' + "".join(_element(name, value, 1))).encode()


def from_xml(data: bytes, charset: str | None = None) -> dict[str, Any]:
    """The tree of a document. `charset` (from the content type) wins over the document's own declaration.

    Raises `XmlError` for what is malformed, holds a DOCTYPE, or is deeper or larger than the caps.
    """
    reading = _Reading()
    try:
        if charset and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            data, charset = data.decode(charset).encode(), "utf-8"
        else:
            charset = None
        parser = expat.ParserCreate(charset)
        reading.attach(parser)
        parser.Parse(data, True)
    except XmlError:
        raise
    except expat.ExpatError as error:
        raise XmlError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError):
        raise XmlError("the document's character set is unknown or does not fit its bytes") from None
    return reading.root


def _element(name: Any, value: Any, depth: int) -> Iterator[str]:
    _check_name(name)
    if depth > MAX_DEPTH:
        raise XmlError(f"<{name}>: deeper than {MAX_DEPTH} elements")
    if not isinstance(value, dict):
        yield f"<{name}>{_text(value, name)}</{name}>"
        return
    yield f"<{name}"
    for key, inner in value.items():
        if _is_attribute(key) and inner is not None:
            _check_name(key[1:])
            yield f' {key[1:]}="{_scalar(inner, key).translate(_ATTRIBUTE_ESCAPES)}"'
    yield f">{_text(value.get('#text'), name)}"
    for key, inner in value.items():
        if not _is_attribute(key) and key != "#text":
            yield from _children(key, inner, depth + 1)
    yield f"</{name}>"


def _children(name: Any, value: Any, depth: int) -> Iterator[str]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, list):
            raise XmlError(f"{_shown(name)}: a list inside a list has no XML")
        yield from _element(name, item, depth)


def _is_attribute(key: Any) -> bool:
    return isinstance(key, str) and key.startswith("@")


def _text(value: Any, name: str) -> str:
    return "" if value is None else _scalar(value, name).translate(_TEXT_ESCAPES)


def _scalar(value: Any, name: str) -> str:
    try:
        text = scalar_text(value)
    except ValueError as error:
        raise XmlError(f"{_shown(name)}: {error}") from None
    if text is None:
        raise XmlError(f"{_shown(name)}: must be text, a number, true, false or null")
    if _illegal().search(text):
        raise XmlError(f"{_shown(name)}: holds a character that XML can't hold")
    return text


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not _name().fullmatch(name):
        raise XmlError(f"{_shown(name)} is no XML name")


# Compiled when the first document is written: ranges of so many characters take longer than all else of this module.


@cache
def _name() -> re.Pattern[str]:
    return re.compile(rf"{_PART}(:{_PART})?")


@cache
def _illegal() -> re.Pattern[str]:
    return re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _shown(name: Any) -> str:
    """A key as a message may show it: keys can come from a caller's map, so length and characters are bounded."""
    return ascii(name if isinstance(name, str) else type(name).__name__)[:60]


class _Reading:
    """The open elements while expat walks through a document. One frame: [children, text pieces]."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self.nodes = 0
        self.frames: list[tuple[dict[str, Any], list[str]]] = [(self.root, [])]

    def attach(self, parser: expat.XMLParserType) -> None:
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self.refuse_doctype
        parser.EntityDeclHandler = self.refuse_doctype
        parser.ExternalEntityRefHandler = self.refuse_doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text

    def refuse_doctype(self, *_: object) -> NoReturn:
        raise XmlError("a DOCTYPE or entity declaration is not accepted")

    def start(self, _name: str, attributes: Mapping[str, str]) -> None:
        self.nodes += 1 + len(attributes)
        if self.nodes > MAX_NODES:
            raise XmlError(f"more than {MAX_NODES} elements and attributes")
        if len(self.frames) > MAX_DEPTH:
            raise XmlError(f"deeper than {MAX_DEPTH} elements")
        self.frames.append(({f"@{name}": text for name, text in attributes.items()}, []))

    def text(self, piece: str) -> None:
        self.frames[-1][1].append(piece)

    def end(self, name: str) -> None:
        found, pieces = self.frames.pop()
        text = "".join(pieces)
        value: Any = found or None
        if text.strip(" \t\r\n"):
            if found:
                found["#text"] = text
            else:
                value = text
        self.add(name, value)

    def add(self, name: str, value: Any) -> None:
        siblings, _ = self.frames[-1]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]
