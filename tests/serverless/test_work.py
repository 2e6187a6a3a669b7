"""Deliveries as a function: what a call begins it ends, a message that comes twice or never loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.events.deliver import Deliverer, Pace
from engine.runtime.agenda import Agenda
from engine.runtime.transport import HttpTransport
from tests.events.delivering import Place, event, placed, status
from tests.serverless.runtime import FunctionFailed, Lambda, running
from tests.support.upstream import Reply

HANDLER = "engine.api.lambda_work.handler"
SCHEDULE = {"version": "0", "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}}


def messages(*ids: str) -> dict[str, Any]:
    body = '{"wake":"deliveries"}'
    return {"Records": [{"messageId": one, "body": body, "eventSource": "aws:sqs"} for one in ids]}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with placed(tmp_path) as one:
        yield one


def environment(place: Place) -> dict[str, str]:
    return {"INTEGRATIONS_DATA_DIR": str(place.data_dir), "INTEGRATIONS_ALLOW_PRIVATE": "1"}


async def calling(function: Lambda, given: Any, seconds: float = 60.0) -> Any:
    return await asyncio.to_thread(function.call, given, seconds)


async def test_a_message_brings_what_has_come_to_its_subscriber_before_the_function_returns(place, tmp_path):
    subscriber = await place.subscriber(status(204))
    await place.subscribe(subscriber)
    await place.tell(event(), event())
    with running(HANDLER, tmp_path, environment(place)) as function:
        assert await calling(function, messages("m1", "m2")) == {"batchItemFailures": []}
        assert len(subscriber.seen) == 2
        assert {one.status for one in await place.deliveries()} == {"delivered"}
        assert await calling(function, messages("m1")) == {"batchItemFailures": []}  # it came again
        await place.tell(event())
        assert await calling(function, SCHEDULE) == {"idle": True}
        assert len(subscriber.seen) == 3
        assert function.output.count('"event":"delivery"') == 3


async def test_what_failed_is_tried_again_by_a_later_call(place, tmp_path):
    replies = iter([Reply(500), Reply(204)])
    subscriber = await place.subscriber(lambda _seen: next(replies))
    await place.subscribe(subscriber)
    await place.tell(event())
    with running(HANDLER, tmp_path, environment(place)) as function:
        assert await calling(function, SCHEDULE) == {"idle": True}
        (waiting,) = await place.deliveries()
        assert (waiting.status, waiting.attempts) == ("pending", 1)
        await asyncio.sleep(max(0.0, waiting.due_at - time.time()) + 0.05)
        assert await calling(function, SCHEDULE) == {"idle": True}
        await place.all_are("delivered", 1)


async def test_the_schedule_does_what_is_due_for_connections(place, tmp_path):
    await Agenda(place.store.state, time.time).put("grant", "acme", "gone", time.time() - 1)
    await Agenda(place.store.state, time.time).put("grant", "acme", "later", time.time() + 3600)
    with running(HANDLER, tmp_path, environment(place)) as function:
        assert await calling(function, messages("m1")) == {"batchItemFailures": []}
        assert len(await place.store.state.find("agenda:")) == 2
        assert await calling(function, SCHEDULE, seconds=120.0) == {"idle": True}
    ((left, _),) = await place.store.state.find("agenda:")
    assert left == "agenda:grant:acme:later"


async def test_a_function_that_is_nearly_over_takes_nothing_new_but_ends_what_it_took(place, tmp_path):
    """One look only, for 22 seconds are kept for what it finds."""
    subscriber = await place.subscriber(lambda _seen: Reply(204, delay=0.3))
    await place.subscribe(subscriber)
    await place.tell(event())
    with running(HANDLER, tmp_path, environment(place)) as function:
        assert await calling(function, SCHEDULE, seconds=22.5) in ({"idle": False}, {"idle": True})
        assert {one.status for one in await place.deliveries()} == {"delivered"}


async def test_where_the_store_refuses_messages_come_again_and_the_schedule_fails(tmp_path):
    blocked = tmp_path / "data"
    blocked.mkdir()
    (blocked / "integrations.db").write_bytes(b"no database" * 1000)
    given = {"INTEGRATIONS_DATA_DIR": str(blocked)}
    with running(HANDLER, tmp_path, given) as function:
        for _ in range(2):
            failures = (await calling(function, messages("m1", "m2")))["batchItemFailures"]
            assert [one["itemIdentifier"] for one in failures] == ["m1", "m2"]
        with pytest.raises(FunctionFailed, match="errorType"):
            await calling(function, SCHEDULE)


async def test_draining_ends_with_nothing_on_its_way_and_can_begin_again(place):
    subscriber = await place.subscriber(lambda _seen: Reply(204, delay=0.2))
    for _ in range(3):
        await place.subscribe(subscriber)
    transport = HttpTransport(allow_private=True)
    place.stack.push_async_callback(transport.close)
    pace = Pace(lanes=2, width=1, turn=0.1, idle=0.02)
    deliverer = Deliverer(place.store, transport, place.clock, place.diary, pace)
    await place.tell(*(event() for _ in range(2)))
    assert await deliverer.drain(0.0) is False
    assert all(one.status == "delivered" or one.attempts == 0 for one in await place.deliveries())
    assert await deliverer.drain(30.0) is True
    await place.all_are("delivered", 6)
    await deliverer.drain(1.0)
    assert len(subscriber.seen) == 6
