"""Every recorded webhook is what the engine makes of it, and a case that is wrong is found with the right words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.cases.model import WebhookCase
from engine.cases.replay_webhook import replay_webhook
from tests.cases.recorded import catalog, webhook_cases

NOTIFICATION = ("payment-momo", "the published vector of a notification")
FORM = ("shipping-ghtk", "picked up, as a form")


def case_of(integration_id: str, name: str) -> WebhookCase:
    return next(case for case in webhook_cases() if (case.integration_id, case.name) == (integration_id, name))


@pytest.mark.parametrize("case", webhook_cases(), ids=lambda case: f"{case.integration_id}: {case.name}")
async def test_the_engine_does_what_the_case_says(case: WebhookCase) -> None:
    assert await replay_webhook(case, catalog()) == []


def test_every_spec_with_webhooks_has_an_event_that_is_good_again_and_tampered() -> None:
    shown = {case.integration_id for case in webhook_cases() if case.events and case.again and case.tampers}
    assert {name for name, one in catalog().integrations.items() if one.webhook is not None} == shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": {"status": 200}}, "answer.status: expected 200, got 204 (accepted)"),
        ({"answer": {"status": 204, "text": "ok"}}, "answer.text: expected ok, got 0 bytes"),
        ({"answer": {"status": 204, "json": {"ok": 1}}}, "answer.json: "),
        ({"answer": {"status": 204, "headers": {"X-A": "b"}}}, "answer.headers.X-A: expected b, got nothing"),
        ({"events": ()}, "events: expected 0, got 1"),
        ({"events": ({"type": "payment.paid"},)}, 'event 1.type: expected "payment.paid", got "payment.updated"'),
        ({"events": ({"type": "payment.updated", "data": {}},)}, "event 1.data.paymentId: expected nothing, got "),
        ({"tampers": ({"headers": {"X-Other": "1"}},)}, "tamper 1: expected a refusal, got duplicate"),
        ({"receive": {"raw": "{}"}}, "answer.status: expected 204, got 400 (refused: the proof of the sender does not"),
        ({"given": {}}, "answer.status: expected 204, got 400"),
    ],
)
async def test_a_wrong_case_is_found(changes: dict[str, Any], words: str) -> None:
    problems = await replay_webhook(replace(case_of(*NOTIFICATION), **changes), catalog())
    assert [problem for problem in problems if words in problem], problems


async def test_a_proof_that_does_not_fit_says_why_and_nothing_follows_from_it() -> None:
    case = case_of(*NOTIFICATION)
    [problem] = await replay_webhook(replace(case, given={**case.given, "credentials": {}}), catalog())
    assert "(refused: the proof of the sender does not fit; no key: credentials." in problem
    [problem] = await replay_webhook(replace(case, receive={"raw": "{}"}), catalog())
    assert "does not fit; " in problem


async def test_a_message_that_is_no_duplicate_the_second_time_is_found() -> None:
    case = case_of(*NOTIFICATION)
    refused = replace(case, receive={"raw": "{}"}, answer={"status": 400}, events=(), tampers=())
    assert await replay_webhook(refused, catalog()) == [
        "again: expected a duplicate, got refused (the proof of the sender does not fit) with 0 events"
    ]


@pytest.mark.parametrize(
    ("tamper", "is_refused"),
    [
        ({"key": "another"}, True),
        ({"url": "https://integrations.test/webhooks/c1"}, False),  # the query of the case still stands behind it
        ({"dropHeader": "content-type"}, False),
        ({"method": "PUT"}, True),
        ({"now": "+30d"}, False),
    ],
)
async def test_each_way_to_tamper_changes_that_and_nothing_else(tamper: dict[str, Any], is_refused: bool) -> None:
    problems = await replay_webhook(replace(case_of(*FORM), tampers=(tamper,)), catalog())
    assert (problems == []) is is_refused
