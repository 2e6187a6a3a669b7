"""Nine providers without a line of engine code: what each is known to need is in its spec, and its cases reach it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from engine.cases.model import AnyCase, Case, ConsentCase, ErrandCase, WebhookCase
from engine.cases.read import read_folder
from engine.catalog import Integration, Method, Signature, Webhook
from tests.cases.recorded import FOLDERS, catalog


def methods(one: Integration) -> list[str]:
    return [method.name for method in one.methods]


def consenting(one: Integration) -> Method:
    return next(method for method in one.methods if method.consent is not None)


def webhook(one: Integration) -> Webhook:
    assert one.webhook is not None
    return one.webhook


def schemes(one: Integration) -> list[str | None]:
    return [proof.scheme for proof in webhook(one).verify]


def has_consent(one: Integration, *, pkce: bool, exchange: bool = True) -> bool:
    consent = consenting(one).consent
    assert consent is not None
    return consent.pkce is pkce and (consent.exchange is not None) is exchange


NEEDS: Mapping[str, Mapping[str, Callable[[Integration], bool]]] = {
    "ecommerce-haravan": {
        "a private token, else consent": lambda one: methods(one) == ["private_token", "oauth"],
        "consent without PKCE": lambda one: has_consent(one, pkce=False),
        "one address for all shops": lambda one: webhook(one).route is not None,
        "a handshake that is proved": lambda one: bool(webhook(one).handshakes[0].verify),
        "a subscription": lambda one: webhook(one).subscribe is not None,
        "what the test learns": lambda one: one.test is not None and "orgId" in one.test.capture,
    },
    "ecommerce-sapo": {
        "a private app, else consent": lambda one: methods(one) == ["private_app", "oauth"],
        "a signed callback": lambda one: bool(getattr(consenting(one).consent, "verify", ())),
        "a webhook per topic": lambda one: len(getattr(webhook(one).subscribe, "topics", ())) > 1,
    },
    "ecommerce-woocommerce": {
        "three ways to sign in": lambda one: methods(one) == ["oauth1", "query", "basic"],
        "signed requests": lambda one: bool(one.methods[0].sign),
        "keys that are handed over": lambda one: has_consent(one, pkce=False, exchange=False),
        "plain http": lambda one: one.hosts.plain_http is not None,
        "a handshake that nobody signs": lambda one: webhook(one).handshakes[0].verify == (),
        "a secret of our own": lambda one: webhook(one).uses == {"secret"},
    },
    "ecommerce-prestashop": {
        "the key in one of two places": lambda one: methods(one) == ["query", "basic"],
        "JSON read, XML written": lambda one: any(
            step.request.body_kind == "xml" for action in one.actions.values() for step in action.steps
        ),
    },
    "crm-salesforce": {
        "the app's own credentials, else consent": lambda one: methods(one) == ["client_credentials", "oauth"],
        "consent with PKCE": lambda one: has_consent(one, pkce=True),
        "a signed token answer": lambda one: bool(getattr(consenting(one).token, "verify", ())),
        "the host that the answer names": lambda one: "instanceUrl" in consenting(one).capture,
        "revocation": lambda one: consenting(one).revoke is not None,
        "several things in one message": lambda one: webhook(one).each is not None,
    },
    "crm-zoho": {
        "a client of its own, else consent": lambda one: methods(one) == ["self_client", "oauth"],
        "the server that the callback names": lambda one: (
            "accountsServer" in getattr(consenting(one).consent, "capture", {})
        ),
        "few tokens in ten minutes": lambda one: getattr(consenting(one).refresh, "per", 0) == 600,
        "revocation": lambda one: consenting(one).revoke is not None,
        "events that are read afterwards": lambda one: any(event.fetch for event in webhook(one).events),
        "a subscription that is renewed": lambda one: getattr(webhook(one).subscribe, "renew", None) is not None,
    },
    "calendar-calendly": {
        "a personal token, else consent": lambda one: methods(one) == ["personal_token", "oauth"],
        "consent with PKCE": lambda one: has_consent(one, pkce=True),
        "revocation": lambda one: consenting(one).revoke is not None,
        "a signature that ages": lambda one: webhook(one).verify[0].timestamp is not None,
        "a subscription": lambda one: webhook(one).subscribe is not None,
    },
    "communication-twilio": {
        "a key, else the account's token": lambda one: methods(one) == ["api_key", "auth_token"],
        "two ways of signing, the rest refused": lambda one: (
            schemes(one) == ["hmac-sha256", "hmac-sha256", "refuse", "hmac-sha1", "hmac-sha1"]
        ),
        "two servers": lambda one: one.hosts.literal == {"api.twilio.com", "verify.twilio.com"},
    },
    "communication-sendgrid": {
        "a key pair": lambda one: schemes(one) == ["ecdsa-p256-sha256"],
        "several things in one message": lambda one: webhook(one).each is not None,
    },
}


NEEDED = [(one, what) for one, all_needs in NEEDS.items() for what in all_needs]


@pytest.mark.parametrize(("integration_id", "what"), NEEDED, ids=lambda text: text)
def test_the_spec_has_what_the_provider_needs(integration_id: str, what: str) -> None:
    assert NEEDS[integration_id][what](catalog().integrations[integration_id])


def cases_of(integration_id: str) -> list[AnyCase]:
    cases, problems = read_folder(FOLDERS[1] / integration_id)
    assert problems == []
    return cases


@pytest.mark.parametrize("integration_id", NEEDS)
def test_its_cases_reach_each_part(integration_id: str) -> None:
    """A call that works and one that fails; a consent, its end, and what subscribes, where the spec knows them."""
    one, cases = catalog().integrations[integration_id], cases_of(integration_id)
    turns = [turn for case in cases if isinstance(case, Case) for turn in case.turns]
    assert {turn.has_result for turn in turns} == {True, False}
    done = {case.does for case in cases if isinstance(case, ErrandCase)}
    subscribe = one.webhook.subscribe if one.webhook is not None else None
    wanted = {
        "revoke": any(method.revoke for method in one.methods),
        "subscribe": subscribe is not None,
        "renew": subscribe is not None and subscribe.renew is not None,
        "unsubscribe": subscribe is not None and subscribe.delete is not None,
    }
    assert {name for name, is_wanted in wanted.items() if is_wanted} <= done
    assert any(isinstance(case, ConsentCase) for case in cases) is any(method.consent for method in one.methods)
    assert any(isinstance(case, WebhookCase) and case.tampers for case in cases) is (one.webhook is not None)


@pytest.mark.parametrize("integration_id", NEEDS)
def test_no_plugin_helps(integration_id: str) -> None:
    one = catalog().integrations[integration_id]
    proofs: list[Signature] = [*(one.webhook.verify if one.webhook is not None else ())]
    for method in one.methods:
        assert method.refresh is None or method.refresh.plugin is None
        proofs += [*method.sign, *(method.consent.verify if method.consent is not None else ())]
    assert [proof.plugin for proof in proofs if proof.plugin] == []
