"""ZaloPay's MAC: its parts, their order, and what is no text to sign."""

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

KEY1 = b"sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn"
KEY2 = b"trMrHtvjo6myautxDUiAcYsVtaeQ8nhf"
CREATE = ("app_id", "app_trans_id", "app_user", "amount", "app_time", "embed_data", "item")
REFUND = ("app_id", "zp_trans_id", "amount", "refund_fee_amount?", "description", "timestamp")
MADE = {
    "app_id": 2554,
    "zp_trans_id": "230407000001234",
    "amount": 50000,
    "description": "refund",
    "timestamp": 1680848533635,
}


def mac(values: dict[str, Any], fields: tuple[str, ...], key: bytes = KEY1, **extra: Any) -> str:
    return open_registry().signer("zalopay_mac")(SignInput(values=values, fields=fields, key=key, extra=extra))


def of(text: bytes, key: bytes = KEY1) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def test_the_vendors_vectors() -> None:
    """Dossier payment-zalopay, section 3; tests/oracles holds the whole spec to them."""
    order = {
        "app_id": 2554,
        "app_trans_id": "230407_13221300383",
        "app_user": "user123",
        "amount": 50000,
        "app_time": 1680848533635,
        "embed_data": "{}",
        "item": "item",
    }
    assert mac(order, CREATE) == "6d2c87577af20b4786d89729d64dc7820c5c462afd91e4c5b49353f83376ac81"
    query = mac(order, ("app_id", "app_trans_id", "=key"))
    assert query == "7cec9f5d7de580a55c25a2ed92b42cf4f802a8d0c0beb87c5009b1865665b43c"
    fee = mac({**MADE, "refund_fee_amount": 500}, REFUND)
    assert fee == "f0d14ab1cb8546068f44faede4b53e002b6c7a5dfcbf0ac4e2e6572478402684"


def test_a_field_with_a_question_mark_is_left_out_with_its_bar() -> None:
    assert mac(MADE, REFUND) == of(b"2554|230407000001234|50000|refund|1680848533635")
    assert mac({**MADE, "refund_fee_amount": None}, REFUND) == mac(MADE, REFUND)
    assert mac({**MADE, "refund_fee_amount": 0}, REFUND) != mac(MADE, REFUND), "0 is a value"


@pytest.mark.parametrize("values", [{}, {"data": None}, {"data": {"a": 1}}, {"data": [1]}, {"data": 1.5}])
def test_what_is_missing_or_no_text_is_a_fault(values: dict[str, Any]) -> None:
    with pytest.raises(PluginError):
        mac(values, ("data",), KEY2)


def test_the_fault_names_the_field_and_no_value() -> None:
    with pytest.raises(PluginError, match="field amount is missing") as found:
        mac({"app_id": "fake-secret-0000"}, ("app_id", "amount"))
    assert "fake-secret-0000" not in str(found.value)


def test_a_text_that_no_bytes_can_be_is_a_fault() -> None:
    with pytest.raises(PluginError):
        mac({"data": "\ud800"}, ("data",), KEY2)


def test_an_empty_text_keeps_its_place() -> None:
    values = {"app_id": 2554, "os_type": "ios"}
    made = mac(values, ("app_id", "bankCodes", "os_type", "orderToken"), bankCodes="", orderToken="")
    assert made == of(b"2554||ios|")


def test_what_the_spec_adds_comes_before_what_the_body_says() -> None:
    assert mac({"app_id": 1}, ("app_id",), app_id=2554) == of(b"2554")


def test_the_key_has_its_place_where_the_fields_say() -> None:
    assert mac({"a": 1, "b": 2}, ("a", "=key", "b")) == of(b"1|" + KEY1 + b"|2")
    assert mac({"=key": "theirs"}, ("=key",)) == of(KEY1), "a body can't say what the key is"


@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8),
    key=st.binary(min_size=1, max_size=40),
)
def test_texts_are_joined_as_they_are(values: list[str], key: bytes) -> None:
    fields = tuple(f"f{number}" for number in range(len(values)))
    made = mac(dict(zip(fields, values, strict=True)), fields, key)
    assert made == of("|".join(values).encode(), key)
    assert made == made.lower()


@given(number=st.integers(-(10**15), 10**15))
def test_a_number_is_signed_as_it_stands_in_the_body(number: int) -> None:
    assert mac({"n": number}, ("n",)) == of(str(number).encode())
    assert mac({"n": Decimal(number)}, ("n",)) == of(str(number).encode())


def test_another_order_or_another_key_is_another_mac() -> None:
    values = {"a": "x", "b": "y"}
    assert len({mac(values, ("a", "b")), mac(values, ("b", "a")), mac(values, ("a", "b"), KEY2)}) == 3
