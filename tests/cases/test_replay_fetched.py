"""A webhook case may hold the reads that fill its events in: the engine must do those, and come to those events."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from engine.cases.model import WebhookCase
from engine.cases.read import parse_cases
from engine.cases.replay_webhook import replay_webhook
from engine.catalog import Catalog
from tests.events.app_messages import OPERATORS, app_catalog, app_spec, item, said
from tests.support.specs import ID, action, fields, text

READ = action(
    "get_contact",
    inputSchema=fields(("contactId",), contactId=text()),
    request={"method": "GET", "path": "/contacts/{{ input.contactId }}"},
    output={"contactId": "body.id", "email": "body.email"},
)
EVENT = {
    "type": "contact.updated",
    "dedupe": ["item.id"],
    "data": {"contactId": "to_string(item.contact)"},
    "fetch": {"action": "get_contact", "input": {"contactId": "to_string(item.contact)"}},
}
MESSAGE = said(item("1001"))
ASKED: dict[str, Any] = {
    "expect": {
        "method": "GET",
        "url": "https://api.acme.example/contacts/7",
        "headers": {"Authorization": "Bearer fake-access-0000"},
    },
    "answer": {"status": 200, "json": {"id": "7", "email": "a@example.com"}},
}
CASE: dict[str, Any] = {
    "webhook": "a contact changed",
    "source": "https://acme.example/docs",
    "given": {"app": OPERATORS, "config": {"portalId": "1001"}, "token": {"access": "fake-access-0000"}},
    "receive": {"headers": dict(MESSAGE.headers), "raw": MESSAGE.body.decode()},
    "exchanges": [ASKED],
    "answer": {"status": 204},
    "events": [{"type": "contact.updated", "data": {"contactId": "7", "email": "a@example.com"}}],
    "again": "duplicate",
    "tamper": [{"dropHeader": "x-signature"}],
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return app_catalog(tmp_path_factory.mktemp("specs"), app_spec(ID, READ, events=[EVENT]))


def case(**changes: Any) -> WebhookCase:
    block = {name: part for name, part in {**CASE, **changes}.items() if part is not None}
    found, wrong = parse_cases("webhooks.yaml", yaml.safe_dump([json.loads(json.dumps(block))]), ID)
    assert wrong == []
    (one,) = found
    assert isinstance(one, WebhookCase)
    return one


async def test_the_reads_are_done_and_the_events_are_whole(known: Catalog) -> None:
    assert await replay_webhook(case(), known) == []


async def test_without_reads_the_events_are_as_they_were_told(known: Catalog) -> None:
    thin = [{"type": "contact.updated", "data": {"contactId": "7"}}]
    assert await replay_webhook(case(exchanges=None, events=thin), known) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events": [{"type": "contact.updated", "data": {"contactId": "7"}}]}, "event 1.data.email: expected nothing"),
        ({"exchanges": [{**ASKED, "expect": {**ASKED["expect"], "method": "POST"}}]}, "request 1: method"),
        ({"exchanges": [ASKED, ASKED]}, "request 2: the case's next exchange was not asked for"),
    ],
)
async def test_what_is_done_otherwise_is_told(known: Catalog, changes: dict[str, Any], words: str) -> None:
    problems = await replay_webhook(case(**changes), known)
    assert [problem for problem in problems if words in problem], problems


async def test_a_read_that_fails_for_good_leaves_the_code(known: Catalog) -> None:
    gone = {**ASKED, "answer": {"status": 404, "json": {}}}
    told = [{"type": "contact.updated", "data": {"contactId": "7", "fetchError": "NOT_FOUND"}}]
    assert await replay_webhook(case(exchanges=[gone], events=told), known) == []
