"""Callers who hang up while a write is under way: it is finished, and its row tells how it ended."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import CREDENTIALS, Place, acme
from tests.e2e.serving import Provider, Service, connect, execute, serving, start, write_spec
from tests.support.specs import ID
from tests.support.upstream import Fault, Reply, Seen, answer

RESET = struct.pack("ii", 1, 0)
DELAY = 0.4


def late(reply: Reply) -> Reply:
    return Reply(reply.status, reply.headers, reply.body, delay=DELAY, fault=reply.fault)


def broken(fault: Fault) -> Reply:
    return Reply(200, {"content-type": "application/json"}, b"{}", fault=fault)


def request(service: Service, tenant: str, body: dict[str, Any], key: str = "", cut: int = 0) -> socket.socket:
    """Sends `POST /execute`, without its last `cut` bytes, and does not wait for anything."""
    sent = json.dumps(body).encode()
    headers = {**service.headers(tenant), "Content-Type": "application/json", "Content-Length": str(len(sent))}
    if key:
        headers["Idempotency-Key"] = key
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    caller = socket.create_connection(("127.0.0.1", service.port), 30)
    whole = f"POST /execute HTTP/1.1\r\nHost: here\r\n{lines}\r\n".encode() + sent
    caller.sendall(whole[: len(whole) - cut])
    return caller


def hang_up(caller: socket.socket, how: str) -> None:
    if how == "reset":
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    caller.close()


def logged(client: httpx.Client, rows: int) -> list[dict[str, Any]]:
    """The log, when it has that many rows."""
    found: list[dict[str, Any]] = []
    for _ in range(600):
        found = client.get("/executions").json()["executions"]
        if len(found) >= rows:
            break
        time.sleep(0.02)
    assert len(found) == rows, found
    return found


def booking(place: Place, order: int = 7) -> dict[str, Any]:
    return {"connectionId": place.connection_id, "actionId": "book", "input": {"order": order}}


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (answer({"id": 17}), "success", None),
        (answer({}, 400), "error", "INVALID_INPUT"),
        (answer({}, 500), "error", "OUTCOME_UNKNOWN"),
        (broken("drop"), "error", "OUTCOME_UNKNOWN"),
        (broken("half"), "error", "OUTCOME_UNKNOWN"),
    ],
    ids=["done", "refused", "failed", "lost", "half"],
)
async def test_a_write_whose_caller_hung_up_is_in_the_log_as_it_ended(
    place: Place, how: str, reply: Reply, status: str, code: str | None
):
    place.provider.answers(lambda _seen: late(reply))
    caller = await asyncio.to_thread(request, place.service, place.tenant, booking(place))
    await place.provider.has_seen(1)
    hang_up(caller, how)
    (row,) = await asyncio.to_thread(logged, place.client, 1)
    assert (row["status"], row.get("errorCode"), row["input"]) == (status, code, {"order": 7})
    assert row.get("output") == ({"got": {"id": 17}} if status == "success" else None)
    assert row["latencyMs"] >= DELAY * 1000
    assert len(place.provider.seen) == 1


async def test_who_hung_up_gets_the_answer_by_repeating_with_the_key(place: Place):
    place.provider.answers(lambda _seen: late(answer({"id": 17})))
    caller = await asyncio.to_thread(request, place.service, place.tenant, booking(place), "order-7")
    await place.provider.has_seen(1)
    hang_up(caller, "reset")
    (row,) = await asyncio.to_thread(logged, place.client, 1)
    again = await asyncio.to_thread(execute, place.client, key="order-7", **_asked(booking(place)))
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["executionId"] == row["executionId"]
    assert again.json()["data"] == {"got": {"id": 17}}
    assert len(place.provider.seen) == 1


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    return {"action_id": body["actionId"], "connectionId": body["connectionId"], "input": body["input"]}


async def test_many_who_hang_up_at_any_moment_leave_a_row_for_each_write(place: Place):
    """Some hang up before the request was sent on, some while it is, some after."""
    place.provider.answers(lambda _seen: Reply(200, {"content-type": "application/json"}, b"{}", delay=0.05))

    def one(order: int) -> None:
        caller = request(place.service, place.tenant, booking(place, order))
        time.sleep(order % 10 / 100)
        hang_up(caller, "reset" if order % 2 else "closed")

    await asyncio.gather(*(asyncio.to_thread(one, order) for order in range(60)))
    rows = await _settled(place)
    booked = sorted(seen.json()["order"] for seen in place.provider.seen)
    assert len(set(booked)) == len(booked)
    assert sorted(row["input"]["order"] for row in rows if row["status"] == "success") == booked
    assert len(booked) >= 30


async def _settled(place: Place) -> list[dict[str, Any]]:
    """The log when each request that reached the provider has its row, and nothing more came for a second."""
    rows: list[dict[str, Any]] = []
    quiet = 0
    for _ in range(600):
        before = len(rows)
        rows = (await asyncio.to_thread(place.client.get, "/executions?limit=200")).json()["executions"]
        quiet = quiet + 1 if before == len(rows) == len(place.provider.seen) else 0
        if quiet == 10:
            break
        await asyncio.sleep(0.1)
    return rows


async def test_who_hangs_up_before_the_end_of_the_body_has_asked_for_nothing(place: Place):
    place.provider.answers(lambda _seen: answer({}))
    for how in ("closed", "reset"):
        hang_up(await asyncio.to_thread(request, place.service, place.tenant, booking(place), cut=3), how)
    await asyncio.sleep(0.2)
    assert place.client.get("/executions").json()["executions"] == []
    assert place.provider.seen == []
    assert "Traceback" not in place.service.output


async def test_a_stop_waits_for_writes_whose_callers_hung_up(tmp_path: Path):
    def slowly(_seen: Seen) -> Reply:
        return late(answer({"ok": True}))

    specs = write_spec(tmp_path / "specs", acme())
    with Provider(slowly) as provider:
        wires = ["--specs", str(specs), "--upstream", f"{ID}={provider.origin}"]
        service = await asyncio.to_thread(start, tmp_path / "data", *wires)
        with service.client() as client:
            connection = connect(client, ID, credentials=CREDENTIALS)
        for order in range(10):
            body = {"connectionId": connection, "actionId": "book", "input": {"order": order}}
            hang_up(await asyncio.to_thread(request, service, "acme", body), "reset" if order % 2 else "closed")
        await provider.has_seen(10)
        assert await asyncio.to_thread(service.stop) == 0
        with serving(tmp_path / "data", *wires) as again, again.client() as reader:
            rows = reader.get("/executions").json()["executions"]
        assert sorted(row["input"]["order"] for row in rows if row["status"] == "success") == list(range(10))
