"""Does a request fit what a case expects? If not: which field differs, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from engine.cases.wire import parts_of, xml_tree
from engine.frozen import frozen
from engine.library import exact
from engine.model import Request
from engine.runtime.parse import grouped

MISSING = object()


@frozen
class Difference:
    """One place of a request that is not as expected; a value that is not there is `MISSING`."""

    place: str
    wanted: Any
    got: Any = field(repr=False)
    words: str = field(default="", repr=False)
    """What to say in place of the two values."""

    def __str__(self) -> str:
        return f"{self.place}: {self.words or f'expected {_shown(self.wanted)}, got {_shown(self.got)}'}"


def differences(expect: Mapping[str, Any], request: Request) -> list[str]:
    """What does not fit, each as `place: expected …, got …`; empty when the request is the expected one."""
    return [str(found) for part in (_line, headers, body) for found in part(expect, request)]


def _line(expect: Mapping[str, Any], request: Request) -> Iterator[Difference]:
    method, url = expect["method"], request.url.partition("?")[0]
    if method != request.method:
        yield Difference("method", method, request.method, f"expected {method}, got {request.method}")
    wanted = expect["url"].partition("?")[0]
    if wanted != url:
        yield Difference("url", wanted, url, f"expected {wanted}, got {url}")
    asked, query = expect["url"].partition("?")[2], request.url.partition("?")[2]
    if "query" in expect:
        yield from query_pairs(expect, request)
    elif asked != query:
        yield Difference("query", asked, query, f"expected {asked or 'none'}, got {query or 'none'}")


def query_pairs(expect: Mapping[str, Any], request: Request) -> Iterator[Difference]:
    """Differences of the decoded queries."""
    wanted = texts(expect["query"]) if "query" in expect else pairs(expect["url"].partition("?")[2])
    yield from _compare("query", wanted, pairs(request.url.partition("?")[2]), subset=False)


def headers(expect: Mapping[str, Any], request: Request) -> Iterator[Difference]:
    """Differences of the headers that the case names."""
    sent = {name.lower(): value for name, value in request.headers}
    for name, value in expect.get("headers", {}).items():
        got = sent.get(name.lower(), MISSING)
        if got != value:
            shown = "nothing" if got is MISSING else "another value"
            yield Difference(f"header {name}", value, got, f"expected {value}, got {shown}")
    for name in expect.get("absentHeaders", ()):
        if name.lower() in sent:
            yield Difference(f"header {name}", MISSING, sent[name.lower()], "expected none")


def body(expect: Mapping[str, Any], request: Request) -> Iterator[Difference]:
    """Differences of the bodies, by position."""
    subset = expect.get("match") == "subset"
    if "raw" in expect and expect["raw"].encode() != request.body:
        yield Difference("raw", expect["raw"], text_of(request), "the bytes of the body differ")
    if "json" in expect:
        if (got := _json(request.body)) is MISSING:
            words = "expected JSON, got " + ("a body that is no JSON" if request.body else "no body")
            yield Difference("json", expect["json"], MISSING, words)
        else:
            yield from _compare("json", expect["json"], got, subset=subset)
    elif "form" in expect:
        yield from _compare("form", texts(expect["form"]), pairs(text_of(request)), subset=subset)
    elif "xml" in expect:
        yield from _compare("xml", xml_tree(expect["xml"]), xml_tree(request.body), subset=subset)
    elif "text" in expect and expect["text"].encode() != request.body:
        yield Difference("text", expect["text"], text_of(request), "the body differs")
    elif "multipart" in expect:
        yield from _compare("multipart", expect["multipart"], parts_of(request), subset=subset)
    elif not {"raw", "text"} & set(expect) and request.body and not subset:
        yield Difference("body", MISSING, text_of(request), f"expected none, got {len(request.body)} bytes")


def text_of(request: Request) -> str:
    return request.body.decode("utf-8", "replace")


def _json(body: bytes) -> Any:
    try:
        return exact.loads(body)
    except ValueError:
        return MISSING


def pairs(text: str) -> dict[str, Any]:
    """A query or form, decoded; a list where a name comes several times."""
    return grouped(parse_qsl(text, keep_blank_values=True))


def texts(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """A case may write numbers in a form or query; on the wire all is text."""
    return {
        name: [_text(item) for item in value] if isinstance(value, list) else _text(value)
        for name, value in pairs.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return exact.plain(value) if isinstance(value, int | Decimal) else str(value)


def _compare(place: str, wanted: Any, got: Any, *, subset: bool) -> Iterator[Difference]:
    """Types exact: 1 is not "1" and not true."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in wanted:
            yield from _compare(f"{place}.{key}", wanted[key], got.get(key, MISSING), subset=subset)
        if not subset:
            for key in got:
                if key not in wanted:
                    yield Difference(f"{place}.{key}", MISSING, got[key])
    elif isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            words = f"expected {len(wanted)} elements, got {len(got)}"
            yield Difference(place, wanted, got, words)
        for i, (a, b) in enumerate(zip(wanted, got, strict=False)):
            yield from _compare(f"{place}[{i}]", a, b, subset=subset)
    elif not alike(wanted, got):
        yield Difference(place, wanted, got)


def alike(wanted: Any, got: Any) -> bool:
    """Equality of JSON values with types."""
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(alike(wanted[key], got[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(alike(a, b) for a, b in zip(wanted, got, strict=True))
    if isinstance(wanted, str) != isinstance(got, str):
        return False
    return bool(wanted == got)


def compare(place: str, wanted: Any, got: Any, *, subset: bool = False) -> list[str]:
    """All differences between two JSON values, in words."""
    return [str(found) for found in _compare(place, wanted, got, subset=subset)]


def differing(place: str, wanted: Any, got: Any) -> list[Difference]:
    """All differences between two JSON values."""
    return list(_compare(place, wanted, got, subset=False))


def _shown(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    text = exact.dumps(value).decode()
    return text if len(text) <= 120 else text[:117] + "…"
