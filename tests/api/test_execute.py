"""`POST /execute`: what the engine gets, and what its answers and failures look like."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.api.support import CANARY, OTHERS, SmallEngine


def _command(connection: str, action: str = "quote", **more: Any) -> dict[str, Any]:
    return {"connectionId": connection, "actionId": action, "input": {"weight": 200}, **more}


async def test_an_answer_has_data_and_the_id_of_its_execution(api, connection):
    answer = (await api.post("/execute", json=_command(connection))).json()
    logged = (await api.get(f"/executions/{answer['executionId']}")).json()
    assert answer == {
        "success": True,
        "executionId": logged["executionId"],
        "data": {"weight": 200},
        "latencyMs": 12,
    }


async def test_what_goes_wrong_in_a_call_is_a_200(api, connection):
    answer = await api.post("/execute", json=_command(connection, "limited"))
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert answer.json()["error"] == {
        "code": "RATE_LIMITED",
        "message": "slow down",
        "retryable": True,
        "retryAfterMs": 1500,
        "details": {"scope": "connection"},
    }
    assert "data" not in answer.json()


async def test_an_answer_without_data_leaves_it_out(api, connection):
    assert "data" not in (await api.post("/execute", json=_command(connection, "nothing"))).json()


@pytest.mark.parametrize("number", ["0.1", "12345678901234567890.123456789", "1234567890123456789012", "1.10", "5e2"])
async def test_numbers_keep_every_digit(api, connection, number):
    body = json.dumps(_command(connection)).replace("200", number)
    answer = await api.post("/execute", content=body.encode(), headers={"Content-Type": "application/json"})
    assert json.loads(answer.text, parse_float=Decimal)["data"]["weight"] == Decimal(number)


async def test_the_engine_gets_all_that_the_caller_says(api, connection, engine: SmallEngine):
    body = _command(connection, callerService="agent", callerRef="r-1", tenantId="acme")
    await api.post("/execute", json=body, headers={"Idempotency-Key": "k-1"})
    (command,) = engine.commands
    assert (command.tenant_id, command.action_id, command.connection_id) == ("acme", "quote", connection)
    assert (command.caller_service, command.caller_ref, command.idempotency_key) == ("agent", "r-1", "k-1")
    assert command.input == {"weight": 200}


async def test_an_integration_can_stand_in_for_its_only_active_connection(api, connection):
    body = {"integrationId": "acme-parcels", "actionId": "quote", "input": {}}
    assert (await api.post("/execute", json=body)).status_code == 200
    assert (await api.post("/execute", json=body, headers=OTHERS)).status_code == 404


async def test_a_replayed_answer_says_so_in_a_header(api, connection):
    first = await api.post("/execute", json=_command(connection), headers={"Idempotency-Key": "new"})
    again = await api.post("/execute", json=_command(connection), headers={"Idempotency-Key": "seen-before"})
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("key", [b"", b"x" * 256, "ä".encode(), b"a\tb"])
async def test_a_key_that_can_not_be_one_is_400(api, connection, engine, key):
    answer = await api.post("/execute", json=_command(connection), headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["data"]["issues"][0]["path"] == ["headers", "Idempotency-Key"]
    assert engine.commands == []


async def test_a_key_of_255_bytes_is_taken(api, connection):
    answer = await api.post("/execute", json=_command(connection), headers={"Idempotency-Key": "k" * 255})
    assert answer.status_code == 200


async def test_another_tenants_connection_can_not_be_used(api, connection):
    assert (await api.post("/execute", json=_command(connection), headers=OTHERS)).status_code == 404


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"connectionId": ...}, ["connectionId"]),
        ({"integrationId": "acme-parcels"}, ["connectionId"]),
        ({"actionId": ...}, ["actionId"]),
        ({"input": ...}, ["input"]),
        ({"input": None}, ["input"]),
        ({"input": [CANARY]}, ["input"]),
        ({"input": CANARY}, ["input"]),
        ({"actionId": 7}, ["actionId"]),
        ({"actionId": ""}, ["actionId"]),
        ({"callerService": [CANARY]}, ["callerService"]),
        ({"callerRef": CANARY * 40}, ["callerRef"]),
        ({"callerRef": None}, ["callerRef"]),
        ({"tenantId": f"other-{CANARY}"}, ["tenantId"]),
        ({"actionID": CANARY}, ["actionID"]),
    ],
)
async def test_a_command_that_is_none_is_400_with_its_place(api, connection, engine, change, path):
    body = {name: value for name, value in {**_command(connection), **change}.items() if value is not ...}
    answer = await api.post("/execute", json=body)
    assert answer.status_code == 400
    assert [issue["path"] for issue in answer.json()["data"]["issues"]] == [path]
    assert CANARY not in answer.text
    assert engine.commands == []


async def test_an_unknown_field_is_answered_with_the_nearest_name(api, connection):
    answer = await api.post("/execute", json=_command(connection, callerReff="x"))
    assert "callerRef" in answer.json()["data"]["issues"][0]["message"]
