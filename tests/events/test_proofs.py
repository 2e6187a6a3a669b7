"""Only who holds the secret is believed: published signatures of vendors, and what happens when anything is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from engine.runtime.message import Message
from tests.events.messages import MADE, SECRET, SIGNED, compiled, message, read, signed, webhook, webhook_spec
from tests.support.specs import ID

# dossier payment-stripe section 9
STAMPED = {
    "scheme": "hmac-sha256",
    "timestamp": {"value": "kv(headers.\"stripe-signature\", 't')", "unit": "s", "toleranceSeconds": 300},
    "text": "{{ request.headers['stripe-signature'] | kv('t') }}.{{ request.raw }}",
    "key": "{{ credentials.apiKey }}",
    "given": "kv(headers.\"stripe-signature\", 'v1', 'all')",
}
STAMPED_AT = 1_795_334_400
STAMPED_KEY = {"apiKey": "whsec_test_7c1f0f6e2b5d4a3e9c8b7a6d5e4f3a2b"}
STAMPED_MAC = "3f9fae50e207f711c47d7426bc8e27817985f7c5830c93ccb487faaddf1a6141"
STAMPED_BODY = (
    b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","amount":1999}}}'
)

# twilio-python tests/unit/test_request_validator.py
FORM_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
OVER_URL = {
    "scheme": "hmac-sha1",
    "text": [
        "{{ request.url }}{{ request.form | pairs(between='', join='', unique=true) }}",
        "{{ request.urlWithPort }}{{ request.form | pairs(between='', join='', unique=true) }}",
    ],
    "key": "{{ credentials.apiKey }}",
    "given": 'headers."x-twilio-signature"',
    "encoding": "base64",
}


def stamped(header: str, body: bytes = STAMPED_BODY) -> Message:
    return message(body, **{"content-type": "application/json", "stripe-signature": header})


@pytest.mark.parametrize(
    ("header", "later", "outcome"),
    [
        (f"t={STAMPED_AT},v1={STAMPED_MAC}", 0, "understood"),
        (f"t={STAMPED_AT},v1={STAMPED_MAC}", 300, "understood"),
        (f"t={STAMPED_AT},v1={STAMPED_MAC}", 301, "refused"),
        (f"t={STAMPED_AT},v1={STAMPED_MAC}", -300, "understood"),
        (f"t={STAMPED_AT},v1={STAMPED_MAC}", -301, "refused"),
        (f"t={STAMPED_AT},v1={'0' * 64},v1={STAMPED_MAC}", 0, "understood"),
        (f"t={STAMPED_AT},v0={STAMPED_MAC}", 0, "refused"),
        (f"t={STAMPED_AT + 1},v1={STAMPED_MAC}", 0, "refused"),
        (f"v1={STAMPED_MAC}", 0, "refused"),
        (f"t=,v1={STAMPED_MAC}", 0, "refused"),
        ("", 0, "refused"),
    ],
)
def test_a_stamped_signature_holds_for_its_time_in_both_directions(
    header: str, later: int, outcome: str, tmp_path: Path
) -> None:
    """The published vector; several signatures may come, and only those of the right version count."""
    reading = read(webhook(tmp_path, verify=[STAMPED]), stamped(header), STAMPED_KEY, STAMPED_AT + later)
    assert reading.outcome == outcome


@pytest.mark.parametrize(
    ("url", "mac"),
    [
        (FORM_URL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (FORM_URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (FORM_URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
    ids=["as called", "https with its port", "http with its port"],
)
def test_a_signature_over_url_and_form_holds_with_and_without_the_port(url: str, mac: str, tmp_path: Path) -> None:
    made = webhook(tmp_path, verify=[OVER_URL])
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": mac}
    came = Message("POST", url, headers, urlencode(FORM).encode())
    assert read(made, came, {"apiKey": "12345"}).outcome == "understood"
    assert read(made, came, {"apiKey": "12346"}).outcome == "refused"
    assert read(made, replace(came, url=url + "0"), {"apiKey": "12345"}).outcome == "refused"
    assert read(made, replace(came, body=b"To=%2B18005551212"), {"apiKey": "12345"}).outcome == "refused"


def test_the_bytes_are_what_was_signed_also_where_they_are_no_text(tmp_path: Path) -> None:
    made = webhook(tmp_path, events=[{"type": "parcel.moved"}])
    raw = bytes(range(256))
    for kind in ("application/octet-stream", "text/plain"):
        came = signed(raw, **{"content-type": kind})
        assert read(made, came).outcome == "understood"
        assert read(made, replace(came, body=raw[:-1] + b"\xfe")).outcome == "refused"


@pytest.mark.parametrize("given", [None, "", "0" * 64, "x", "é"])
def test_a_message_without_its_signature_is_refused(given: str | None, tmp_path: Path) -> None:
    came = signed({"id": 1})
    headers = {name: text for name, text in came.headers.items() if name != "x-signature"}
    if given is not None:
        headers["x-signature"] = given
    assert read(webhook(tmp_path), replace(came, headers=headers)).outcome == "refused"


@pytest.mark.parametrize("credentials", [{}, {"apiKey": ""}, {"apiKey": None}, {"other": SECRET}])
def test_without_a_configured_secret_everything_is_refused(credentials: dict[str, Any], tmp_path: Path) -> None:
    """Also a message that is signed with the empty key, or that gives nothing where a secret is compared."""
    assert read(webhook(tmp_path), signed({"id": 1}, key=""), credentials).outcome == "refused"
    equal = {"scheme": "equals", "given": "query.key", "key": "{{ credentials.apiKey }}"}
    made = webhook(tmp_path / "equal", verify=[equal])
    for query in ("", "?key=", "?key=None", "?key=null", "?key=&key="):
        assert read(made, message(query=query), credentials).outcome == "refused"


def test_the_key_in_the_path_is_compared_with_the_token_of_the_connection(tmp_path: Path) -> None:
    keyed = {"scheme": "equals", "given": "request.key", "key": "{{ webhook.token }}"}
    made = webhook(tmp_path, verify=[keyed])
    assert made.uses == {"key", "token"}
    assert read(made, message(key=MADE["token"])).outcome == "understood"
    for key in (None, "", "token-of-the-test", MADE["token"] + "s", MADE["token"].upper(), MADE["secret"]):
        assert read(made, message(key=key)).outcome == "refused"
    assert read(made, message(key=""), issued={"url": MADE["url"], "token": ""}).outcome == "refused"


def test_the_first_proof_whose_condition_holds_decides_alone(tmp_path: Path) -> None:
    """A wrong signature is not made good by a right key, and with no condition that holds nothing is proved."""
    keyed = {"scheme": "equals", "given": "request.key", "key": "{{ webhook.token }}"}
    made = webhook(tmp_path, verify=[{**SIGNED, "when": 'headers."x-signature"'}, {**keyed, "when": "query.keyed"}])
    assert read(made, signed({"id": 1})).outcome == "understood"
    assert read(made, message(key=MADE["token"], query="?keyed=1")).outcome == "understood"
    wrong = replace(signed({"id": 1}, key="another"), key=MADE["token"], url=MADE["url"] + "?keyed=1")
    assert read(made, wrong).outcome == "refused"
    assert read(made, message(key=MADE["token"])).outcome == "refused"


def test_everything_under_also_must_hold_too(tmp_path: Path) -> None:
    hashed = {"scheme": "equals", "given": "query.hash", "key": "{{ request.raw | digest('sha256') | hex }}"}
    made = webhook(tmp_path, verify=[{**SIGNED, "also": [hashed]}])
    came = signed(b"{}")
    good = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert read(made, replace(came, url=f"{MADE['url']}?hash={good}")).outcome == "understood"
    assert read(made, replace(came, url=f"{MADE['url']}?hash={good[:-1]}b")).outcome == "refused"
    assert read(made, came).outcome == "refused"


def test_any_of_several_keys_and_signatures_may_match(tmp_path: Path) -> None:
    both = ["{{ credentials.apiKey }}", "{{ credentials.other }}"]
    given = ['headers."x-old"', 'headers."x-signature"']
    made = webhook(tmp_path, verify=[{**SIGNED, "key": both, "given": given}])
    assert read(made, signed({}, key="the-new-one"), {"apiKey": "the-new-one"}).outcome == "understood"
    came = signed({}, key="the-old-one")
    moved = {"content-type": "application/json", "x-old": came.headers["x-signature"]}
    secrets = {"apiKey": "the-new-one", "other": "the-old-one"}
    assert read(made, replace(came, headers=moved), secrets).outcome == "understood"
    assert read(made, signed({}, key="a-third-one"), secrets).outcome == "refused"


def test_a_plugin_computes_and_the_engine_compares(tmp_path: Path) -> None:
    """A plugin that fails, or has no key, proves nothing."""
    block = {"plugin": "acme_mac", "fields": ["code"], "key": "{{ credentials.apiKey }}", "given": "body.mac"}
    catalog = compiled(tmp_path, webhook_spec(verify=[block]))
    made, signers = catalog.integrations[ID].webhook, catalog.signers
    assert made is not None
    good = SECRET.encode().hex() + "A1"
    for body, outcome in (
        ({"code": "A1", "mac": good}, "understood"),
        ({"code": "A2", "mac": good}, "refused"),
        ({"mac": good}, "refused"),
        ({"code": "A1"}, "refused"),
    ):
        assert read(made, signed(body), signers=signers).outcome == outcome
    assert read(made, signed({"code": "A1", "mac": "A1"}), {}, signers=signers).outcome == "refused"
