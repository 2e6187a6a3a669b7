"""How trees become queries, forms, paths, headers and bodies."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.catalog import EncodeOptions
from engine.library.function import LibraryError
from engine.library.segment import path_segment
from engine.runtime.encode import (
    FORM,
    Unsendable,
    encode_pairs,
    form_pairs,
    header_value,
    json_body,
    query_pairs,
    text_body,
)
from engine.runtime.multipart import multipart_body

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NESTED = {"a": {"b": [1, {"c": "x"}]}, "d": ["p", "q"]}
FLAT = {"d": ["p", "q"]}


@pytest.mark.parametrize(
    ("arrays", "tree", "expected"),
    [
        ("index", NESTED, "a[b][0]=1&a[b][1][c]=x&d[0]=p&d[1]=q"),
        ("brackets", NESTED, "a[b][]=1&a[b][][c]=x&d[]=p&d[]=q"),
        ("repeat", FLAT, "d=p&d=q"),
        ("comma", FLAT, "d=p,q"),
    ],
)
def test_each_spelling_of_lists_and_objects(arrays: Any, tree: Any, expected: str) -> None:
    pairs = query_pairs(tree, EncodeOptions(arrays=arrays))
    assert "&".join(f"{name}={text}" for name, text in pairs) == expected


@pytest.mark.parametrize("arrays", ["repeat", "comma"])
@pytest.mark.parametrize("inner", [{"c": "secret-value"}, ["secret-value"]])
def test_a_list_of_objects_or_lists_is_refused_where_it_has_no_spelling(arrays: Any, inner: Any) -> None:
    with pytest.raises(Unsendable, match=r"query\.a\[b\]: .*use index or brackets") as refusal:
        query_pairs({"a": {"b": [inner]}}, EncodeOptions(arrays=arrays))
    assert "secret-value" not in str(refusal.value)


def test_bracket_forms_are_byte_for_byte_what_the_official_sdk_sends() -> None:
    """Stripe SDK 16.1.0, recorded: POST /v1/payment_links (dossier payment-stripe, section 3); brackets decoded."""
    tree = {
        "line_items": [
            {
                "price_data": {
                    "currency": "vnd",
                    "unit_amount": 250000,
                    "product_data": {"name": "Áo thun & quần"},
                },
                "quantity": 2,
            }
        ],
        "metadata": {"order_id": "SO-1001"},
        "restrictions": {"completed_sessions": {"limit": 1}},
        "allow_promotion_codes": False,
    }
    sent = encode_pairs(form_pairs(tree), "plus").replace("%5B", "[").replace("%5D", "]")
    assert sent == (
        "line_items[0][price_data][currency]=vnd&line_items[0][price_data][unit_amount]=250000"
        "&line_items[0][price_data][product_data][name]=%C3%81o+thun+%26+qu%E1%BA%A7n&line_items[0][quantity]=2"
        "&metadata[order_id]=SO-1001&restrictions[completed_sessions][limit]=1&allow_promotion_codes=false"
    )


def test_escapes_in_names_and_values_are_what_the_official_sdk_sends() -> None:
    """Stripe SDK 16.1.0, recorded: POST /v1/payment_intents and GET /v1/payment_intents (same dossier)."""
    tree = {
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"order id": "A/1", "note": "a=b&c"},
        "description": "",
    }
    sent = encode_pairs(form_pairs(tree), "plus").replace("%5B", "[").replace("%5D", "]")
    assert sent == (
        "automatic_payment_methods[enabled]=true&metadata[order+id]=A%2F1&metadata[note]=a%3Db%26c&description="
    )
    query = {"created": {"gte": 1700000000, "lt": 1700086400}, "limit": 100, "expand": ["data.latest_charge"]}
    assert query_pairs(query, EncodeOptions(arrays="index")) == parse_qsl(
        "created[gte]=1700000000&created[lt]=1700086400&limit=100&expand[0]=data.latest_charge"
    )


def test_a_sorted_query_without_blanks_is_the_text_that_the_vendor_signs() -> None:
    """The pay URL of dossier payment-vnpay, section 3, from a tree in another order."""
    tree = {
        "vnp_Version": "2.1.0",
        "vnp_Command": "pay",
        "vnp_TmnCode": "DEMOTMN1",
        "vnp_Amount": 1000000,
        "vnp_CurrCode": "VND",
        "vnp_TxnRef": "123456",
        "vnp_OrderInfo": "Thanh toan don hang 123456",
        "vnp_OrderType": "other",
        "vnp_ReturnUrl": "http://localhost:3000/vnpay-return",
        "vnp_IpAddr": "13.160.92.202",
        "vnp_CreateDate": "20240101120000",
        "vnp_Locale": "vn",
        "vnp_BankCode": "",
    }
    options = EncodeOptions(sort=True, space="plus", blank="drop")
    assert encode_pairs(query_pairs(tree, options), options.space) == (
        "vnp_Amount=1000000&vnp_Command=pay&vnp_CreateDate=20240101120000&vnp_CurrCode=VND&vnp_IpAddr=13.160.92.202"
        "&vnp_Locale=vn&vnp_OrderInfo=Thanh+toan+don+hang+123456&vnp_OrderType=other"
        "&vnp_ReturnUrl=http%3A%2F%2Flocalhost%3A3000%2Fvnpay-return&vnp_TmnCode=DEMOTMN1&vnp_TxnRef=123456"
        "&vnp_Version=2.1.0"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (EncodeOptions(), [("b", "x"), ("a", "")]),
        (EncodeOptions(nulls="blank"), [("n", ""), ("b", ""), ("b", "x"), ("a", "")]),
        (EncodeOptions(nulls="blank", blank="drop"), [("b", "x")]),
        (EncodeOptions(sort=True), [("a", ""), ("b", "x")]),
        (EncodeOptions(arrays="index"), [("b[0]", "x"), ("a", "")]),
        (EncodeOptions(arrays="comma", nulls="blank"), [("n", ""), ("b", ",x"), ("a", "")]),
    ],
)
def test_nulls_blanks_and_order_follow_the_options(options: EncodeOptions, expected: list[tuple[str, str]]) -> None:
    assert query_pairs({"n": None, "b": [None, "x"], "a": "", "e": [], "o": {}}, options) == expected


def test_sorting_keeps_the_order_of_a_repeated_name() -> None:
    assert query_pairs({"b": ["z", "a"], "a": 1}, EncodeOptions(sort=True)) == [("a", "1"), ("b", "z"), ("b", "a")]


def test_scalars_are_spelled_exactly() -> None:
    tree = {"t": True, "f": False, "i": 2**70, "d": Decimal("10.0"), "e": Decimal("1E+3"), "s": Decimal("0.25")}
    assert dict(query_pairs(tree)) == {
        "t": "true",
        "f": "false",
        "i": "1180591620717411303424",
        "d": "10",
        "e": "1000",
        "s": "0.25",
    }


@pytest.mark.parametrize("value", [b"raw", Decimal("1E+999999"), object()])
def test_what_is_no_json_scalar_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(Unsendable, match=r"^form\.a\[b\]: "):
        form_pairs({"a": {"b": value}})


def test_a_query_must_be_an_object_and_null_is_an_empty_one() -> None:
    assert query_pairs(None) == []
    with pytest.raises(Unsendable, match="must be an object, not a list"):
        query_pairs(["a"])


@given(st.lists(st.tuples(TEXT, TEXT)), st.sampled_from(["plus", "percent"]))
def test_encoded_pairs_are_read_back_by_the_standard_library(pairs: list[tuple[str, str]], space: Any) -> None:
    sent = encode_pairs(pairs, space)
    assert sent.isascii()
    assert parse_qsl(sent, keep_blank_values=True) == ([] if pairs == [("", "")] and not sent else pairs)
    for part, (name, text) in zip(sent.split("&") if pairs else [], pairs, strict=True):
        read = unquote_plus if space == "plus" else unquote
        assert [read(piece) for piece in part.split("=")] == [name, text]


@given(st.dictionaries(TEXT.filter(bool), st.lists(TEXT, min_size=1), max_size=4), st.sampled_from(["repeat", "index"]))
def test_no_element_of_a_list_is_lost_or_moved(tree: dict[str, list[str]], arrays: Any) -> None:
    texts = [text for _, text in query_pairs(tree, EncodeOptions(arrays=arrays))]
    assert texts == [text for items in tree.values() for text in items]


@given(TEXT)
def test_a_path_segment_reads_back_and_never_leaves_its_place(text: str) -> None:
    try:
        sent = path_segment(text)
    except LibraryError:
        pieces = text.replace("\\", "/").split("/")
        assert not text or {".", ".."} & set(pieces) or any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text)
        return
    assert unquote(sent) == text
    assert sent.isascii()
    assert not set(sent) & set("/?#\\ ")
    assert sent not in {".", ".."}


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "a/../b", "..\\x", "a\r\nb", "a\x00", "\x85", "\ud800", None, [], {}, b"x", Decimal("NaN")],
)
def test_values_that_would_change_a_path_are_refused(value: object) -> None:
    with pytest.raises(LibraryError, match=r"^path: "):
        path_segment(value)


def test_a_path_segment_keeps_ids_apart_as_the_vendor_writes_it() -> None:
    """`pi_1/2` -> `pi_1%2F2` (dossier payment-stripe, section 3)."""
    assert path_segment("pi_1/2") == "pi_1%2F2"
    assert path_segment(42) == "42"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "a\x7f", "a\x9f", "Nguyễn", None, ["a"], {}])
def test_a_header_refuses_line_ends_controls_and_text_beyond_latin_1(value: object) -> None:
    with pytest.raises(Unsendable, match=r"^header: ") as refusal:
        header_value(value)
    assert "Nguy" not in str(refusal.value)


def test_a_header_is_trimmed_and_keeps_latin_1() -> None:
    assert header_value(" \tBearer a\tb é ") == "Bearer a\tb é"
    assert header_value(7) == "7"
    assert header_value(" ") == ""


@given(st.text())
def test_a_header_that_passes_fits_on_one_line_of_the_wire(text: str) -> None:
    try:
        sent = header_value(text).encode("latin-1")
    except Unsendable:
        assume(False)
    assert not set(sent) & set(b"\r\n\0")


def test_bodies_are_exact_utf_8() -> None:
    assert json_body({"tên": Decimal("600000.50"), "n": [None, True]}) == '{"tên":600000.5,"n":[null,true]}'.encode()
    assert text_body("Áo") == "Áo".encode()
    assert (text_body(None), text_body(Decimal("2.0"))) == (b"", b"2")
    for refused in ({"a": 1}, "\ud800"):
        with pytest.raises(Unsendable, match=r"^text: "):
            text_body(refused)
    with pytest.raises(Unsendable, match=r"^json: "):
        json_body({"a": "\ud800"})


def test_a_form_counts_by_default_because_that_spells_every_tree() -> None:
    assert form_pairs({"a": [{"b": ["x", None]}]}) == [("a[0][b][0]", "x")]
    assert encode_pairs([("a b", "c d")], FORM.space) == "a+b=c+d"


def test_multipart_holds_fields_and_files() -> None:
    photo = {"filename": 'a"b.png', "contentType": "image/png", "base64": "iVBORw=="}
    kind, body = multipart_body({"note": "Áo", "n": 1, "gone": None, "photos": [photo, {**photo, "filename": "c"}]})
    mark = kind.partition("boundary=")[2].encode()
    parts = body.split(b"--" + mark)
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    assert parts[1] == 'Content-Disposition: form-data; name="note"\r\n\r\nÁo\r\n'.encode().join([b"\r\n", b""])
    assert len(parts) == 6
    assert b'name="photos"; filename="a%22b.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n' in parts[3]


@pytest.mark.parametrize(
    "value",
    [
        {"filename": "a"},
        {"filename": "a", "base64": "!!"},
        {"filename": "a", "base64": "", "contentType": "x\r\nY: z"},
        {"filename": "a\x00", "base64": ""},
        [["x"]],
    ],
)
def test_parts_that_have_no_spelling_are_refused(value: object) -> None:
    with pytest.raises(Unsendable, match=r"^multipart"):
        multipart_body({"f": value})


@given(st.dictionaries(TEXT, TEXT, max_size=3))
def test_the_boundary_occurs_only_between_parts_and_depends_on_the_tree_alone(tree: dict[str, str]) -> None:
    try:
        kind, body = multipart_body(tree)
    except Unsendable:
        assume(False)
    assert body.count(kind.partition("boundary=")[2].encode()) == len(tree) + 1
    assert multipart_body(json.loads(json.dumps(tree))) == (kind, body)
