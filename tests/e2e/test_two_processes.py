"""Two services on one data directory are one service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import BOOK, KEYED, QUOTE, acme
from tests.e2e.serving import Provider, Service, connect, execute, problem, serving, write_spec
from tests.support.specs import ID, action, spec
from tests.support.upstream import Reply, Seen, answer

NOTICED_SECONDS = 0.05
"""A change of one process is seen by the others that late at most."""
FIGURE = 20
LIMITED = action("scarce", rateLimit=FIGURE)
ALL_LIMITED = "acme-limited"


@dataclass
class Pair:
    one: Service
    other: Service
    provider: Provider
    first: httpx.Client
    second: httpx.Client


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service, Provider]]:
    folder = tmp_path_factory.mktemp("pair")
    specs = write_spec(folder / "specs", acme(actions=[QUOTE, BOOK, KEYED, LIMITED]))
    limits = [{"scope": "integration", "calls": FIGURE, "per": 3600}]
    write_spec(specs, spec(integration_id=ALL_LIMITED, limits=limits))
    with ExitStack() as stack:
        provider = stack.enter_context(Provider())
        wires = ["--specs", str(specs), "--upstream", f"{ID}={provider.origin}"]
        wires += ["--upstream", f"{ALL_LIMITED}={provider.origin}"]
        one = stack.enter_context(serving(folder / "data", *wires))
        other = stack.enter_context(serving(folder / "data", *wires))
        yield one, other, provider


@pytest.fixture
def pair(services: tuple[Service, Service, Provider]) -> Iterator[Pair]:
    one, other, provider = services
    tenant = f"t-{uuid4().hex[:12]}"
    provider.answers(lambda _seen: answer({"ok": True}))
    with one.client(tenant) as first, other.client(tenant) as second:
        yield Pair(one, other, provider, first, second)


def test_both_take_the_same_token(pair: Pair):
    assert pair.one.token == pair.other.token
    assert pair.first.get("/connections").status_code == pair.second.get("/connections").status_code == 200


def test_a_connection_made_on_one_is_usable_on_the_other_at_once(pair: Pair):
    for number in range(5):
        made = connect(pair.first, ID, credentials={"apiKey": f"key-number-{number}"})
        assert execute(pair.second, "quote", connectionId=made).json()["success"] is True
        assert pair.provider.seen[-1].headers["x-api-key"] == f"key-number-{number}"
        assert pair.second.get(f"/connections/{made}").json()["connectionId"] == made


def test_a_changed_credential_is_used_by_the_next_call_of_the_other(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "first-key-0"})
    clients = (pair.first, pair.second)
    for number in range(1, 9):
        for client in clients:
            assert execute(client, "quote", connectionId=made).json()["success"] is True
        changed = clients[number % 2].patch(
            f"/connections/{made}", json={"credentials": {"apiKey": f"key-{number:04}"}}
        )
        assert changed.status_code == 200
        execute(clients[number % 2], "quote", connectionId=made)
        assert pair.provider.seen[-1].headers["x-api-key"] == f"key-{number:04}"
        time.sleep(NOTICED_SECONDS)
        execute(clients[(number + 1) % 2], "quote", connectionId=made)
        assert pair.provider.seen[-1].headers["x-api-key"] == f"key-{number:04}"


def test_what_one_switches_off_the_other_refuses(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    assert execute(pair.second, "quote", connectionId=made).json()["success"] is True
    assert pair.first.patch(f"/connections/{made}", json={"status": "inactive"}).status_code == 200
    time.sleep(NOTICED_SECONDS)
    assert execute(pair.second, "quote", connectionId=made).json()["error"]["code"] == "CONNECTION_INACTIVE"


def test_what_one_deletes_is_a_404_on_the_other_and_its_log_stays(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    done = execute(pair.second, "quote", connectionId=made).json()
    assert pair.first.delete(f"/connections/{made}").json() == {"success": True}
    time.sleep(NOTICED_SECONDS)
    pair.provider.seen.clear()
    for client in (pair.first, pair.second):
        problem(execute(client, "quote", connectionId=made), 404, "NOT_FOUND")
        problem(client.get(f"/connections/{made}"), 404, "NOT_FOUND")
        problem(client.patch(f"/connections/{made}", json={"name": "x"}), 404, "NOT_FOUND")
        problem(client.delete(f"/connections/{made}"), 404, "NOT_FOUND")
        assert client.get(f"/executions/{done['executionId']}").json()["status"] == "success"
    assert pair.provider.seen == []


async def _at_once(pair: Pair, times: int, action_id: str, connection: str) -> list[dict[str, object]]:
    """Answers of that many calls, half of them on each process."""
    tenant = pair.first.headers["X-Tenant-Id"]
    body = {"connectionId": connection, "actionId": action_id, "input": {}}
    async with pair.one.async_client(tenant) as one, pair.other.async_client(tenant) as other:
        sent = [(one, other)[number % 2].post("/execute", json=body) for number in range(times)]
        return [reply.json() for reply in await asyncio.gather(*sent)]


@pytest.mark.parametrize("action_id", ["scarce", "quote"])
async def test_a_limit_is_one_figure_for_both(pair: Pair, action_id: str):
    """`scarce` has a rateLimit of its own, `quote` is one of the integration that limits all its calls."""
    integration = ID if action_id == "scarce" else ALL_LIMITED
    made = connect(pair.first, integration, credentials={"apiKey": "some-key-0001"})
    answers = await _at_once(pair, 3 * FIGURE, action_id, made)
    succeeded = sum(one["success"] is True for one in answers)
    refused = [one["error"] for one in answers if one["success"] is False]
    assert FIGURE // 2 <= succeeded <= FIGURE
    assert len(pair.provider.seen) == succeeded
    assert {error["code"] for error in refused if isinstance(error, dict)} == {"RATE_LIMITED"}
    assert all(isinstance(error, dict) and error["retryAfterMs"] > 0 and error["retryable"] for error in refused)


def test_calls_in_turn_use_the_whole_figure(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    clients = (pair.first, pair.second)
    done = [execute(clients[n % 2], "scarce", connectionId=made).json()["success"] for n in range(FIGURE + 6)]
    assert done == [True] * FIGURE + [False] * 6


def test_a_providers_429_is_heard_by_both(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    pair.provider.answers(lambda _seen: answer({}, 429, retry_after="60"))
    assert execute(pair.first, "book", connectionId=made, input={"order": 1}).json()["error"]["code"] == "RATE_LIMITED"
    pair.provider.answers(lambda _seen: answer({"ok": True}))
    time.sleep(NOTICED_SECONDS)
    told = execute(pair.second, "quote", connectionId=made).json()["error"]
    assert told["code"] == "RATE_LIMITED"
    assert told["retryAfterMs"] > 10_000
    assert pair.provider.seen == []


@pytest.mark.parametrize("action_id", ["book", "pay"])
def test_one_key_on_both_is_one_write(pair: Pair, action_id: str):
    """While the first runs the others are told so; afterwards everybody gets the first answer."""

    def slowly(_seen: Seen) -> Reply:
        reply = answer({"ok": True})
        return Reply(reply.status, reply.headers, reply.body, delay=0.2)

    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    pair.provider.answers(slowly)
    ask = {"connectionId": made, "input": {"order": 7}, "key": f"order-{action_id}"}
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(execute, (pair.first, pair.second)[n % 2], action_id, **ask) for n in range(12)]
        replies = [one.result() for one in asked]
    assert len(pair.provider.seen) == 1
    done = [reply.json() for reply in replies if reply.status_code == 200]
    assert len({one["executionId"] for one in done}) == 1
    for reply in replies:
        if reply.status_code != 200:
            problem(reply, 409, "CONFLICT")
    for client in (pair.first, pair.second):
        again = execute(client, action_id, **ask)
        assert again.json() == done[0]
        assert again.headers["idempotent-replayed"] == "true"
        other = execute(client, action_id, **{**ask, "input": {"order": 8}})
        assert "another request" in problem(other, 409, "CONFLICT")["message"]
    assert len(pair.provider.seen) == 1


def test_rows_of_both_are_one_log(pair: Pair):
    made = connect(pair.first, ID, credentials={"apiKey": "some-key-0001"})
    clients = (pair.first, pair.second)
    ids = [execute(clients[n % 2], "quote", connectionId=made).json()["executionId"] for n in range(10)]
    for client in clients:
        listed = client.get("/executions", params={"connectionId": made}).json()["executions"]
        assert {row["executionId"] for row in listed} == set(ids)
        assert len(listed) == len(ids)
        assert [row["createdAt"] for row in listed] == sorted((row["createdAt"] for row in listed), reverse=True)


def test_changes_on_both_at_once_are_all_kept_or_refused(pair: Pair):
    """Each change of one process is seen whole by the other: nobody's answered change is lost."""
    made = connect(pair.first, ID, config={"shop": "1"}, credentials={"apiKey": "some-key-0001"})
    path = f"/connections/{made}"

    def change(number: int) -> int:
        client = (pair.first, pair.second)[number % 2]
        body = {"config": {"shop": str(number)}} if number % 4 < 2 else {"credentials": {"apiKey": f"key-{number:05}"}}
        return client.patch(path, json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(change, range(24)))
    assert set(told) <= {200, 409}
    assert 200 in told
    assert pair.first.patch(path, json={"config": {"shop": "99"}}).status_code == 200
    assert pair.second.patch(path, json={"credentials": {"apiKey": "key-of-the-end"}}).status_code == 200
    time.sleep(NOTICED_SECONDS)
    for client in (pair.first, pair.second):
        assert client.get(path).json()["config"] == {"shop": "99"}
        assert execute(client, "quote", connectionId=made).json()["success"] is True
        assert pair.provider.seen[-1].headers["x-api-key"] == "key-of-the-end"
