"""Stripe: what the spec believes and sends, held to the vendor's own SDK (the package `stripe`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.model import WebhookCase
from engine.cases.read import read_webhook_cases
from engine.catalog import Catalog
from engine.events.interpret import Known, interpret
from engine.locations import schemas_dir, specs_dir
from engine.runtime.message import Message
from engine.spec.load import load_catalog
from tests.oracles.account import Account, account
from tests.support.upstream import answer

ID = "payment-stripe"
KEY = "sk_test_fake_key_0000"
SECRET = "whsec_fake_secret_0000"
OTHER_SECRET = "whsec_fake_other_0000"
CONNECTED = "acct_1fake0000"
TOLERANCE = stripe.Webhook.DEFAULT_TOLERANCE

# ---------------------------------------------------------------------------------------------------------- webhooks


@cache
def catalog() -> Catalog:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir())


def we_believe(raw: bytes, header: str | None, secret: str | None, now: float) -> bool:
    webhook = catalog().integrations[ID].webhook
    assert webhook is not None
    headers = {"content-type": "application/json"} | ({"stripe-signature": header} if header is not None else {})
    credentials = {"secretKey": KEY} | ({"webhookSecret": secret} if secret is not None else {})
    known = Known({"environment": "sandbox"}, credentials, {}, catalog().signers, now)
    return interpret(webhook, Message("POST", "https://hooks.example.com", headers, raw), known).outcome != "refused"


def the_sdk_believes(raw: bytes, header: str | None, secret: str | None, tolerance: int | None = TOLERANCE) -> bool:
    """`tolerance` None: however old it is. The SDK looks at the clock of the machine."""
    with suppress(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(raw, header, secret, tolerance)
        return True
    return False


def hooks() -> list[WebhookCase]:
    return read_webhook_cases(specs_dir() / ID)


def header_of(message: Mapping[str, Any], dropped: str = "") -> str | None:
    found = {name.lower(): text for name, text in message.get("headers", {}).items()}
    return None if dropped.lower() == "stripe-signature" else found.get("stripe-signature")


@pytest.mark.parametrize("case", hooks(), ids=lambda case: case.name)
def test_the_sdk_believes_the_messages_of_our_cases_and_none_that_is_tampered_with(case: WebhookCase) -> None:
    """That we do is what replaying the cases shows. A tampered clock is nothing that the SDK can be asked."""
    raw, secret = case.receive["raw"].encode(), case.given["credentials"]["webhookSecret"]
    assert the_sdk_believes(raw, header_of(case.receive), secret, None)
    event = stripe.Webhook.construct_event(raw, header_of(case.receive), secret, 2**40, api_key=KEY)
    assert event.id == json.loads(raw)["id"]
    for tamper in case.tampers:
        if "now" not in tamper:
            changed = {**case.receive, **tamper}
            header = header_of(changed, tamper.get("dropHeader", ""))
            assert not the_sdk_believes(changed["raw"].encode(), header, secret, None)


BODIES = st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.booleans(), max_size=4).map(
    lambda found: json.dumps({"id": "evt_1", "object": "event", **found}, ensure_ascii=False)
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs")), min_size=1, max_size=12)


@given(BODIES, WORDS, st.integers(0, TOLERANCE - 100))
def test_we_believe_what_the_sdk_signs(raw: str, word: str, age: int) -> None:
    now, secret = time.time(), f"whsec_{word}"
    header = stripe.WebhookSignature.generate_signature_header(raw, secret, int(now) - age)
    assert the_sdk_believes(raw.encode(), header, secret)
    assert we_believe(raw.encode(), header, secret, now)


def _signature(raw: str, secret: str, stamp: int) -> str:
    header: str = stripe.WebhookSignature.generate_signature_header(raw, secret, stamp)
    return header.partition(",v1=")[2]


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, str]:
    """A body, and a header of parts that are right, wrong, old, missing or there twice, in any order."""
    raw = draw(BODIES)
    stamp = int(time.time()) - draw(st.sampled_from([0, TOLERANCE - 100, TOLERANCE + 100, 100_000]))
    right = _signature(raw, SECRET, stamp)
    parts = [
        f"t={stamp}", f"t={stamp}", f"v1={right}", f"v1={right}", f"t={stamp - 1}", "t=", "t=x", "v1=", f"v0={right}",
        f"v1={_signature(raw, OTHER_SECRET, stamp)}", f"v1={_signature(raw + ' ', SECRET, stamp)}", f"v1={right[:-1]}",
        f"v1={right.upper()}", f"v2={right}", "x=1",
    ]  # fmt: skip
    return raw, ",".join(draw(st.lists(st.sampled_from(parts), max_size=6)))


@given(messages())
@settings(max_examples=400)
def test_whatever_the_header_holds_we_believe_it_when_the_sdk_does(made: tuple[str, str]) -> None:
    raw, header = made
    assert we_believe(raw.encode(), header, SECRET, time.time()) == the_sdk_believes(raw.encode(), header, SECRET)


@pytest.mark.parametrize("secret", [None, ""])
@pytest.mark.parametrize("header", [None, "", "t=1", "v1=0"])
def test_without_a_secret_or_a_signature_neither_believes(secret: str | None, header: str | None) -> None:
    assert not the_sdk_believes(b'{"id": "evt_1"}', header, secret)
    assert not we_believe(b'{"id": "evt_1"}', header, secret, time.time())
    assert not we_believe(b'{"id": "evt_1"}', header, SECRET, time.time())


def test_a_message_from_the_future_is_refused_by_us_alone() -> None:
    """The SDK looks at the past side only; a stamp that far ahead would be good for as much longer."""
    raw, now = '{"id": "evt_1", "object": "event"}', time.time()
    header = stripe.WebhookSignature.generate_signature_header(raw, SECRET, int(now) + TOLERANCE + 100)
    assert the_sdk_believes(raw.encode(), header, SECRET)
    assert not we_believe(raw.encode(), header, SECRET, now)


# ---------------------------------------------------------------------------------------------------------- requests


@dataclass
class Recorder(stripe.HTTPClient):
    """In place of the wire under the SDK: keeps what would leave."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    name = "recorder"

    def __post_init__(self) -> None:
        super().__init__()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, dict[str, str]]:
        self.method, self.url, self.headers, self.body = method.upper(), url, headers or {}, post_data or ""
        return "{}", 200, {}


Ask = Callable[[stripe.StripeClient], object]
"""The same call, made with the SDK."""
Asked = tuple[str, dict[str, Any], Ask]

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["a=b&c", "Áo thun & quần", "a+b %5B [x] y~z*'\"", "100%", "\n", "đ", "🎁"]
)
METADATA = st.dictionaries(TEXT.filter(lambda key: key != "order_id"), st.just("") | TEXT, min_size=1, max_size=3)
AMOUNT = st.integers(1, 99_999_999)
BOOL = st.booleans()
EMAIL = st.sampled_from(["a+b@example.com", "nguyen.van.a@example.com"])
MOMENT = st.integers(1_300_000_000, 1_900_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
ADDRESS = {"line1": "line1", "line2": "line2", "city": "city", "state": "state", "postalCode": "postal_code"}


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these fields, in this order."""
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda found: {name: found[name] for name in fields if name in found}
    )


def snake(found: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The fields under Stripe's names, in the order of `names`."""
    return {theirs: found[ours] for ours, theirs in names.items() if ours in found}


ADDRESSES = some(**dict.fromkeys(ADDRESS, TEXT)).filter(bool)
PEOPLE = some(
    name=TEXT, email=EMAIL, phone=TEXT, description=TEXT, address=ADDRESSES,
    preferredLocales=st.lists(st.sampled_from(["vi", "en", "zh-TW"]), min_size=1, max_size=3),
    taxExempt=st.sampled_from(["none", "exempt"]), metadata=METADATA,
)  # fmt: skip


def person(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: name for name in ("name", "email", "phone", "description", "address")}
    made = snake(found, {**names, "preferredLocales": "preferred_locales", "taxExempt": "tax_exempt"})
    if "address" in made:
        made["address"] = snake(made["address"], ADDRESS)
    return {**made, **snake(found, {"metadata": "metadata"})}


def new_customer(found: dict[str, Any]) -> Asked:
    return "create_customer", found, lambda sdk: sdk.v1.customers.create(params=person(found))


def changed_customer(found: dict[str, Any]) -> Asked:
    params = person(found)
    return (
        "update_customer",
        {"customerId": "cus_1fake0000", **found},
        lambda sdk: sdk.v1.customers.update("cus_1fake0000", params=params),
    )


ITEMS = st.fixed_dictionaries(
    {"amount": AMOUNT, "name": TEXT, "quantity": st.integers(1, 99)},
    optional={
        "description": TEXT,
        "imageUrls": st.lists(st.just("https://shop.example.com/a%20b.png?x=1&y=2"), max_size=2),
    },
)


def line(item: Mapping[str, Any]) -> dict[str, Any]:
    product = snake(item, {"name": "name", "description": "description", "imageUrls": "images"})
    price = {"currency": "usd", "unit_amount": item["amount"], "product_data": product}
    return {"price_data": price, "quantity": item["quantity"]}


LINKS = st.fixed_dictionaries(
    {"items": st.lists(ITEMS, min_size=1, max_size=3)},
    optional={
        "metadata": METADATA, "clientReference": TEXT, "captureMethod": st.just("manual"), "inactiveMessage": TEXT,
        "allowPromotionCodes": BOOL, "collectPhone": BOOL, "shippingCountries": st.just(["VN", "US"]),
    },
)  # fmt: skip


def new_link(found: dict[str, Any]) -> Asked:
    own = dict(found.get("metadata", {}))
    if "clientReference" in found:
        own["order_id"] = found["clientReference"]
    kept = {"metadata": own} if own else {}
    data = {**kept, **snake(found, {"captureMethod": "capture_method"})}
    params = {
        "line_items": [line(item) for item in found["items"]],
        **kept,
        **({"payment_intent_data": data} if data else {}),
        "restrictions": {"completed_sessions": {"limit": 1}},
        **snake(found, {"inactiveMessage": "inactive_message", "allowPromotionCodes": "allow_promotion_codes"}),
    }
    if "collectPhone" in found:
        params["phone_number_collection"] = {"enabled": found["collectPhone"]}
    if "shippingCountries" in found:
        params["shipping_address_collection"] = {"allowed_countries": found["shippingCountries"]}
    asked = {**found, "currency": "USD"}
    return "create_payment_link", asked, lambda sdk: sdk.v1.payment_links.create(params=params)


PAYMENTS = st.fixed_dictionaries(
    {"amount": AMOUNT},
    optional={
        "description": TEXT, "metadata": METADATA, "receiptEmail": EMAIL, "confirm": BOOL,
        "paymentMethodId": st.just("pm_1fake0000"),
    },
)  # fmt: skip


def new_payment(found: dict[str, Any]) -> Asked:
    names = {"description": "description", "metadata": "metadata", "receiptEmail": "receipt_email"}
    params = {
        "amount": found["amount"],
        "currency": "usd",
        "automatic_payment_methods": {"enabled": True},
        **snake(found, {**names, "confirm": "confirm", "paymentMethodId": "payment_method"}),
    }
    asked = {**found, "currency": "usd"}
    return "create_payment_intent", asked, lambda sdk: sdk.v1.payment_intents.create(params=params)


REFUNDS = some(amount=AMOUNT, metadata=METADATA, refundApplicationFee=BOOL, reverseTransfer=BOOL)


def new_refund(found: dict[str, Any]) -> Asked:
    names = {"refundApplicationFee": "refund_application_fee", "reverseTransfer": "reverse_transfer"}
    params = {"charge": "ch_1", **snake(found, {"amount": "amount", "metadata": "metadata", **names})}
    asked = {"transactionId": "ch_1", **found}
    return "create_refund", asked, lambda sdk: sdk.v1.refunds.create(params=params)


SPANS = some(createdFrom=MOMENT, createdBefore=MOMENT)


def payments_of(found: dict[str, Any]) -> Asked:
    """The SDK takes the moments as such, we take them as RFC 3339."""
    span = snake(found, {"createdFrom": "gte", "createdBefore": "lt"})
    params: dict[str, Any] = {**({"created": span} if span else {}), "expand": ["data.latest_charge"], "limit": 7}
    asked = {**{name: at.isoformat() for name, at in found.items()}, "limit": 7}
    return "list_payment_intents", asked, lambda sdk: sdk.v1.payment_intents.list(params=params)


def customers_like(query: str) -> Asked:
    asked = {"query": query, "limit": 5}
    return "search_customers", asked, lambda sdk: sdk.v1.customers.search(params={"query": query, "limit": 5})


def sessions_of(email: str) -> Asked:
    params: dict[str, Any] = {
        "customer_details": {"email": email},
        "expand": ["data.payment_intent.latest_charge"],
        "limit": 10,
    }
    asked = {"customerEmail": email}
    return "list_checkout_sessions", asked, lambda sdk: sdk.v1.checkout.sessions.list(params=params)


CALLS: Mapping[str, st.SearchStrategy[Asked]] = {
    "create_customer": PEOPLE.map(new_customer),
    "update_customer": PEOPLE.filter(bool).map(changed_customer),
    "create_payment_link": LINKS.map(new_link),
    "create_payment_intent": PAYMENTS.map(new_payment),
    "create_refund": REFUNDS.map(new_refund),
    "list_payment_intents": SPANS.map(payments_of),
    "search_customers": TEXT.map(customers_like),
    "list_checkout_sessions": EMAIL.map(sessions_of),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account whose provider refuses everything: only what is sent matters here."""
    config = {"environment": "sandbox", "stripeAccount": CONNECTED}
    folder = tmp_path_factory.mktemp("stripe")
    with account(folder, ID, config=config, credentials={"secretKey": KEY}) as made:
        yield made


def literal(encoded: str) -> str:
    """Brackets as the SDK writes them; to Stripe both spellings are the same (dossier section 3)."""
    return encoded.replace("%5B", "[").replace("%5D", "]")


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_what_leaves_is_byte_for_byte_what_the_sdk_sends(name: str, shop: Account, data: st.DataObject) -> None:
    action, asked, ask = data.draw(CALLS[name])
    made = shop.call(action, asked, lambda _seen: answer({"error": {"type": "invalid_request_error"}}, 400))
    assert made.error is not None
    assert made.error.details["httpStatus"] == 400

    wire = Recorder()
    ask(stripe.StripeClient(KEY, http_client=wire, stripe_account=CONNECTED))
    sent = shop.sent
    assert (sent.method, literal(f"https://api.stripe.com{sent.target}")) == (wire.method, wire.url)
    assert literal(sent.body.decode()) == wire.body

    theirs = {header.lower(): text for header, text in wire.headers.items()}
    same = ["authorization", "stripe-version", "stripe-account", *(["content-type"] if wire.body else [])]
    assert {header: sent.headers.get(header) for header in same} == {header: theirs.get(header) for header in same}
    assert ("idempotency-key" in sent.headers) == (wire.method == "POST")
    assert len(sent.headers.get("idempotency-key", "")) <= 255
