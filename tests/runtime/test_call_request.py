"""Step 4 of a call: every position of a request, as it arrives at the other end of a socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.telemetry import caller
from tests.support.scene import running
from tests.support.specs import action, fields, spec, text, whole
from tests.support.upstream import Seen

INPUT = fields(
    ("id",),
    id=text(),
    note=text(),
    count=whole(),
    tags={"type": "array", "description": "Tags.", "items": text()},
    price={"type": "number", "description": "A price."},
    to={"type": "object", "description": "To.", "properties": {"name": text(), "zip": text()}},
    gone={"type": ["string", "null"], "description": "May be null."},
)


async def sent(tmp_path: Path, given: dict[str, Any], request: dict[str, Any], **parts: Any) -> Seen:
    """The one request that an action with this `request` sends for this input."""
    one = action("do_it", inputSchema=INPUT, request={"method": "POST", "path": "/it", **request})
    async with running(tmp_path, spec(one, **parts)) as scene:
        done = await scene.call("do_it", {"id": "1", **given})
        assert done.success, done
        assert scene.seen == 1
        return scene.upstream.seen[0]


async def refused(tmp_path: Path, given: dict[str, Any], request: dict[str, Any]) -> Any:
    """The error of an input that can't be written where the request puts it; nothing was sent."""
    one = action("do_it", inputSchema=INPUT, request={"method": "POST", "path": "/it", **request})
    async with running(tmp_path, spec(one)) as scene:
        done = await scene.call("do_it", given)
        assert scene.seen == 0
        assert done.error is not None
        return done.error


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("A-1", "A-1"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("100%", "100%25"),
        ("%2e%2e", "%252e%252e"),
        ("Đơn hàng", "%C4%90%C6%A1n%20h%C3%A0ng"),
        ("a\\b", "a%5Cb"),
        ("a;b=c", "a%3Bb%3Dc"),
    ],
)
async def test_a_path_value_stays_one_segment_on_the_wire(tmp_path: Path, value: str, segment: str) -> None:
    seen = await sent(tmp_path, {"id": value}, {"path": "/orders/{{ input.id }}/label"})
    assert seen.target == f"/orders/{segment}/label"


@pytest.mark.parametrize("value", ["", ".", "..", "a\r\nb", "a\x00b"])
async def test_a_path_value_that_could_leave_its_place_is_refused_by_name(tmp_path: Path, value: str) -> None:
    error = await refused(tmp_path, {"id": value}, {"path": "/orders/{{ input.id }}"})
    assert error.code == "INVALID_INPUT"
    assert error.details["issues"][0]["path"] == ["id"]


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "tags=a%20b&tags=c%26d&n=3"),
        ({"arrays": "index"}, "tags%5B0%5D=a%20b&tags%5B1%5D=c%26d&n=3"),
        ({"arrays": "brackets"}, "tags%5B%5D=a%20b&tags%5B%5D=c%26d&n=3"),
        ({"arrays": "comma", "space": "plus"}, "tags=a+b%2Cc%26d&n=3"),
    ],
)
async def test_a_query_is_encoded_as_the_spec_says(tmp_path: Path, options: dict[str, str], query: str) -> None:
    request = {"query": {"tags": "{{ input.tags }}", "n": "{{ input.count }}", "note": "{{ input.note }}"}}
    seen = await sent(tmp_path, {"tags": ["a b", "c&d"], "count": 3}, request, http={"encode": {"query": options}})
    assert seen.query == query


async def test_headers_of_the_spec_and_of_the_request_are_sent_and_absent_ones_are_not(tmp_path: Path) -> None:
    seen = await sent(
        tmp_path,
        {"count": 7},
        {"headers": {"X-Count": "{{ input.count }}", "X-Note": "{{ input.note }}", "X-Kind": "own"}},
        http={"headers": {"X-Kind": "common", "Accept-Language": "vi"}},
    )
    assert seen.headers["x-count"] == "7"
    assert "x-note" not in seen.headers
    assert [value for name, value in seen.pairs if name == "X-Kind"] == ["own"]
    assert seen.headers["accept-language"] == "vi"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\rb", "日本"])
async def test_a_header_value_that_would_break_out_is_refused(tmp_path: Path, value: str) -> None:
    error = await refused(tmp_path, {"id": "1", "note": value}, {"headers": {"X-Note": "{{ input.note }}"}})
    assert error.code == "INVALID_INPUT"
    assert value not in error.message


async def test_a_json_body_keeps_types_and_drops_what_is_absent(tmp_path: Path) -> None:
    seen = await sent(
        tmp_path,
        {"id": "0123", "count": 2, "price": 0.1, "gone": None, "to": {"name": "Lan"}},
        {
            "json": {
                "id": "{{ input.id }}",
                "count": "{{ input.count }}",
                "label": "no {{ input.count }}",
                "price": "{{ input.price }}",
                "gone": "{{ input.gone }}",
                "note": "{{ input.note }}",
                "to": {"zip": "{{ input.to.zip }}"},
                "name": "{{ input.to.name }}",
                "empty": {},
                "fix": True,
            }
        },
    )
    assert seen.headers["content-type"] == "application/json"
    body = b'{"id":"0123","count":2,"label":"no 2","price":0.1,"gone":null,"name":"Lan","empty":{},"fix":true}'
    assert seen.body == body


async def test_a_form_body_is_encoded_as_forms_are(tmp_path: Path) -> None:
    seen = await sent(
        tmp_path,
        {"tags": ["x", "y"], "gone": None, "note": "a b&c=đ"},
        {"form": {"tags": "{{ input.tags }}", "note": "{{ input.note }}", "gone": "{{ input.gone }}", "k": "1"}},
    )
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert seen.body == b"tags%5B0%5D=x&tags%5B1%5D=y&note=a+b%26c%3D%C4%91&k=1"


async def test_an_xml_body_escapes_what_is_put_into_it(tmp_path: Path) -> None:
    seen = await sent(
        tmp_path,
        {"note": '<b>&"', "tags": ["x", "y"]},
        {"xml": {"order": {"@id": "{{ input.id }}", "note": "{{ input.note }}", "tag": "{{ input.tags }}"}}},
    )
    assert seen.headers["content-type"].startswith("application/xml")
    assert b'<order id="1"><note>&lt;b&gt;&amp;' in seen.body
    assert b"<tag>x</tag><tag>y</tag></order>" in seen.body


async def test_graphql_values_go_into_variables_and_never_into_the_text(tmp_path: Path) -> None:
    query = "query($id: ID!) { order(id: $id) { id } }"
    seen = await sent(
        tmp_path, {"id": '") { evil }'}, {"graphql": {"query": query, "variables": {"id": "{{ input.id }}"}}}
    )
    assert seen.json() == {"query": query, "variables": {"id": '") { evil }'}}


async def test_a_text_body_is_sent_as_it_is_written(tmp_path: Path) -> None:
    seen = await sent(tmp_path, {"note": "đ"}, {"text": "note={{ input.note }}\n"})
    assert seen.body == "note=đ\n".encode()
    assert seen.headers["content-type"].startswith("text/plain")


async def test_multipart_fields_and_files_arrive_with_their_boundary(tmp_path: Path) -> None:
    seen = await sent(
        tmp_path,
        {"note": "hello"},
        {"multipart": {"note": "{{ input.note }}", "file": {"filename": "a.txt", "base64": "aGk="}}},
    )
    kind, _, boundary = seen.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = seen.body.split(b"--" + boundary.encode())
    assert parts[1].endswith(b'name="note"\r\n\r\nhello\r\n')
    assert b'filename="a.txt"' in parts[2]
    assert parts[2].endswith(b"\r\n\r\nhi\r\n")


async def test_an_envelope_surrounds_each_payload_and_nothing_else(tmp_path: Path) -> None:
    envelope = {"envelope": {"json": {"merchant": "m1", "data": "{{ payload }}"}}}
    seen = await sent(tmp_path / "a", {"count": 3}, {"payload": {"n": "{{ input.count }}"}}, http=envelope)
    assert seen.json() == {"merchant": "m1", "data": {"n": 3}}
    seen = await sent(tmp_path / "b", {"count": 3}, {"json": {"n": "{{ input.count }}"}}, http=envelope)
    assert seen.json() == {"n": 3}


async def test_vars_are_computed_once_and_lists_are_mapped(tmp_path: Path) -> None:
    one = action(
        "do_it",
        inputSchema=INPUT,
        vars={"code": "{{ call.random }}"},
        request={
            "method": "POST",
            "path": "/it",
            "json": {
                "first": "{{ vars.code }}",
                "second": "{{ vars.code }}",
                "rows": {"$each": "input.tags", "$as": "tag", "$value": {"name": "{{ tag | upper }}"}},
            },
        },
    )
    async with running(tmp_path, spec(one)) as scene:
        assert (await scene.call("do_it", {"id": "1", "tags": ["a", "b"]})).success
        body = scene.upstream.seen[0].json()
    assert body["rows"] == [{"name": "A"}, {"name": "B"}]
    assert body["first"] == body["second"]
    assert len(body["first"]) == 32


async def test_the_call_tells_the_request_its_id_and_its_key(tmp_path: Path) -> None:
    one = action(
        "book",
        "write",
        idempotency="key",
        request={
            "method": "POST",
            "path": "/it",
            "json": {
                "id": "{{ call.id }}",
                "idem": "{{ call.idempotencyKey }}",
                "key": "{{ call.key }}",
                "now": "{{ call.now }}",
            },
        },
    )
    async with running(tmp_path, spec(one)) as scene:
        plain = await scene.call("book")
        keyed = await scene.call("book", idempotency_key="order 4711")
        first, second = (seen.json() for seen in scene.upstream.seen)
    assert (first["id"], first["idem"]) == (plain.execution_id, plain.execution_id)
    assert (second["id"], second["idem"]) == (keyed.execution_id, "order 4711")
    assert first["now"] == "2026-05-01T01:46:40Z"
    assert len(second["key"]) == 26
    assert second["key"] != first["key"]


async def test_a_request_that_is_not_to_be_sent_gives_its_url(tmp_path: Path) -> None:
    one = action(
        "make_link",
        inputSchema=INPUT,
        outputSchema=fields(("url",), url=text()),
        request={"method": "GET", "path": "/pay", "query": {"id": "{{ input.id }}"}, "send": False},
        output={"url": "request.url"},
    )
    async with running(tmp_path, spec(one)) as scene:
        done = await scene.call("make_link", {"id": "a b"})
        assert done.data == {"url": "https://api.acme.example/pay?id=a%20b"}
        assert scene.seen == 0


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("http", "sent"), [({"trace": True}, PARENT), ({}, None)])
async def test_the_callers_trace_is_handed_on_only_where_the_spec_says_so(
    tmp_path: Path, http: dict[str, Any], sent: str | None
) -> None:
    caller.remember({b"traceparent": PARENT.encode(), b"tracestate": b"vendor=1"})
    try:
        async with running(tmp_path, spec(http=http)) as scene:
            assert (await scene.call()).success
            headers = scene.upstream.seen[0].headers
            assert headers.get("traceparent") == sent
            assert headers.get("tracestate") == ("vendor=1" if sent else None)
    finally:
        caller.remember({})
