"""Comparing a request with what a case expects, form of body by form of body."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cases.match import compare, differences
from engine.model import Request

URL = "https://api.acme.example/orders"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def sent(body: str = "", content_type: str = "text/plain", url: str = URL, method: str = "POST") -> Request:
    return Request(method, url, (("Content-Type", content_type),), body.encode())


def found(expect: dict[str, Any], request: Request) -> list[str]:
    return differences({"method": "POST", "url": URL, **expect}, request)


MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nLabel\r\n'
    '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nhi\r\n'
    "--x--\r\n"
)
FILE = {"filename": "a.txt", "contentType": "text/plain", "base64": "aGk="}


@pytest.mark.parametrize(
    ("expect", "request_"),
    [
        ({"form": {"amount": "1000", "tag": ["a", "b"]}}, sent("tag=a&amount=1000&tag=b")),
        ({"form": {"amount": 1000, "cod": True}}, sent("amount=1000&cod=true")),
        ({"xml": {"order": {"@id": "1", "code": "A"}}}, sent('<order id="1"><code>A</code></order>')),
        ({"xml": "<order><code>A</code></order>"}, sent("<order>\n <code>A</code>\n</order>")),
        ({"text": "OK"}, sent("OK")),
        ({"raw": '{"a": 1}'}, sent('{"a": 1}')),
        ({"json": {"a": 1}, "match": "subset"}, sent('{"b": 2, "a": 1}')),
        ({"multipart": {"title": "Label", "file": FILE}}, sent(MULTIPART, "multipart/form-data; boundary=x")),
        ({"query": {"q": "a b", "page": 1}}, sent(url=f"{URL}?page=1&q=a%20b")),
        ({"url": f"{URL}?q=a%20b"}, sent(url=f"{URL}?q=a%20b")),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_request_as_expected_has_no_difference(expect: dict[str, Any], request_: Request) -> None:
    assert found(expect, request_) == []


@pytest.mark.parametrize(
    ("expect", "request_", "words"),
    [
        ({"form": {"amount": "1000"}}, sent("amount=1001"), 'form.amount: expected "1000", got "1001"'),
        ({"form": {"tag": ["a", "b"]}}, sent("tag=a"), 'form.tag: expected ["a","b"], got "a"'),
        ({"xml": {"code": "A"}}, sent("<code>B</code>"), 'xml.code: expected "A", got "B"'),
        ({"xml": {"code": "A"}}, sent("not xml"), 'xml: expected {"code":"A"}, got null'),
        ({"text": "OK"}, sent("ok"), "text: the body differs"),
        ({"raw": '{"a": 1}'}, sent('{"a":1}'), "raw: the bytes of the body differ"),
        ({"json": [1, 2]}, sent("[1]"), "json: expected 2 elements, got 1"),
        ({"json": {"a": 1}}, sent("no json"), "json: expected JSON, got a body that is no JSON"),
        ({"json": {"a": 1}}, sent(""), "json: expected JSON, got no body"),
        (
            {"multipart": {"title": "Other"}},
            sent(MULTIPART, "multipart/form-data; boundary=x"),
            "multipart.file: expected nothing",
        ),
        ({}, sent("left over"), "body: expected none, got 9 bytes"),
        ({"query": {"page": "1"}}, sent(url=f"{URL}?page=2"), 'query.page: expected "1", got "2"'),
        ({"url": f"{URL}?a=1"}, sent(), "query: expected a=1, got none"),
        ({"method": "PUT"}, sent(), "method: expected PUT, got POST"),
    ],
)
def test_what_differs_is_named(expect: dict[str, Any], request_: Request, words: str) -> None:
    assert [what for what in found(expect, request_) if what.startswith(words)]


@given(JSON)
def test_a_value_equals_itself(value: Any) -> None:
    assert compare("json", value, value) == []


@given(JSON)
def test_a_value_differs_from_the_same_in_a_list(value: Any) -> None:
    assert compare("json", value, [value]) != []


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, True), (0, False), ("", None), (0, None), ([], {}), (1, 2)])
def test_types_count(one: Any, other: Any) -> None:
    assert compare("json", {"a": one}, {"a": other}) != []
    assert compare("json", {"a": other}, {"a": one}) != []


def test_a_long_value_is_cut() -> None:
    assert len(compare("json", "x" * 1000, "y" * 1000)[0]) < 300
