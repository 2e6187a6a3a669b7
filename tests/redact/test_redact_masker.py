"""Secrets are found in whatever form they left in, and nothing else is touched."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redact import MIN_SECRET, Masker, clean_message

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET, max_size=40).map(str.strip).filter(
    lambda secret: len(secret) >= MIN_SECRET
) | st.text("aA1+/\\\"'%& \n*é", min_size=MIN_SECRET, max_size=20).map(str.strip).filter(
    lambda secret: len(secret) >= MIN_SECRET
)

FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda secret: secret,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: lower_hex(quote(secret, safe="")),
    "path": quote,
    "browser": lambda secret: quote(secret, safe="!'()*"),
    "form": quote_plus,
    "json": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "json, ascii": lambda secret: json.dumps(secret)[1:-1],
    "json, slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "json, orjson": lambda secret: orjson.dumps(secret)[1:-1].decode(),
    "json in a form": lambda secret: quote_plus(json.dumps(secret)[1:-1]),
    "percent twice": lambda secret: quote(quote(secret, safe=""), safe=""),
}


def lower_hex(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda hit: hit[0].lower(), text)


def leaks(secret: str, text: str) -> bool:
    return any(write(secret) in text for write in FORMS.values())


@given(secrets, texts, texts, st.sampled_from(sorted(FORMS)))
def test_no_form_of_a_secret_survives_anywhere(secret, before, after, form):
    masked = Masker([secret]).text(before + FORMS[form](secret) + after)
    assert "***" in masked
    assert not leaks(secret, masked)


@given(secrets, st.binary(max_size=8), st.binary(max_size=8), st.booleans(), st.booleans())
def test_base64_at_any_place_of_the_bytes_is_found(secret, before, after, url_safe, percent):
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    written = encode(before + secret.encode() + after).decode()
    masked = Masker([secret]).text(quote(written, safe="") if percent else written)
    assert "***" in masked
    assert not any(secret.encode() in decoded for decoded in decodings(unquote(masked)))


def decodings(masked: str) -> Iterator[bytes]:
    """What anybody may still decode out of the parts between the masks, at any alignment."""
    for part in masked.replace("-", "+").replace("_", "/").split("***"):
        for ahead in range(4):
            whole = part.rstrip("=")[ahead:]
            try:
                yield base64.b64decode(whole + "A" * (-len(whole) % 4))
            except binascii.Error:
                continue


@given(st.lists(secrets | texts, max_size=3), texts)
def test_masking_twice_is_masking_once(known, text):
    masker = Masker(known)
    for whole in (text, *(text + secret + secret for secret in known)):
        once = masker.text(whole)
        assert masker.text(once) == once


@given(
    secrets,
    st.recursive(st.none() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)),
)
def test_no_secret_survives_in_a_tree_neither_in_texts_nor_keys(secret, tree):
    masker = Masker([secret])
    planted: Any = {"a": tree, "b": [{secret: [1, f"x{secret}y"]}], "c": json.dumps({"in": secret})}
    masked = masker.data(planted)
    assert not any(leaks(secret, text) for text in texts_of(masked))
    assert masker.data(masked) == masked


def texts_of(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [text for pair in tree.items() for part in pair for text in texts_of(part)]
    if isinstance(tree, list):
        return [text for item in tree for text in texts_of(item)]
    return [tree] if isinstance(tree, str) else []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals() | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    )
)
def test_what_holds_no_secret_is_given_back_as_the_same_object(tree):
    masker = Masker(["sk_test_4eC39HqLyjWDarjtT1zdp7dc"])
    assert masker.data(tree) is tree


@given(secrets, st.dictionaries(texts, st.integers(-(2**63), 2**63) | texts))
def test_a_json_text_that_may_hold_nothing_holds_nothing(secret, tree):
    masker = Masker([secret])
    assert masker.may_hold(orjson.dumps({**tree, "x": f"a{secret}b"}))
    if not masker.may_hold(written := orjson.dumps(tree)):
        assert masker.data(tree) is tree
        assert masker.text(written.decode()) == written.decode()


@pytest.mark.parametrize(
    ("secret", "value", "masked"),
    [
        ("12345678", {"id": 1234567812345678}, {"id": "***"}),
        ("n1234567", {"t": "\n1234567"}, {"t": "\n1234567"}),
    ],
)
def test_masking_a_value_before_it_is_written_keeps_it_json(secret, value, masked):
    masker = Masker([secret])
    assert masker.may_hold(orjson.dumps(value))
    assert masker.data(value) == masked


def test_numbers_that_are_a_secret_are_masked():
    masker = Masker(["1234567890", "98765432.125", "1" * 25])
    assert masker.data({"a": 1234567890, "b": [Decimal("98765432.125"), int("1" * 25), 12345, True, 1.5]}) == {
        "a": "***",
        "b": ["***", "***", 12345, True, 1.5],
    }


def test_a_basic_auth_header_shows_neither_name_nor_password():
    written = "Basic " + base64.b64encode(b"merchant-77:s3cr3t-p4ss+word").decode()
    assert Masker(["s3cr3t-p4ss+word"]).text(written).startswith("Basic bWVyY2hhbnQtNzc6***"[:20])
    assert "***" in Masker(["s3cr3t-p4ss+word"]).text(written)


def test_a_key_of_several_lines_is_masked_as_it_is_and_in_json():
    key = (
        "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC/+==\n" * 26 + "-----END PRIVATE KEY-----\n"
    )
    masker = Masker([key])
    assert masker.text(f"a {key.strip()} b") == "a *** b"
    assert masker.data({"body": json.dumps({"key": key})}) == {"body": '{"key": "***\\n"}'}


def test_short_secrets_are_left_to_fields():
    assert Masker(["1234567", ""]).text("1234567") == "1234567"


def test_a_longer_secret_is_masked_whole_before_one_inside_it():
    assert Masker(["abcdefgh", "abcdefgh-tail"]).text("x abcdefgh-tail y abcdefgh") == "x *** y ***"


@pytest.mark.parametrize("secret", ["*" * 8, "*" * 9, "ab***cdef", "***" + "x" * 8])
def test_a_secret_that_looks_like_the_mask_ends_too(secret):
    masker = Masker([secret])
    masked = masker.text(secret * 5 + "ab" + secret + "cdef")
    assert secret not in masked
    assert masker.text(masked) == masked


def test_a_hostile_secret_costs_no_more_than_linear_time():
    masker = Masker(["\\" * 200 + "x1", "%25" * 60 + "y2"])
    text = "\\" * 50_000 + "x1"[:1] + "%25" * 50_000
    assert masker.text(text + "x1 y2")


def test_half_of_a_surrogate_pair_does_not_hide_a_secret():
    assert "***" in Masker(["longsecret"]).text("\ud800longsecret\udfff")


@given(st.text(), secrets)
def test_a_message_is_short_one_line_and_clean(text, secret):
    masker = Masker([secret])
    shown = clean_message(f"{text}\r\n{secret}\x1b[31m{text}", masker)
    assert len(shown) <= 500
    assert all(char.isprintable() or not char.isascii() for char in shown)
    assert not leaks(secret, shown) or leaks(secret, "***")
    assert clean_message(shown, masker) == shown
    assert shown.encode().decode() == shown


def test_a_message_is_cut_after_masking_so_that_no_half_of_a_secret_shows():
    secret = "sk_live_abcdefghijklmnop"
    shown = clean_message("x" * 490 + secret, Masker([secret]))
    assert "sk_live" not in shown
    assert clean_message("x" * 600, Masker([])) == "x" * 499 + "…"


def test_a_control_character_inside_a_secret_does_not_hide_it():
    assert clean_message("sk_live_\x00abcdefghijklmnop", Masker(["sk_live_abcdefghijklmnop"])) == "***"
    assert clean_message("a\u202eb\u200bc\r\nd", Masker([])) == "abc  d"
