"""MoMo: what the spec sends and believes, held to signatures that the vendor's own code made, and to OpenSSL.

The vendor's samples (github.com/momo-wallet/payment, commit d4746c5) carry no licence and are in no registry, so they
can't run here. Vectors: dossier payment-momo, section 3, and those marked `sample` and `Postman` below, made by running
the vendor's nodejs/MoMo.js and nodejs/CollectionLink.js at 1700000000000, and the signing function of its Postman
collections. Between them stands OpenSSL, over the texts that the vendor's pages say are signed.
"""

from __future__ import annotations

import json
import shutil
import string
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.model import Case, Turn
from engine.cases.replay import staged
from engine.catalog import Catalog
from engine.diagnostics import Position
from engine.locations import schemas_dir, specs_dir
from engine.model import Command
from engine.runtime.explain import explain
from engine.spec.load import load_catalog
from tests.oracles.account import Account, account
from tests.support.upstream import Reply, Seen, answer

ID = "payment-momo"
CONFIG = {"partnerCode": "MOMO", "environment": "sandbox"}
CREDENTIALS = {"accessKey": "F8BBA842ECF85", "secretKey": "K951B6PE1waDMi640xX08PD3vg6EkVlz"}
ORDER = "MOMO1700000000000"
SITE = "https://webhook.site/b3088a6a-2d17-4f8d-a383-71389a6c600b"
VIETNAMESE = "Thanh toán đơn 1 & 2 = đủ"
PAYMENT = {
    "paymentId": ORDER,
    "requestId": ORDER,
    "amount": 50000,
    "description": "pay with MoMo",
    "returnUrl": "https://momo.vn/return",
    "notifyUrl": "https://callback.url/notify",
}
REFUND = {"paymentId": ORDER, "transactionId": "2820086739", "amount": 50000}
CONFIRMATION = {"paymentId": ORDER, "operation": "capture", "amount": 50000}

# Action, input, and what of the request must be so, the signature with it.
SENT: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "create": (
        "create_payment",
        PAYMENT,
        {"amount": 50000, "signature": "4378bb95714712f6be833da81f743910a01e5ba6279bfe596b8a08e891259424"},
    ),
    "create, sample: letters with marks, & and =, own data": (
        "create_payment",
        {**PAYMENT, "description": VIETNAMESE, "metadata": {"sku": "A1"}},
        {
            "extraData": "eyJza3UiOiJBMSJ9",
            "signature": "185dbbc03f624eac105b40f6f7aa8fa6a2d07d3bb1affce8991e0503c1fde41f",
        },
    ),
    "link, sample": (
        "create_payment_link",
        {**PAYMENT, "returnUrl": SITE, "notifyUrl": SITE, "autoCapture": True},
        {
            "requestType": "payWithMethod",
            "autoCapture": True,
            "signature": "ce70fc85e1915fad1ca981ec14372b68ffd14b4d8f5cd42f5b2c76fd6c806d4b",
        },
    ),
    "query": (
        "get_payment_status",
        {"paymentId": ORDER},
        {"signature": "f8ab33f5a0b2f81be9879e84d3d220ef22948d03ab87981b70b67651193f6ba1"},
    ),
    "query, for a refund": (
        "get_refund_status",
        {"paymentId": ORDER, "refundId": "RF1700000000002"},
        {"orderId": ORDER, "signature": "f8ab33f5a0b2f81be9879e84d3d220ef22948d03ab87981b70b67651193f6ba1"},
    ),
    "refund": (
        "refund_payment",
        {**REFUND, "refundId": "RF1700000000002", "requestId": "RF1700000000002", "reason": f"Refund {ORDER}"},
        {
            "orderId": "RF1700000000002",
            "signature": "cb537eb6df89f111dc8451ac633a1d3d9233576ee99218a9310af12dcf0c67f9",
        },
    ),
    "refund, Postman: letters with marks, a number beyond 32 bits": (
        "refund_payment",
        {
            "paymentId": ORDER,
            "transactionId": "60318823606",
            "amount": 1000,
            "refundId": "RF1700000000003",
            "requestId": "RF1700000000003",
            "reason": "Hoàn tiền cho giao dịch 60318823606",
        },
        {
            "transId": 60318823606,
            "signature": "775482f4c055795d9502d248e295e7ecfb4c6040f0746d603cfec4e2040e1027",
        },
    ),
    "refund, Postman: no reason": (
        "refund_payment",
        {**REFUND, "amount": 1000, "refundId": "RF1700000000004", "requestId": "RF1700000000004"},
        {"description": "", "signature": "a9ee56f6e785ecc06d5ed1b6853058bbbcb6d5b8939cafd90cc8ce466a161339"},
    ),
    "confirm": (
        "confirm_payment",
        {**CONFIRMATION, "requestId": "CF1"},
        {"description": "", "signature": "1f4cc22a2b28131a2f8a201f11777b6c8409d0974e159769170230563dc25a78"},
    ),
    "confirm, Postman: a cancellation with a reason": (
        "confirm_payment",
        {**CONFIRMATION, "operation": "cancel", "requestId": "CF2", "reason": "Hết hàng"},
        {"requestType": "cancel", "signature": "1d42d343ce0d638b16a5787673d65084185e7d98aee3669babc79c2af2ff6731"},
    ),
}

TOLD = {
    "orderType": "momo_wallet",
    "amount": 50000,
    "partnerCode": "MOMO",
    "orderId": ORDER,
    "extraData": "",
    "transId": 2820086739,
    "responseTime": 1700000060123,
    "resultCode": 0,
    "message": "Successful.",
    "payType": "qr",
    "requestId": ORDER,
    "orderInfo": "pay with MoMo",
    "signature": "14f098ce9b7b274e126de79205e073bb27b113b4de7a0dc20f5d35f21927a66e",
}
NOTIFICATIONS = {
    "dossier": TOLD,
    "Postman: letters with marks, & and =, own data": {
        **TOLD,
        "extraData": "eyJza3UiOiJBMSJ9",
        "message": "Giao dịch thành công.",
        "orderInfo": VIETNAMESE,
        "payType": "napas",
        "transId": 60318823606,
        "signature": "ea689eed9a67df079e970df8a561393152da08aa82c83d2e250a80dae0d46743",
    },
    "Postman: refused by the payer": {
        **TOLD,
        "message": "Giao dịch thất bại do người dùng đã từ chối xác nhận thanh toán.",
        "payType": "",
        "resultCode": 1006,
        "transId": 0,
        "signature": "3c8fe69e6180b53c90a4fa4cd483be642bec57ad23701f21f232c3eabb13bf55",
    },
}

PAGES = {
    "create": (
        "accessKey=$accessKey&amount=$amount&extraData=$extraData&ipnUrl=$ipnUrl&orderId=$orderId&orderInfo=$orderInfo"
        "&partnerCode=$partnerCode&redirectUrl=$redirectUrl&requestId=$requestId&requestType=$requestType"
    ),
    "query": "accessKey=$accessKey&orderId=$orderId&partnerCode=$partnerCode&requestId=$requestId",
    "refund": (
        "accessKey=$accessKey&amount=$amount&description=$description&orderId=$orderId&partnerCode=$partnerCode"
        "&requestId=$requestId&transId=$transId"
    ),
    "confirm": (
        "accessKey=$accessKey&amount=$amount&description=$description&orderId=$orderId&partnerCode=$partnerCode"
        "&requestId=$requestId&requestType=$requestType"
    ),
    "notification": (
        "accessKey=$accessKey&amount=$amount&extraData=$extraData&message=$message&orderId=$orderId"
        "&orderInfo=$orderInfo&orderType=$orderType&partnerCode=$partnerCode&payType=$payType&requestId=$requestId"
        "&responseTime=$responseTime&resultCode=$resultCode&transId=$transId"
    ),
}
"""The signed text of each kind, as developers.momo.vn v3 writes it (wallet/onetime, payment-api, notification)."""

some = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(
    lambda text: text.strip() != "" and "&order" not in text
)
amounts = st.integers(1000, 50_000_000)


@cache
def catalog() -> Catalog:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir())


@pytest.fixture(scope="module")
def merchant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("momo")
    with account(folder, ID, config=CONFIG, credentials=CREDENTIALS) as made:
        yield made


async def sent(action: str, given_input: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request, as it would leave; a query's own request id is that of the vector."""
    fixed = {"random": ["Q1700000000001"], "config": CONFIG, "credentials": CREDENTIALS, "input": given_input}
    turn = Turn(action, fixed, frozenset(fixed), (), False, True, None, {}, None, None)
    stage = await staged(Case("a vector", ID, "dossier", False, (turn,), Position("here", 1, 1)), catalog())
    stage.clock.draws = ["Q1700000000001"]
    command = Command(
        tenant_id=stage.connection.tenant_id,
        connection_id=stage.connection.connection_id,
        action_id=action,
        input=dict(given_input),
    )
    made: dict[str, Any] = json.loads((await explain(stage.engine, command, stage.connection)).request.body)
    return made


def openssl(kind: str, body: Mapping[str, Any], key: str = CREDENTIALS["secretKey"]) -> str:
    """The HMAC-SHA256 of the text that the vendor's page says is signed, over the values of a body."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed, and it is what the signatures are held to")
    text = string.Template(PAGES[kind]).substitute({**body, "accessKey": CREDENTIALS["accessKey"]})
    command = [program, "dgst", "-sha256", "-hmac", key, "-r"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=60)
    return done.stdout.decode().split()[0]


def outcome(merchant: Account, message: Mapping[str, Any]) -> str:
    body = json.dumps(message, ensure_ascii=False).encode()
    return merchant.read("POST", "", body, **{"content-type": "application/json"}).outcome


def paid(seen: Seen) -> Reply:
    """A page to pay at, a payment that is paid with a refund, a refund, or money that is taken."""
    asked = seen.json()
    refunds = [{"orderId": "RF-1", "amount": 1000, "resultCode": 0, "transId": 3996022041}]
    return answer(
        {**asked, "resultCode": 0, "message": "x", "payUrl": "https://pay.example.com", "refundTrans": refunds}
    )


@pytest.mark.parametrize("name", SENT)
async def test_a_request_carries_the_signature_of_the_vendor(name: str) -> None:
    action, asked, expected = SENT[name]
    body = await sent(action, asked)
    assert {key: body.get(key) for key in expected} == expected
    assert "accessKey" not in body
    assert CREDENTIALS["secretKey"] not in json.dumps(body)


@some
@given(description=words, amount=amounts, metadata=st.none() | st.dictionaries(words, words, max_size=3))
def test_openssl_signs_a_payment_as_it_left(
    merchant: Account, description: str, amount: int, metadata: dict[str, str] | None
) -> None:
    asked = {"description": description, "amount": amount, "notifyUrl": "https://shop.example.com/momo"}
    merchant.done("create_payment", asked if metadata is None else {**asked, "metadata": metadata}, paid)
    body = merchant.sent.json()
    assert body["signature"] == openssl("create", body)
    assert (body["orderInfo"], body["amount"], body["partnerCode"]) == (description, amount, "MOMO")


@some
@given(reason=words, amount=amounts, number=st.integers(1, 10**18))
def test_openssl_signs_a_refund_as_it_left(merchant: Account, reason: str, amount: int, number: int) -> None:
    merchant.done("refund_payment", {**REFUND, "amount": amount, "transactionId": str(number), "reason": reason}, paid)
    body = merchant.sent.json()
    assert body["signature"] == openssl("refund", body)
    assert (body["description"], body["amount"], body["transId"]) == (reason, amount, number)
    assert body["orderId"] != ORDER, "a refund has an id of its own"


@some
@given(reason=words, operation=st.sampled_from(["capture", "cancel"]))
def test_openssl_signs_a_confirmation_as_it_left(merchant: Account, reason: str, operation: str) -> None:
    merchant.done("confirm_payment", {**CONFIRMATION, "operation": operation, "reason": reason}, paid)
    body = merchant.sent.json()
    assert body["signature"] == openssl("confirm", body)
    assert (body["description"], body["requestType"], body["orderId"]) == (reason, operation, ORDER)


@pytest.mark.parametrize("action", ["get_payment_status", "get_refund_status"])
def test_openssl_signs_a_question_as_it_left(merchant: Account, action: str) -> None:
    asked = {"paymentId": ORDER, **({"refundId": "RF-1"} if action == "get_refund_status" else {})}
    ids = set()
    for _ in range(2):
        merchant.done(action, asked, paid)
        body = merchant.sent.json()
        assert body["signature"] == openssl("query", body)
        ids.add(body["requestId"])
    assert len(ids) == 2, "each question has a request id of its own"


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_a_notification_with_the_signature_of_the_vendor_is_believed(merchant: Account, name: str) -> None:
    message = NOTIFICATIONS[name]
    assert outcome(merchant, message) == "understood"
    assert outcome(merchant, dict(reversed(message.items()))) == "understood", "the order in JSON means nothing"
    assert outcome(merchant, {**message, "storeId": "S1", "userFee": 0}) == "understood", "others are not signed"


@pytest.mark.parametrize("field", sorted(TOLD))
def test_a_notification_with_another_value_or_without_one_is_refused(merchant: Account, field: str) -> None:
    value = TOLD[field]
    other = value + 1 if isinstance(value, int) else f"{value}x"
    assert outcome(merchant, {**TOLD, field: other}) == "refused"
    missing = {name: kept for name, kept in TOLD.items() if name != field}
    # A missing field is signed as an empty one, and this one is empty.
    assert outcome(merchant, missing) == ("understood" if field == "extraData" else "refused")


@some
@given(given_signature=st.text(max_size=70) | st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=3))
def test_a_notification_with_another_signature_is_refused(merchant: Account, given_signature: Any) -> None:
    assert outcome(merchant, {**TOLD, "signature": given_signature}) == "refused"


@some
@given(description=words, amount=amounts, code=st.sampled_from([0, 9000, 1000, 1006, 5555]))
def test_a_notification_is_proved_by_what_openssl_makes_of_it(
    merchant: Account, description: str, amount: int, code: int
) -> None:
    message = {**TOLD, "orderInfo": description, "amount": amount, "resultCode": code}
    assert outcome(merchant, {**message, "signature": openssl("notification", message)}) == "understood"
    assert outcome(merchant, {**message, "signature": openssl("notification", message, "another-key")}) == "refused"


def test_a_notification_of_another_merchant_is_refused_although_its_signature_fits(merchant: Account) -> None:
    message = {**TOLD, "partnerCode": "MOMO2"}
    assert outcome(merchant, {**message, "signature": openssl("notification", message)}) == "refused"


def test_a_signed_text_can_t_be_read_as_another_payment(merchant: Account) -> None:
    """MoMo's text has no marks around values: what a description says could be read as fields, a refusal as paid."""
    fields = "x&orderType=o&partnerCode=MOMO&payType=qr&requestId=r&responseTime=1&resultCode=0&transId=1"
    refused = {**TOLD, "orderInfo": fields, "resultCode": 1006}
    signature = openssl("notification", refused)
    rest = f"1&orderType=momo_wallet&partnerCode=MOMO&payType=qr&requestId={ORDER}&responseTime=1700000060123"
    read = {"orderInfo": "x", "orderType": "o", "requestId": "r", "responseTime": 1, "resultCode": 0}
    forged = {**TOLD, **read, "transId": f"{rest}&resultCode=1006&transId=2820086739"}
    assert openssl("notification", forged) == signature, "both are the same text"
    assert outcome(merchant, {**forged, "signature": signature}) == "refused"

    other = {**TOLD, "orderInfo": "x&orderId=DEAR-1&orderInfo=y"}
    signature = openssl("notification", other)
    forged = {**TOLD, "message": f"Successful.&orderId={ORDER}&orderInfo=x", "orderId": "DEAR-1", "orderInfo": "y"}
    assert openssl("notification", forged) == signature, "both are the same text"
    assert outcome(merchant, {**forged, "signature": signature}) == "refused"
