"""Does a request fit what a case expects? If not: which field differs, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from engine.cases.wire import parts_of, xml_tree
from engine.library import exact
from engine.model import Request
from engine.runtime.parse import grouped

_MISSING = object()


def differences(expect: Mapping[str, Any], request: Request, *, headers: bool = True) -> list[str]:
    """What does not fit, each as `place: expected …, got …`; empty when the request is the expected one."""
    found = [*_line(expect, request)]
    if headers:
        found += _headers(expect, request)
    found += _body(expect, request)
    return found


def _line(expect: Mapping[str, Any], request: Request) -> Iterator[str]:
    if expect["method"] != request.method:
        yield f"method: expected {expect['method']}, got {request.method}"
    wanted, _, wanted_query = expect["url"].partition("?")
    got, _, query = request.url.partition("?")
    if wanted != got:
        yield f"url: expected {wanted}, got {got}"
    if "query" in expect:
        yield from _compare("query", _texts(expect["query"]), _pairs(query), subset=False)
    elif wanted_query != query:
        yield f"query: expected {wanted_query or 'none'}, got {query or 'none'}"


def _headers(expect: Mapping[str, Any], request: Request) -> Iterator[str]:
    got = {name.lower(): value for name, value in request.headers}
    for name, value in expect.get("headers", {}).items():
        if got.get(name.lower()) != value:
            shown = "another value" if name.lower() in got else "nothing"
            yield f"header {name}: expected {value}, got {shown}"
    for name in expect.get("absentHeaders", ()):
        if name.lower() in got:
            yield f"header {name}: expected none"


def _body(expect: Mapping[str, Any], request: Request) -> Iterator[str]:
    subset = expect.get("match") == "subset"
    if "raw" in expect and expect["raw"].encode() != request.body:
        yield "raw: the bytes of the body differ"
    if "json" in expect:
        yield from _compare("json", expect["json"], _json(request.body), subset=subset)
    elif "form" in expect:
        got = _pairs(request.body.decode("utf-8", "replace"))
        yield from _compare("form", _texts(expect["form"]), got, subset=subset)
    elif "xml" in expect:
        yield from _compare("xml", xml_tree(expect["xml"]), xml_tree(request.body), subset=subset)
    elif "text" in expect and expect["text"].encode() != request.body:
        yield "text: the body differs"
    elif "multipart" in expect:
        yield from _compare("multipart", expect["multipart"], parts_of(request), subset=subset)
    elif not {"raw", "text"} & set(expect) and request.body and not subset:
        yield f"body: expected none, got {len(request.body)} bytes"


def _json(body: bytes) -> Any:
    try:
        return exact.loads(body)
    except ValueError:
        return _MISSING


def _pairs(text: str) -> dict[str, Any]:
    return grouped(parse_qsl(text, keep_blank_values=True))


def _texts(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """A case may write numbers in a form or query; on the wire all is text."""
    return {
        name: [_text(item) for item in value] if isinstance(value, list) else _text(value)
        for name, value in pairs.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return exact.plain(value) if isinstance(value, int | Decimal) else str(value)


def _compare(place: str, wanted: Any, got: Any, *, subset: bool) -> Iterator[str]:
    """Types exact: 1 is not "1" and not true."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in wanted:
            yield from _compare(f"{place}.{key}", wanted[key], got.get(key, _MISSING), subset=subset)
        if not subset:
            for key in got:
                if key not in wanted:
                    yield f"{place}.{key}: expected nothing, got {_shown(got[key])}"
    elif isinstance(wanted, list) and isinstance(got, list):
        if len(wanted) != len(got):
            yield f"{place}: expected {len(wanted)} elements, got {len(got)}"
        for i, (a, b) in enumerate(zip(wanted, got, strict=False)):
            yield from _compare(f"{place}[{i}]", a, b, subset=subset)
    elif not alike(wanted, got):
        yield f"{place}: expected {_shown(wanted)}, got {_shown(got)}"


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
    """All differences between two JSON values."""
    return list(_compare(place, wanted, got, subset=subset))


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    text = exact.dumps(value).decode()
    return text if len(text) <= 120 else text[:117] + "…"
