"""MoMo's signature: which text is signed, and what is no text to sign."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.plugins import PluginError, SignInput

KEY = b"K951B6PE1waDMi640xX08PD3vg6EkVlz"
ACCESS = "F8BBA842ECF85"
QUERY = ("accessKey", "orderId", "partnerCode", "requestId")
ASKED = {"orderId": "MOMO1700000000000", "partnerCode": "MOMO", "requestId": "Q1700000000001"}


def signature(values: dict[str, Any], fields: tuple[str, ...], key: bytes = KEY, **extra: Any) -> str:
    return open_registry().signer("momo_hmac")(SignInput(values=values, fields=fields, key=key, extra=extra))


def of(text: str, key: bytes = KEY) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_the_vendors_vector() -> None:
    """Dossier payment-momo, section 3 (query); tests/oracles holds the whole spec to all of them."""
    made = signature(ASKED, QUERY, accessKey=ACCESS)
    assert made == "f8ab33f5a0b2f81be9879e84d3d220ef22948d03ab87981b70b67651193f6ba1"


@pytest.mark.parametrize("values", [{"b": "x"}, {"a": None, "b": "x"}, {"a": "", "b": "x"}])
def test_a_field_without_a_value_keeps_its_name(values: dict[str, Any]) -> None:
    assert signature(values, ("a", "b")) == of("a=&b=x")


def test_fields_are_signed_in_the_order_of_the_spec_and_others_not_at_all() -> None:
    values = {"b": "y", "a": "x", "lang": "vi"}
    assert signature(values, ("a", "b")) == of("a=x&b=y")
    assert signature(values, ("b", "a")) == of("b=y&a=x")


def test_what_the_spec_adds_comes_before_what_the_body_says() -> None:
    """The access key is signed in both directions and sent in none: a notification can't bring its own."""
    assert signature({"accessKey": "theirs"}, ("accessKey",), accessKey=ACCESS) == of(f"accessKey={ACCESS}")


def test_nothing_is_encoded() -> None:
    text = "Thanh toán đơn 1 & 2 = đủ % + ?"
    assert signature({"orderInfo": text}, ("orderInfo",)) == of(f"orderInfo={text}")


@pytest.mark.parametrize("value", [{"a": 1}, [1], 1.5, b"x"])
def test_what_is_no_text_and_no_number_is_a_fault(value: Any) -> None:
    with pytest.raises(PluginError):
        signature({"amount": value}, ("amount",))


def test_a_text_that_no_bytes_can_be_is_a_fault_that_tells_no_value() -> None:
    with pytest.raises(PluginError) as found:
        signature({"orderInfo": "fake-secret-0000\ud800"}, ("orderInfo",))
    assert "fake-secret-0000" not in str(found.value)


@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8),
    key=st.binary(min_size=1, max_size=40),
)
def test_texts_are_joined_as_they_are(values: list[str], key: bytes) -> None:
    named = {f"f{number}": value for number, value in enumerate(values)}
    made = signature(named, tuple(named), key)
    assert made == of("&".join(f"{name}={value}" for name, value in named.items()), key)
    assert made == made.lower()


@given(number=st.integers(-(10**18), 10**18))
def test_a_number_is_signed_as_it_stands_in_the_body(number: int) -> None:
    """MoMo's transaction numbers do not fit 32 bits."""
    assert signature({"transId": number}, ("transId",)) == of(f"transId={number}")
    assert signature({"transId": Decimal(number)}, ("transId",)) == of(f"transId={number}")


def test_another_order_another_key_or_another_access_key_is_another_signature() -> None:
    made = {
        signature(ASKED, QUERY, accessKey=ACCESS),
        signature(ASKED, QUERY[::-1], accessKey=ACCESS),
        signature(ASKED, QUERY, KEY + b"x", accessKey=ACCESS),
        signature(ASKED, QUERY, accessKey="another"),
    }
    assert len(made) == 4
