"""Signatures against the texts and values that vendors published."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.signature import SCHEMES, Unsignable, sign, verify, within

MOMO_KEY = "K951B6PE1waDMi640xX08PD3vg6EkVlz"
VNPAY_KEY = "VNPAYTESTSECRET0123456789ABCDEFG"
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_FORM = "CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212"
STRIPE_BODY = (
    '{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","amount":1999}}}'
)
WOO_BASE = (
    "GET&http%3A%2F%2Fshop.example.com%2Fwp-json%2Fwc%2Fv3%2Forders&oauth_consumer_key%3D"
    "ck_0123456789abcdef0123456789abcdef01234567%26oauth_nonce%3Dkllo9940pd9333jh%26oauth_signature_method%3DHMAC-SHA256"
    "%26oauth_timestamp%3D1764000000%26page%3D2%26per_page%3D50%26status%3Dprocessing"
)

VECTORS: dict[str, tuple[str, str, Any, str | None, str, str]] = {
    "momo create": (
        "vendor sample momo-wallet/payment nodejs/MoMo.js, dossier payment-momo section 3",
        "hmac-sha256",
        "hex",
        MOMO_KEY,
        (
            "accessKey=F8BBA842ECF85&amount=50000&extraData=&ipnUrl=https://callback.url/notify&orderId=MOMO1700000000000"
            "&orderInfo=pay with MoMo&partnerCode=MOMO&redirectUrl=https://momo.vn/return&requestId=MOMO1700000000000"
            "&requestType=captureWallet"
        ),
        "4378bb95714712f6be833da81f743910a01e5ba6279bfe596b8a08e891259424",
    ),
    "momo refund": (
        "vendor Postman signing function, dossier payment-momo section 3",
        "hmac-sha256",
        "hex",
        MOMO_KEY,
        (
            "accessKey=F8BBA842ECF85&amount=50000&description=Refund MOMO1700000000000&orderId=RF1700000000002"
            "&partnerCode=MOMO&requestId=RF1700000000002&transId=2820086739"
        ),
        "cb537eb6df89f111dc8451ac633a1d3d9233576ee99218a9310af12dcf0c67f9",
    ),
    "vnpay pay": (
        "npm vnpay 2.5.0 services/payment.service.ts, dossier payment-vnpay section 3",
        "hmac-sha512",
        "hex",
        VNPAY_KEY,
        (
            "vnp_Amount=1000000&vnp_Command=pay&vnp_CreateDate=20240101120000&vnp_CurrCode=VND&vnp_IpAddr=13.160.92.202"
            "&vnp_Locale=vn&vnp_OrderInfo=Thanh+toan+don+hang+123456&vnp_OrderType=other"
            "&vnp_ReturnUrl=http%3A%2F%2Flocalhost%3A3000%2Fvnpay-return&vnp_TmnCode=DEMOTMN1&vnp_TxnRef=123456"
            "&vnp_Version=2.1.0"
        ),
        (
            "fe8d0bb01482fe042d5076874464303a0c2fb18f9d6bfb66aa3a37bbc8acec8f"
            "df779191873e4aef5a18f1dc2324916f8cc4fc1add3dcea27cde907ff590bd3a"
        ),
    ),
    "vnpay query": (
        "npm vnpay 2.5.0 services/query.service.ts, dossier payment-vnpay section 3",
        "hmac-sha512",
        "hex",
        VNPAY_KEY,
        "q1|2.1.0|querydr|DEMOTMN1|123456|20240101120000|20240101121500|1.1.1.1|Truy van GD 123456",
        (
            "4eb5b67c0aeaaba2ed78111eb36ac248adc3f839e4e165fcd223392a0bc3fe78"
            "08a902ef00632caed7d6ce5963ff467142d9ea2f781681ce0ee755f01c800c07"
        ),
    ),
    "zalopay refund": (
        "vendor SDK zalopay-nodejs, dossier payment-zalopay section 3",
        "hmac-sha256",
        "hex",
        "sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn",
        "2554|1680848533635|50000|refund|1680848533635",
        "34b4a56853d365aa20694b2f8413c4c8205b7e5e53b94ff99b3de183128bab0e",
    ),
    "jtexpress digest": (
        "computed with two implementations, dossier shipping-jtexpress section 3",
        "md5",
        "base64",
        None,
        '{"customerCode":"084LC00001","txlogisticId":"DH-0001"}0123456789abcdef0123456789abcdef',
        "Mqv2xMgPAfpE8NrwdRXm3Q==",
    ),
    "stripe webhook": (
        "stripe 16.1.0 _webhook.py, dossier payment-stripe section 9",
        "hmac-sha256",
        "hex",
        "whsec_test_7c1f0f6e2b5d4a3e9c8b7a6d5e4f3a2b",
        f"1795334400.{STRIPE_BODY}",
        "3f9fae50e207f711c47d7426bc8e27817985f7c5830c93ccb487faaddf1a6141",
    ),
    "twilio form": (
        "twilio-python tests/unit/test_request_validator.py, dossier communication-twilio section 3",
        "hmac-sha1",
        "base64",
        "12345",
        TWILIO_URL + TWILIO_FORM,
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    "twilio json": (
        "twilio-python tests/unit/test_request_validator.py, dossier communication-twilio section 3",
        "hmac-sha1",
        "base64",
        "12345",
        f"{TWILIO_URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        "a9nBmqA0ju/hNViExpshrM61xv4=",
    ),
    "twilio shared key": (
        "twilio 9.13.0 request_validator.py, dossier communication-twilio section 3",
        "hmac-sha256",
        "base64",
        "12345",
        TWILIO_URL + TWILIO_FORM,
        "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=",
    ),
    "twilio body hash": (
        "twilio-python tests/unit/test_request_validator.py, dossier communication-twilio section 3",
        "sha256",
        "hex",
        None,
        '{"property": "value", "boolean": true}',
        "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
    ),
    "woocommerce oauth 1.0a": (
        "official Python client, dossier ecommerce-woocommerce section 3",
        "hmac-sha256",
        "base64",
        "cs_fedcba9876543210fedcba9876543210fedcba98&",
        WOO_BASE,
        "nPXWaLmAEa6Be6vi65104KcwIsaCDh3TVCO5IYftuVc=",
    ),
}

"""Each: source, scheme, encoding, key, signed text, signature."""

SENDGRID_KEY = (
    b"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8"
    b"eNEc6wEA3F+g=="
)
SENDGRID_SIGNATURE = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
SENDGRID_TEXT = (
    b'1600112502[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_published_signature_is_made_and_recognised(vector: tuple[str, str, Any, str | None, str, str]) -> None:
    _, scheme, encoding, key, text, signature = vector
    secret = key.encode() if key else None
    keys = [secret] if secret else []
    assert sign(scheme, text.encode(), secret, encoding) == signature
    assert verify(scheme, [text.encode()], keys, [signature], encoding)
    assert not verify(scheme, [text.encode() + b" "], keys, [signature], encoding)


def test_the_hex_text_of_a_digest_in_base64_is_another_signature() -> None:
    """The mistake that dossier shipping-jtexpress names: base64 of the hex text."""
    text = VECTORS["jtexpress digest"][4].encode()
    wrong = base64.b64encode(hashlib.md5(text).hexdigest().encode()).decode()
    assert wrong == "MzJhYmY2YzRjODBmMDFmYTQ0ZjBkYWYwNzUxNWU2ZGQ="
    assert not verify("md5", [text], [], [wrong], "base64")


def test_any_text_key_or_given_signature_may_match() -> None:
    """Ports with and without (twilio-python: `kvajT1…` with :443), a rotated key, several v1 entries."""
    texts = [url.encode() + TWILIO_FORM.encode() for url in (TWILIO_URL, TWILIO_URL.replace(".com", ".com:443"))]
    for given_ in ("RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="):
        assert verify("hmac-sha1", texts, [b"new", b"12345"], ["x", given_], "base64")
    assert not verify("hmac-sha1", texts, [b"new"], ["kvajT1Ptam85bY51eRf/AJRuM3w="], "base64")


def test_ecdsa_takes_the_vendors_vector_and_nothing_near_it() -> None:
    """sendgrid-python test/unit/test_eventwebhook.py, dossier communication-sendgrid section 3."""
    pem = b"-----BEGIN PUBLIC KEY-----\n" + SENDGRID_KEY + b"\n-----END PUBLIC KEY-----\n"

    def holds(text: bytes = SENDGRID_TEXT, key: bytes = SENDGRID_KEY, given_: str = SENDGRID_SIGNATURE) -> bool:
        return verify("ecdsa-p256-sha256", [text], [key], [given_], "base64")

    assert holds()
    assert holds(key=pem)
    assert not holds(text=SENDGRID_TEXT.rstrip())
    assert not holds(given_=SENDGRID_SIGNATURE.replace("TluLtEZ", "TluLtEY"))
    assert not holds(key=b"no key")
    assert not holds(key=b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----")
    assert not holds(given_="AA==")


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_ecdsa_accepts_keys_on_p_256_only(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    public = base64.b64encode(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    signature = (
        private.sign(b"x", ec.ECDSA(SHA256())) if isinstance(private, ec.EllipticCurvePrivateKey) else b"x" * 256
    )
    assert not verify("ecdsa-p256-sha256", [b"x"], [public], [signature.hex()])


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_nothing_given_no_key_or_no_text_is_never_verified(scheme: str) -> None:
    keys = [b"key"] if SCHEMES[scheme].keyed else []
    assert not verify(scheme, [b"text"], keys, [])
    assert not verify(scheme, [b"text"], keys, [""])
    for given_ in ("00", hashlib.sha256(b"").hexdigest(), hashlib.md5(b"").hexdigest()):
        assert not verify(scheme, [], [], [given_])
        assert not verify(scheme, [b""], [b""], [given_])
    digest = SCHEMES[scheme].digest
    if digest is not None:
        assert not verify(scheme, [b""], [], [digest(b"", b"").hex()])
        assert not verify(scheme, [b"text"], [b""] if keys else [b"key"], [digest(b"", b"text").hex()])
        right = sign(scheme, b"text", keys[0] if keys else None)
        assert not verify(scheme, [], keys, [right])
        assert not verify(scheme, [b"text"], [] if keys else [b"key"], [right])


def test_equals_compares_with_a_secret_and_refuse_never_holds() -> None:
    assert verify("equals", [], [b"old", "mật khẩu".encode()], ["mật khẩu"])
    assert not verify("equals", [], [b"secret"], ["Secret", "secret ", "\ud800"])
    assert not verify("equals", [], [], [""])
    assert not verify("refuse", [b"x"], [b"x"], ["x"])


@given(
    st.lists(st.one_of(st.text(), st.none(), st.integers(), st.binary(), st.lists(st.text()))),
    st.sampled_from(sorted(SCHEMES)),
)
def test_whatever_is_given_verifying_never_raises(given_: list[object], scheme: str) -> None:
    for encoding in ("hex", "base64"):
        assert not verify(scheme, [b"text"], [b"a key that nobody guesses"], given_, encoding)


@given(st.binary(), st.binary(min_size=1), st.sampled_from(["hmac-sha1", "hmac-sha256", "hmac-sha512"]), st.data())
def test_a_signature_fits_its_own_text_and_key_alone(text: bytes, key: bytes, scheme: str, data: st.DataObject) -> None:
    encoding: Any = data.draw(st.sampled_from(["hex", "base64"]))
    made = sign(scheme, text, key, encoding)
    other = data.draw(st.binary().filter(lambda found: found != text))
    assert verify(scheme, [text], [key], [made], encoding)
    assert not verify(scheme, [other], [key], [made], encoding)
    assert not verify(scheme, [text], [key + b"x"], [made], encoding)


@pytest.mark.parametrize(
    ("scheme", "text", "key", "message"),
    [
        ("hmac-sha256", b"x", None, "needs a key"),
        ("hmac-sha256", b"x", b"", "needs a key"),
        ("md5", b"x", b"key", "takes no key"),
        ("sha256", b"", None, "must contain the secret"),
        ("equals", b"x", b"key", "only verifies"),
        ("ecdsa-p256-sha256", b"x", b"key", "only verifies"),
        ("hmac-sha265", b"x", b"key", 'did you mean "hmac-sha256"'),
    ],
)
def test_a_signature_that_cannot_be_made_says_why(scheme: str, text: bytes, key: bytes | None, message: str) -> None:
    with pytest.raises(Unsignable, match=message):
        sign(scheme, text, key)


@pytest.mark.parametrize(
    ("value", "unit", "fits"),
    [
        ("1700000000", "s", True),
        (1700000300, "s", True),
        (1699999700, "s", True),
        (1700000301, "s", False),
        ("1699999699", "s", False),
        ("1700000000123", "ms", True),
        ("1700000000.5", "s", True),
        (Decimal("1700000300.1"), "s", False),
        ("1700000000", "ms", False),
        ("", "s", False),
        ("now", "s", False),
        ("-1700000000", "s", False),
        ("١٧٠٠٠٠٠٠٠٠", "s", False),
        ("9" * 400, "s", False),
        ("NaN", "s", False),
        (None, "s", False),
        (True, "s", False),
        ([1700000000], "s", False),
    ],
)
def test_a_stamp_is_fresh_within_the_tolerance_either_way(value: object, unit: Any, fits: bool) -> None:
    assert within(value, unit, 300, 1700000000.0) is fits
