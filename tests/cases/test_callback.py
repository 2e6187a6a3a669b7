"""A recorded message told anew is believed by a connection that nobody recorded anything for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine.cases.callback import Unprovable, renamed, said_anew
from engine.cases.model import WebhookCase
from engine.cases.replay_webhook import Heard, hear
from engine.catalog import Webhook
from engine.events.interpret import Known, interpret
from engine.events.interpret import told as told_at
from engine.library import exact
from tests.cases.recorded import catalog, webhook_cases

CASES = webhook_cases()
MADE = {"token": "another-token-of-the-tests", "secret": "another-secret-of-the-tests"}


def label(case: WebhookCase) -> str:
    return f"{case.integration_id}: {case.name}"


def webhook_of(case: WebhookCase) -> Webhook:
    found = catalog().integrations[case.integration_id].webhook
    assert found is not None
    return found


def is_signed_by_a_key_pair(case: WebhookCase) -> bool:
    """Whoever proves a message by a public key can't make such a proof."""
    return any(one.scheme == "ecdsa-p256-sha256" for one in webhook_of(case).verify)


def somebody_else(case: WebhookCase, heard: Heard) -> Known:
    """Another account of the same provider, years later."""
    credentials = {name: f"another-{value}" for name, value in heard.known.credentials.items()}
    url = f"https://integrations.test/webhooks/01ANOTHER/{MADE['token']}"
    return replace(heard.known, credentials=credentials, made={**MADE, "url": url}, now=time.time())


def told(case: WebhookCase, heard: Heard, known: Known, names: Mapping[str, str]) -> list[Any]:
    """The data of the events that the connection makes of it."""
    webhook = webhook_of(case)
    reading = interpret(webhook, said_anew(webhook, heard, names, known), known)
    if webhook.route is not None:
        config, name = case.given.get("config", {}), webhook.route.name
        reading = told_at(webhook, [one for one in reading.parts if str(one.account) == str(config[name])], config)
    once = {happening.dedupe or number: happening for number, happening in enumerate(reading.happenings)}
    return [exact.loads(happening.data) for happening in once.values()]


@pytest.mark.parametrize("case", CASES, ids=label)
async def test_every_recorded_message_can_be_told_to_another_account(case: WebhookCase) -> None:
    heard = await hear(case, catalog())
    if heard is None:
        assert not case.events, "what becomes an event is heard"
        return
    if is_signed_by_a_key_pair(case):
        with pytest.raises(Unprovable, match="its proof can't be made"):
            told(case, heard, somebody_else(case, heard), {})
        return
    got = told(case, heard, somebody_else(case, heard), {})
    assert [sorted(one) for one in got] == [sorted(one["data"]) for one in heard.events]


IDS = (
    "orderCode", "clientOrderCode", "paymentId", "clientReference",
    "orderId", "messageId", "contactId", "dealId", "eventId",
)  # fmt: skip


def ids_of(data: Mapping[str, Any]) -> list[str]:
    """The names of those that are long enough not to stand elsewhere by chance."""
    return [name for name in IDS if len(data.get(name, "")) >= 4]


TELLABLE = sorted(
    {
        case.integration_id
        for case in CASES
        if case.events and ids_of(case.events[0].get("data", {})) and not is_signed_by_a_key_pair(case)
    }
)
"""Whose messages name what they are about: one of a calendar says only that something changed."""


@pytest.mark.parametrize("integration_id", TELLABLE)
async def test_its_ids_are_those_of_what_was_made(integration_id: str) -> None:
    """And the proof is over them."""
    for case in (case for case in CASES if case.integration_id == integration_id):
        heard = await hear(case, catalog())
        data = heard.events[0]["data"] if heard is not None else {}
        made = {name: "9009" if data[name].isdecimal() else "OTHER-9009" for name in ids_of(data)}
        if heard is None or not made:
            continue
        got = told(case, heard, somebody_else(case, heard), renamed(data, made))
        assert {name: got[0][name] for name in made} == made
        return
    pytest.fail("no message of it tells of an id")


async def test_without_the_secret_nothing_is_told() -> None:
    signed = next(case for case in CASES if case.integration_id == "payment-momo" and case.events)
    heard = await hear(signed, catalog())
    assert heard is not None
    with pytest.raises(Unprovable, match="lacks the secret"):
        said_anew(webhook_of(signed), heard, {}, replace(somebody_else(signed, heard), credentials={}))
