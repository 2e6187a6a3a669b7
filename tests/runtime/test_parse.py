"""What the body of an answer becomes."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.library.exact import dumps
from engine.model import Response
from engine.runtime.parse import MAX_FORM_FIELDS, As, Unreadable, parse_body, text_of

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)),
    max_leaves=6,
)


def answer(body: bytes | str, content_type: str | None = None) -> Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return Response(200, headers, body.encode() if isinstance(body, str) else body)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", '{"a":1.50}', {"a": Decimal("1.5")}),
        ("Application/JSON; Charset=UTF-8", '\ufeff{"a":1}', {"a": 1}),
        ("application/problem+json", '"x"', "x"),
        ("text/json", "7", 7),
        ("application/json; charset=utf-16", '{"a":"Á"}'.encode("utf-16"), {"a": "Á"}),
        ("application/json;charset=ISO-8859-1", '{"a":"Á"}'.encode("latin-1"), {"a": "Á"}),
        ("text/xml; charset=utf-8", "<a><b>1</b></a>", {"a": {"b": "1"}}),
        ("application/soap+xml", "\n<a/>", {"a": None}),
        ("application/x-www-form-urlencoded", "a=1&b=x+y&b=%C3%81&c=", {"a": "1", "b": ["x y", "Á"], "c": ""}),
        ("text/html", ' \n{"success":true}', {"success": True}),
        ("text/plain", "[1]", [1]),
        (None, '{"a":1}', {"a": 1}),
        ("application/octet-stream", '{"a":1}', {"a": 1}),
        ("text/plain", "{not json", "{not json"),
        ("text/plain; charset=utf-8", "401 Unauthorized", "401 Unauthorized"),
        ("text/html", "OK", "OK"),
        (None, "OK", "OK"),
        ("text/plain; charset=windows-1258", "Áo".encode("cp1258"), "Áo"),
        ("text/plain; charset=no-such", "Áo", "Áo"),
        ("text/csv", "a,b\n", "a,b\n"),
    ],
)
def test_auto_follows_the_content_type_then_the_first_byte(content_type: str, body: str | bytes, expected: Any) -> None:
    assert parse_body(answer(body, content_type)) == expected


@pytest.mark.parametrize(
    "content_type", ["application/pdf", "image/png", "Application/PDF; version=1.7", "image/svg+xml"]
)
def test_auto_takes_other_types_as_binary(content_type: str) -> None:
    found = parse_body(answer(b"%PDF-1.7\x00{", content_type))
    assert found == {
        "contentType": content_type.replace("Application/PDF", "application/pdf"),
        "base64": base64.b64encode(b"%PDF-1.7\x00{").decode(),
    }


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", ""])
def test_bytes_without_a_telling_type_are_binary_unless_they_are_text(content_type: str | None) -> None:
    assert parse_body(answer(b"\xff\xfe\x00", content_type))["contentType"] == "application/octet-stream"
    assert parse_body(answer(b"a\x00b", content_type))["base64"] == "YQBi"
    assert parse_body(answer(b"plain", content_type)) == "plain"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "<html>"),
        ("application/json", "{"),
        ("application/json", '{"a": NaN}'),
        ("application/json", "[" * 100_000),
        ("application/json", b'"\xff"'),
        ("application/xml", "<a>"),
        ("application/xml", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
        ("application/x-www-form-urlencoded", b"a=\xff"),
        ("application/x-www-form-urlencoded", "a=%ff"),
        ("application/x-www-form-urlencoded", "&".join(["a=1"] * (MAX_FORM_FIELDS + 1))),
    ],
)
def test_a_body_that_is_not_its_declared_type_is_unreadable(content_type: str, body: str | bytes) -> None:
    with pytest.raises(Unreadable):
        parse_body(answer(body, content_type))


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "text/plain", None, "application/xhtml+xml"])
@pytest.mark.parametrize("body", ["<!DOCTYPE html>\n<html>maintenance</html>", "\r\n<HTML>x", "<head><title>"])
def test_auto_never_takes_a_web_page_for_an_answer(content_type: str | None, body: str) -> None:
    with pytest.raises(Unreadable, match="web page"):
        parse_body(answer(body, content_type))
    assert parse_body(answer(body, content_type), "text") == body
    assert text_of(answer(body, content_type)) == body


@pytest.mark.parametrize("as_", ["auto", "json", "xml", "form", "text", "binary"])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/html", "application/pdf"])
def test_an_empty_body_is_null_whatever_the_type_says(as_: As, content_type: str | None) -> None:
    assert parse_body(answer(b"", content_type), as_) is None


def test_white_space_alone_is_null_where_data_was_expected() -> None:
    for as_ in ("auto", "json", "xml", "form"):
        assert parse_body(answer("\r\n ", "application/json"), as_) is None
    assert parse_body(answer(" ", "application/json"), "text") == " "


@pytest.mark.parametrize(
    ("as_", "expected"),
    [
        ("json", {"a": 1}),
        ("text", '{"a":1}'),
        ("form", {'{"a":1}': ""}),
        ("binary", {"contentType": "text/plain", "base64": "eyJhIjoxfQ=="}),
    ],
)
def test_the_spec_may_overrule_the_content_type(as_: As, expected: Any) -> None:
    assert parse_body(answer('{"a":1}', "text/plain"), as_) == expected
    with pytest.raises(Unreadable):
        parse_body(answer('{"a":1}', "text/plain"), "xml")


@pytest.mark.parametrize("name", ["punycode", "unicode_escape", "utf-7", "zlib", "rot13", "undefined", "idna"])
def test_codecs_that_are_no_character_sets_are_not_used(name: str) -> None:
    assert parse_body(answer("a-\\x41+AGE-", f"text/plain; charset={name}")) == "a-\\x41+AGE-"


def test_text_that_does_not_fit_its_character_set_is_shown_with_marks() -> None:
    assert text_of(answer(b"a\xffb", "text/plain")) == "a\ufffdb"


def test_no_message_quotes_the_answer() -> None:
    for content_type in ("application/json", "text/xml", "text/html"):
        with pytest.raises(Unreadable) as refusal:
            parse_body(answer("<html secret-token='1'", content_type))
        assert "secret" not in str(refusal.value)


@given(JSON)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    body = dumps(value)
    assert parse_body(answer(body, "application/json")) == value
    assert parse_body(answer(body), "json") == value


@given(
    st.dictionaries(st.text("abÁ[]=& ", min_size=1), st.lists(st.text("xÁ+&= "), min_size=2, max_size=3), min_size=1)
)
def test_a_form_is_read_as_it_was_written(fields: dict[str, list[str]]) -> None:
    body = urlencode(fields, doseq=True)
    assert parse_body(answer(body, "application/x-www-form-urlencoded")) == fields


@given(
    st.binary(min_size=1, max_size=50),
    st.sampled_from([None, "", "text/html", "application/json", "a/b", "é;;", "text/xml"]),
)
def test_any_answer_is_either_read_or_unreadable(body: bytes, content_type: str | None) -> None:
    try:
        found = parse_body(answer(body, content_type))
    except Unreadable:
        found = None
    assert found is None or isinstance(found, (str, int, Decimal, list, dict))
    assert isinstance(text_of(answer(body, content_type)), str)
