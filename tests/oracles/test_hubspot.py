"""HubSpot: whom the spec believes and where it sends people, held to the vendor's client (`hubspot-api-client`)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.oauth import get_auth_url
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.model import WebhookCase
from engine.cases.read import read_webhook_cases
from engine.cases.stage import PUBLIC_URL, staged
from engine.catalog import Catalog
from engine.connections.consent import Consents
from engine.events.interpret import Known, interpret
from engine.locations import schemas_dir, specs_dir
from engine.runtime.message import Message
from engine.spec.load import load_catalog

ID = "crm-hubspot"
SECRET = "fake-client-secret-0000"
APP = {"clientId": "fake-client-0000", "clientSecret": SECRET}
HOOK = f"{PUBLIC_URL}/webhooks/apps/{ID}"
TOLERANCE = Signature.MAX_ALLOWED_TIMESTAMP

# ---------------------------------------------------------------------------------------------------------- webhooks


@cache
def catalog() -> Catalog:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir())


def we_believe(raw: bytes, url: str, stamp: str | None, proof: str | None, now: float, app: Any = None) -> bool:
    webhook = catalog().integrations[ID].webhook
    assert webhook is not None
    given = {"x-hubspot-request-timestamp": stamp, "x-hubspot-signature-v3": proof}
    headers = {"content-type": "application/json"} | {name: text for name, text in given.items() if text is not None}
    known = Known({}, {}, {}, catalog().signers, now, APP if app is None else app)
    return interpret(webhook, Message("POST", url, headers, raw), known).outcome != "refused"


def signed(raw: str, stamp: int | str, url: str = HOOK, secret: str = SECRET, method: str = "POST") -> str:
    made: str = Signature.get_signature(secret, raw, "v3", url, method, str(stamp))
    return made


def the_client_believes(raw: str, stamp: str | None, proof: str, secret: str = SECRET) -> bool:
    with suppress(InvalidSignatureTimestampError):
        believed: bool = Signature.is_valid(proof, secret, raw, HOOK, "POST", "v3", stamp)
        return believed
    return False


def test_we_believe_the_vector_of_the_client() -> None:
    """Secret and body are those of the vendor's own tests; computed with its client, dossier section 3."""
    raw, stamp = '{"example_field":"example_value"}', "1700000000000"
    url, secret = "https://www.example.com/webhook_uri", "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    proof = "rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o="
    assert signed(raw, stamp, url, secret) == proof
    assert we_believe(raw.encode(), url, stamp, proof, 1_700_000_000, {"clientId": "1", "clientSecret": secret})
    assert not we_believe(raw.encode(), url, stamp, proof, 1_700_000_000)


def hooks() -> list[WebhookCase]:
    return read_webhook_cases(specs_dir() / ID)


@pytest.mark.parametrize("case", hooks(), ids=lambda case: case.name)
def test_the_client_signs_the_messages_of_our_cases_and_none_that_is_tampered_with(case: WebhookCase) -> None:
    """How HubSpot writes the URL before it signs is no part of the client: a query is left to the test below."""
    for tamper in ({}, *({name: tamper[name] for name in tamper if name != "now"} for tamper in case.tampers)):
        message = {**case.receive, **tamper, "headers": {**case.receive["headers"], **tamper.get("headers", {})}}
        stamp, proof = (message["headers"].get(f"X-HubSpot-{name}") for name in ("Request-Timestamp", "Signature-v3"))
        method, url = message.get("method", "POST"), message.get("url", HOOK)
        is_whole = tamper == {} and "?" not in url
        if is_whole or (tamper and "dropHeader" not in tamper):
            assert (signed(message["raw"], stamp, url, method=method) == proof) == is_whole


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"subscriptionType": st.just("contact.creation"), "portalId": st.integers(1, 9_999_999), "note": st.text()}
    ),
    max_size=3,
)
BODIES = ITEMS.map(lambda found: json.dumps(found, ensure_ascii=False))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs")), min_size=1, max_size=12)


@given(BODIES, WORDS, st.integers(0, TOLERANCE - 100))
def test_we_believe_what_the_client_signs(raw: str, secret: str, age: int) -> None:
    now = time.time()
    stamp = str(int((now - age) * 1000))
    proof = signed(raw, stamp, secret=secret)
    assert the_client_believes(raw, stamp, proof, secret)
    assert we_believe(raw.encode(), HOOK, stamp, proof, now, {**APP, "clientSecret": secret})


@given(
    st.sampled_from([0, TOLERANCE - 100, TOLERANCE + 100, 100_000]),
    st.sampled_from(["", "secret", "body", "stamp", "cut", "old", "upper"]),
)
def test_we_believe_a_message_when_the_client_does(age: int, wrong: str) -> None:
    raw, now = '[{"portalId":1234567}]', time.time()
    stamp = str(int((now - age) * 1000))
    proofs = {
        "secret": signed(raw, stamp, secret="fake-client-secret-0001"),
        "body": signed(raw + " ", stamp),
        "stamp": signed(raw, int(stamp) + 1),
        "cut": signed(raw, stamp)[:-1],
        "old": Signature.get_signature(SECRET, raw, "v2", HOOK, "POST"),
        "upper": signed(raw, stamp).swapcase(),
    }
    proof = proofs.get(wrong, signed(raw, stamp))
    assert we_believe(raw.encode(), HOOK, stamp, proof, now) == the_client_believes(raw, stamp, proof)


UNDONE = ":/?@!$'()*,;"
"""Written plainly in what is signed, however they came (the vendor's page on validating requests)."""


@given(st.text(st.sampled_from(UNDONE + "abc %&=+#~ă"), max_size=20), st.randoms(use_true_random=False))
def test_a_url_is_signed_with_some_escapes_undone(value: str, chance: Any) -> None:
    came = "".join(char if char in UNDONE and chance.random() < 0.5 else quote(char, safe="") for char in value)
    plain = "".join(char if char in UNDONE else quote(char, safe="") for char in value)
    now = time.time()
    stamp = str(int(now * 1000))
    assert we_believe(b"[]", f"{HOOK}?a={came}", stamp, signed("[]", stamp, f"{HOOK}?a={plain}"), now)


@pytest.mark.parametrize("app", [{"clientId": "1"}, {}, {"clientId": "1", "clientSecret": ""}])
def test_without_a_secret_a_signature_or_a_time_nothing_is_believed(app: Mapping[str, str]) -> None:
    now = time.time()
    stamp = str(int(now * 1000))
    assert not we_believe(b"[]", HOOK, stamp, signed("[]", stamp, secret=app.get("clientSecret", "")), now, app)
    assert not we_believe(b"[]", HOOK, stamp, None, now)
    assert not we_believe(b"[]", HOOK, None, signed("[]", ""), now)


# ----------------------------------------------------------------------------------------------------------- consent


async def test_the_page_of_consent_has_the_url_that_the_client_makes() -> None:
    stage = await staged(ID, {"app": APP}, catalog(), status="inactive")
    stage.clock.secrets = ["fake-state-0000", "fake-verifier-0000"]
    invitation = await Consents(stage.engine, PUBLIC_URL, ()).begin(stage.connection)
    method = next(one for one in catalog().integrations[ID].methods if one.consent is not None)
    assert method.scopes is not None
    theirs = get_auth_url(
        APP["clientId"], f"{PUBLIC_URL}/oauth/callback", method.scopes.request, state="fake-state-0000"
    )
    assert invitation.url.partition("?")[0] == theirs.partition("?")[0]
    assert sorted(parse_qsl(invitation.url)) == sorted(parse_qsl(theirs))
    assert "+" not in invitation.url
