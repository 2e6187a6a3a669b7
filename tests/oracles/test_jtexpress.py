"""J&T Express: what the spec sends and believes, held to published values and to OpenSSL.

No client of J&T for Vietnam was found as a package. What others have published: the digest and the password of dossier
shipping-jtexpress, section 3; the test accounts of J&T Vietnam (open.jtexpress.vn, help centre, Authentication Tools)
and of J&T Malaysia; and a sample of the vendor's own SDK (com.yl.jms.sdk, `SignDemoUtils`) with what it gives.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest

from engine.locations import specs_dir
from engine.spec.source import read
from tests.oracles.account import Account, account
from tests.support.scene import running
from tests.support.upstream import Reply, Seen, answer

ID = "shipping-jtexpress"
CONFIG = {"apiAccount": "100000000000000001", "customerCode": "084LC00001", "environment": "sandbox"}
KEY = "0123456789abcdef0123456789abcdef"
VECTOR = '{"customerCode":"084LC00001","txlogisticId":"DH-0001"}'
DIGEST = "Mqv2xMgPAfpE8NrwdRXm3Q=="
OF_HEX = "MzJhYmY2YzRjODBmMDFmYTQ0ZjBkYWYwNzUxNWU2ZGQ="
"""The known mistake: base64 of the hexadecimal text."""
PASSWORDS = {
    "Abc12345": "A3800B83251BCD1C48032FE3876A4AB4",  # dossier, section 3
    "KGC6jju1": "4AE2DBF6527EA7C49C59EFF24F6FEA71",  # J&T Vietnam, Authentication Tools
    "Sfx6H8d4": "AA7EDDC3B82704CA3717E88E67A3CAF1",  # J&T Malaysia, test account
}
SDK_CUSTOMER, SDK_PASSWORD, SDK_KEY = "J0086474299", "H5CD3zE6", "0258d71b55fc45e3ad7a7f38bf4b201a"
SDK_DIGEST = "qonqb4O1eNr6VCWS07Ieeg=="
"""`SignDemoUtils`: Base64(MD5(customer code + upper-case MD5 of the password with the salt of China + private key))."""
REASONS = [
    "Khách đổi ý: không mua nữa",
    'dấu "ngoặc kép", \\ và /gạch chéo/',
    "a+b & c=d %20 100%",
    "hai dòng\nvà một tab\t.",
    "Đà Nẵng 😀 𝔘𝔫𝔦 \u2028",
]


def openssl(text: str) -> bytes:
    """The 16 bytes of the MD5 of a text's UTF-8."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed, and it is what the digests are held to")
    command = [program, "dgst", "-md5", "-binary"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=60).stdout


def digest(text: str) -> str:
    return base64.b64encode(openssl(text)).decode()


def content(seen: Seen) -> str:
    """The one form field of a request, decoded."""
    fields = parse_qs(seen.body.decode(), strict_parsing=True)
    assert list(fields) == ["bizContent"]
    assert len(fields["bizContent"]) == 1
    return fields["bizContent"][0]


def labelled(_seen: Seen) -> Reply:
    return answer({"code": "1", "msg": "success", "data": {"base64EncodeContent": "JVBERi0xLjQ="}})


def cancelled(_seen: Seen) -> Reply:
    return answer({"code": "1", "msg": "success", "data": None})


def customer(folder: Path, password: str) -> AbstractContextManager[Account]:
    return account(folder, ID, config=CONFIG, credentials={"privateKey": KEY, "customerPassword": password})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Account]:
    with customer(tmp_path, "Abc12345") as made:
        yield made


def told(by: Account, text: str, **headers: str) -> str:
    """What becomes of a message to the webhook."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    return by.read("POST", body=urlencode({"bizContent": text}).encode(), **form, **headers).outcome


async def test_a_request_leaves_with_the_digest_of_the_published_vector(tmp_path: Path) -> None:
    """The vector has no password, so this customer has none; everything else is the spec as it is."""
    source, _ = read("spec.yaml", (specs_dir() / ID / "spec.yaml").read_text(encoding="utf-8"))
    assert source is not None
    spec = source.value
    spec["auth"][0]["needs"].remove("customerPassword")
    async with running(tmp_path, spec, labelled, config=CONFIG, credentials={"privateKey": KEY}) as scene:
        done = await scene.call("print_label", {"clientOrderCode": "DH-0001"})
        assert done.success, done.error
        seen = scene.upstream.seen[0]
    assert content(seen) == VECTOR
    assert seen.headers["digest"] == DIGEST != OF_HEX
    assert seen.headers["apiaccount"] == "100000000000000001"
    assert seen.headers["timestamp"] == "1777600000000"


@pytest.mark.parametrize(("raw", "hashed"), PASSWORDS.items())
def test_a_password_is_sent_as_the_hash_that_j_and_t_published(tmp_path: Path, raw: str, hashed: str) -> None:
    with customer(tmp_path, raw) as shop:
        shop.done("print_label", {"clientOrderCode": "DH-0001"}, labelled)
        assert json.loads(content(shop.sent))["password"] == hashed
        assert raw not in shop.sent.body.decode()


@pytest.mark.parametrize("hashed", PASSWORDS.values())
def test_a_hash_is_sent_as_it_is(tmp_path: Path, hashed: str) -> None:
    with customer(tmp_path, hashed) as shop:
        shop.done("print_label", {"clientOrderCode": "DH-0001"}, labelled)
        assert json.loads(content(shop.sent))["password"] == hashed


@pytest.mark.parametrize("reason", REASONS, ids=range(len(REASONS)))
def test_openssl_finds_the_digest_over_the_very_text_that_is_sent(shop: Account, reason: str) -> None:
    """Compact and unescaped, whatever a text holds; what J&T decodes from the form is what was signed."""
    shop.done("cancel_order", {"clientOrderCode": "DH-0001", "reason": reason}, cancelled)
    sent = content(shop.sent)
    assert shop.sent.headers["digest"] == digest(sent + KEY)
    body = {
        "customerCode": "084LC00001",
        "password": PASSWORDS["Abc12345"],
        "txlogisticId": "DH-0001",
        "reason": reason,
    }
    assert sent == json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def test_a_message_with_the_published_digest_is_believed_and_one_with_another_is_not(shop: Account) -> None:
    assert told(shop, VECTOR, digest=DIGEST) == "understood"
    assert told(shop, VECTOR, digest=OF_HEX) == "refused"
    assert told(shop, VECTOR + " ", digest=DIGEST) == "refused"
    assert told(shop, VECTOR, digest="") == told(shop, VECTOR) == "understood", "the key of the URL proves it"


def test_a_message_is_proved_by_what_openssl_makes_of_it(shop: Account) -> None:
    scan = {"scanTime": "2026-06-05 15:57:04", "desc": "Đã lấy hàng", "scanTypeCode": 106, "scanTypeName": "Nhận hàng"}
    text = json.dumps({"billCode": "840000000123", "details": [scan]}, ensure_ascii=False)
    assert told(shop, text, digest=digest(text + KEY)) == "understood"
    assert told(shop, text, digest=digest(text)) == told(shop, text, digest=digest(text + KEY[1:])) == "refused"


def test_the_digest_is_made_as_the_vendors_sample_makes_it(tmp_path: Path) -> None:
    """The sample signs no JSON, so it stops only after the proof: what was proved can't be read."""
    signed = SDK_CUSTOMER + openssl(SDK_PASSWORD + "jadada236t2").hex().upper()
    credentials = {"privateKey": SDK_KEY, "customerPassword": "Abc12345"}
    with account(tmp_path, ID, config=CONFIG, credentials=credentials) as shop:
        assert told(shop, signed, digest=SDK_DIGEST) == "failed"
        assert told(shop, signed, digest=DIGEST) == "refused"
