"""Signature texts that vendors publish, built from the library alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from engine.library import LIBRARY


def call(name: str, *arguments: Any, **options: Any) -> Any:
    return LIBRARY[name].call(*arguments, **options)


def mac(key: str, text: str, algorithm: str) -> bytes:
    return hmac.new(key.encode(), text.encode(), algorithm).digest()


URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
REPEATED = {"Sid": "CA123", "SidAccount": "AC123", "Digits": ["5678", "1234", "1234"]}


@pytest.mark.parametrize(
    ("url", "form", "algorithm", "expected"),
    [
        (URL, CALL, "sha1", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL.replace(".com", ".com:443"), CALL, "sha1", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (URL.replace("https", "http").replace(".com", ".com:80"), CALL, "sha1", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (URL, REPEATED, "sha1", "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        (URL, CALL, "sha256", "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="),
    ],
)
def test_url_and_glued_pairs_give_the_published_webhook_signature(url, form, algorithm, expected):
    """Twilio, the vectors of its Python library: names sorted, repeated values once."""
    text = url + call("pairs", form, between="", join="", unique=True)
    assert call("base64", mac("12345", text, algorithm)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            {"code": "a94a110d86d2452eb3e2af4cfb8a3828", "shop": "some-shop.myshopify.com", "timestamp": "1337178173"},
            "2cb1a277650a659f1b11e92a4a64275b128e037f2c3390e3c8fd2d8721dac9e2",
        ),
        (
            {
                "timestamp": "1337178173",
                "state": "0.6784241404160823",
                "shop": "some-shop.myshopify.com",
                "code": "0907a61c0c8d55e99db179b68161bc00",
            },
            "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf",
        ),
    ],
)
def test_sorted_pairs_without_the_signature_give_the_published_callback_signature(query, expected):
    """Shopify, the vectors of its documentation and its Python library, secret `hush`."""
    text = call("pairs", {**query, "hmac": expected, "signature": "old"}, skip=["hmac", "signature"])
    assert call("hex", mac("hush", text, "sha256")) == expected


def test_twice_encoded_pairs_give_an_oauth_1_signature_base():
    """RFC 5849, 3.4.1.1: the base string of the section's example, without the parts of its body form."""
    query = {
        "b5": "=%3D",
        "a3": ["a", "2 q"],
        "c@": "",
        "a2": "r b",
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
        "c2": "",
    }
    base = (
        "POST&"
        + call("percent", "http://example.com/request")
        + "&"
        + call("percent", call("pairs", query, encode=True))
    )
    assert base == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q"
        "%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9dj"
        "dj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_form_encoded_pairs_give_a_payment_url_query():
    """VNPay: only its own parameters, sorted, a space is `+`, empty values left out."""
    query = {
        "vnp_ReturnUrl": "http://localhost:3000/vnpay-return",
        "vnp_OrderInfo": "Thanh toan don hang 123456",
        "vnp_Amount": 1000000,
        "vnp_BankCode": "",
        "vnp_SecureHash": "00",
        "utm_source": "mail",
    }
    text = call(
        "pairs", query, only="vnp_*", skip=["vnp_SecureHash", "vnp_SecureHashType"], encode="form", blank="drop"
    )
    assert text == (
        "vnp_Amount=1000000&vnp_OrderInfo=Thanh+toan+don+hang+123456"
        "&vnp_ReturnUrl=http%3A%2F%2Flocalhost%3A3000%2Fvnpay-return"
    )


def test_a_digest_over_the_json_text_is_base64_of_raw_bytes():
    """J&T: base64 of the sixteen bytes of the MD5, never of its hex text."""
    content = call("json", {"customerCode": "084LC00001", "txlogisticId": "DH-0001"})
    signed = content + "0123456789abcdef0123456789abcdef"
    assert call("base64", call("digest", signed, "md5")) == "Mqv2xMgPAfpE8NrwdRXm3Q=="
    assert (
        call("upper", call("hex", call("digest", "Abc12345jadada369t3", "md5"))) == "A3800B83251BCD1C48032FE3876A4AB4"
    )
    assert (
        call("base64", call("digest", signed, "md5"))
        == base64.b64encode(hashlib.md5(signed.encode()).digest()).decode()
    )
