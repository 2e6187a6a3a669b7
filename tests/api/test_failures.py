"""What goes wrong inside: one shape for all of it, and no word of it that was not meant for the caller."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest

from engine.api.problems import reply_to
from engine.errors import VersionConflict
from engine.storage.sqlite import open_store
from tests.api.support import CANARY, HEADERS, SmallEngine, app_over


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [
        ("clash", 409, "CONFLICT"),
        ("forbid", 403, "FORBIDDEN"),
        ("crowd", 429, "TOO_MANY_REQUESTS"),
        ("crash", 500, "INTERNAL_SERVER_ERROR"),
        ("rot", 500, "INTERNAL_SERVER_ERROR"),
        ("outage", 503, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_every_failure_of_the_engine_has_its_status_and_code(api, connection, action, status, code):
    answer = await api.post("/execute", json={"connectionId": connection, "actionId": action, "input": {}})
    assert answer.status_code == status
    assert answer.json() == {**answer.json(), "code": code, "status": status, "data": {}}


async def test_a_store_that_is_away_says_when_to_come_back(api, connection):
    answer = await api.post("/execute", json={"connectionId": connection, "actionId": "outage", "input": {}})
    assert answer.headers["retry-after"] == "1"


async def test_a_crash_is_logged_by_place_and_id_without_its_words(api, connection, caplog):
    with caplog.at_level(logging.ERROR, "integrations.api"):
        answer = await api.post("/execute", json={"connectionId": connection, "actionId": "crash", "input": {}})
    assert CANARY not in answer.text
    assert CANARY not in caplog.text
    assert "RuntimeError at" in caplog.text
    assert "support.py" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


async def test_the_cause_of_a_crash_is_logged_too(caplog):
    def crash() -> None:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise TypeError(CANARY) from error

    with pytest.raises(TypeError) as raised:
        crash()
    reply_to(raised.value, "id-1")
    assert "TypeError at" in caplog.text
    assert "caused by KeyError at" in caplog.text
    assert CANARY not in caplog.text


def test_a_lost_race_is_a_conflict():
    reply = reply_to(VersionConflict("changed"), "id-1")
    assert reply.status == 409


async def test_a_closed_store_is_not_ready_but_the_process_lives(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    transport = httpx.ASGITransport(app_over(SmallEngine(store)))
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=HEADERS) as client:
        assert (await client.get("/readyz")).json() == {"status": "ok"}
        await store.lifetime.close()
        gone = await client.get("/readyz")
        assert (gone.status_code, gone.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert (await client.get("/connections")).status_code == 503
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_ids_of_requests_differ(api):
    ids = {(await api.get("/healthz")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20
