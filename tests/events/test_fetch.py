"""A message that only names a thing becomes an event that holds it, after the provider was answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.background import open_rounds
from engine.events.book import EventBook
from engine.events.fetch import DELAYS, FETCH_ERROR, LARGEST, Fetcher
from engine.events.receipt import Receipt
from engine.events.receive import Receiver
from engine.events.unfetched import KIND
from engine.model import Event
from engine.runtime.address import WEBHOOK
from engine.runtime.message import Message
from engine.storage.ports import EventQuery
from tests.events.messages import webhook_spec
from tests.support.scene import KEY, TENANT, Scene, Stillstand, running
from tests.support.specs import action, fields, text
from tests.support.upstream import Handler, Reply, Seen, answer

URL = "https://hooks.example.com"
SIGNED = {"scheme": "equals", "given": 'headers."x-token"', "key": "{{ credentials.apiKey }}"}
THIN = {
    "type": "contact.updated",
    "dedupe": ["body.id"],
    "data": {"contactId": "body.contact", "name": "body.name"},
    "fetch": {"action": "get_contact", "input": {"contactId": "body.contact"}},
}
READ = action(
    "get_contact",
    inputSchema=fields(("contactId",), contactId=text()),
    request={"method": "GET", "path": "/contacts/{{ input.contactId }}"},
    output={"contactId": "body.id", "name": "body.name", "email": "body.email"},
)


def found(seen: Seen) -> Reply:
    return answer({"id": seen.path.rpartition("/")[2], "name": "Nguyen Van A", "email": "a@example.com"})


class Play:
    def __init__(self, scene: Scene, clock: Stillstand) -> None:
        self.scene = scene
        self.clock = clock
        self.woken = 0

    async def tell(self, number: int = 1, contact: str = "7", **more: Any) -> Receipt:
        engine, connection_id = self.scene.engine, self.scene.connection.connection_id
        receiver = Receiver(engine.catalog, engine.store, engine.clock, URL)
        raw = json.dumps({"id": number, "contact": contact, **more}).encode()
        headers = {"content-type": "application/json", "x-token": KEY}
        message = Message("POST", f"{URL}/webhooks/{connection_id}", headers, raw)
        return await receiver.receive(connection_id, message)

    async def go(self) -> bool:
        return await open_rounds(self.scene.engine, self._wake).go()

    def _wake(self) -> None:
        self.woken += 1

    async def events(self) -> list[Event]:
        return await EventBook(self.scene.engine.store).find(EventQuery(TENANT, limit=200))

    async def data(self) -> list[Any]:
        return [json.loads(event.data) for event in await self.events()]

    async def waiting(self) -> int:
        return len(await self.scene.engine.store.state.find(f"{KIND}:"))


@asynccontextmanager
async def played(tmp_path: Path, handler: Handler = found, event: Any = None, read: Any = None) -> AsyncIterator[Play]:
    clock = Stillstand()
    one = webhook_spec(verify=[SIGNED], events=[event or THIN])
    one["actions"] = [read or READ]
    async with running(tmp_path, one, handler, clock=clock, settings={"public_url": URL}) as scene:
        ids = (TENANT, scene.connection.connection_id)
        await scene.engine.store.secrets.put(*ids, WEBHOOK, {"token": "t", "secret": "s"})
        yield Play(scene, clock)


async def test_the_provider_is_answered_before_anything_is_read(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        receipt = await play.tell()
        assert (receipt.outcome, len(receipt.event_ids)) == ("accepted", 1)
        assert (play.scene.seen, await play.events(), await play.waiting()) == (0, [], 1)


async def test_it_is_read_at_once_at_whatever_part_of_a_second_it_came(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        for number, part in enumerate((0.001, 0.4, 0.5, 0.098)):
            play.clock.passed += part
            await play.tell(number, f"c{number}")
            await play.go()
            assert len(await play.events()) == number + 1


async def test_what_was_read_is_added_and_what_was_told_stands(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        receipt = await play.tell(name="as it was told")
        assert await play.go()
        (event,) = await play.events()
        assert (event.event_id,) == receipt.event_ids
        told = {"contactId": "7", "name": "as it was told", "email": "a@example.com"}
        assert json.loads(event.data) == told
        assert (await play.waiting(), play.woken) == (0, 1)
        (row,) = await play.scene.log()
        assert (row.caller_service, row.caller_ref, row.action_id) == ("events", event.event_id, "get_contact")


async def test_the_same_event_again_is_a_duplicate_before_and_after_it_was_filled_in(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.tell()
        assert (await play.tell()).outcome == "duplicate"
        await play.go()
        assert (await play.tell()).outcome == "duplicate"
        await play.go()
        assert (play.scene.seen, len(await play.events()), await play.waiting()) == (1, 1, 0)


@pytest.mark.parametrize(("status", "code"), [(404, "NOT_FOUND"), (403, "FORBIDDEN"), (401, "AUTH_FAILED")])
async def test_a_read_that_never_will_leaves_the_event_as_it_was_told(tmp_path: Path, status: int, code: str) -> None:
    async with played(tmp_path, lambda _seen: answer({}, status)) as play:
        await play.tell()
        await play.go()
        assert await play.data() == [{"contactId": "7", FETCH_ERROR: code}]
        assert await play.waiting() == 0


async def test_a_read_that_may_do_better_later_is_tried_again_and_then_the_event_goes_as_it_was_told(
    tmp_path: Path,
) -> None:
    async with played(tmp_path, lambda _seen: answer({}, 503)) as play:
        await play.tell()
        for delay in DELAYS:
            await play.go()
            assert (await play.events(), await play.waiting()) == ([], 1)
            play.clock.passed += delay + 1
        await play.go()
        assert await play.data() == [{"contactId": "7", FETCH_ERROR: "PROVIDER_UNAVAILABLE"}]


async def test_one_that_does_better_later_is_whole(tmp_path: Path) -> None:
    answers = [answer({}, 503)] * 3

    def handler(seen: Seen) -> Reply:
        return answers.pop() if answers else found(seen)

    async with played(tmp_path, handler) as play:
        await play.tell()
        await play.go()
        assert await play.events() == []
        play.clock.passed += DELAYS[0] + 1
        await play.go()
        assert (await play.data())[0]["email"] == "a@example.com"


async def test_the_provider_says_when_it_may_be_asked_again(tmp_path: Path) -> None:
    async with played(tmp_path, lambda _seen: answer({}, 429, retry_after="900")) as play:
        await play.tell()
        await play.go()
        count = play.scene.seen
        play.clock.passed += 899
        await play.go()
        assert play.scene.seen == count
        play.clock.passed += 2
        await play.go()
        assert play.scene.seen > count


async def test_one_that_fails_keeps_no_other_waiting(tmp_path: Path) -> None:
    def handler(seen: Seen) -> Reply:
        return answer({}, 503) if seen.path.endswith("/bad") else found(seen)

    async with played(tmp_path, handler) as play:
        await play.tell(1, "bad")
        await play.tell(2, "good")
        await play.go()
        assert [one["contactId"] for one in await play.data()] == ["good"]


async def test_a_provider_that_is_down_is_left_alone_after_a_few(tmp_path: Path) -> None:
    async with played(tmp_path, lambda _seen: answer({}, 503)) as play:
        for number in range(8):
            await play.tell(number, f"c{number}")
        await play.go()
        assert len({seen.path for seen in play.scene.upstream.seen}) == 3
        assert await play.waiting() == 8


async def test_many_are_filled_in_one_round_and_several_rounds_at_once_read_each_once(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        for number in range(30):
            await play.tell(number, f"c{number}")
        await asyncio.gather(play.go(), play.go(), play.go())
        assert sorted(one["contactId"] for one in await play.data()) == sorted(f"c{number}" for number in range(30))
        assert len(play.scene.upstream.seen) == 30


async def test_a_thing_that_is_too_large_for_an_event_is_left_out(tmp_path: Path) -> None:
    body = {"id": "7", "name": "x" * LARGEST, "email": "a@example.com"}
    async with played(tmp_path, lambda _seen: answer(body)) as play:
        await play.tell()
        await play.go()
        assert await play.data() == [{"contactId": "7", FETCH_ERROR: "PAYLOAD_TOO_LARGE"}]


async def test_a_deleted_connection_takes_what_waits_along(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.tell()
        await play.scene.engine.store.connections.delete(TENANT, play.scene.connection.connection_id)
        await play.go()
        assert (play.scene.seen, await play.events(), await play.waiting()) == (0, [], 0)


async def test_who_dies_while_he_reads_has_lost_nothing(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    async with played(tmp_path) as play:
        await play.tell()
        inner = play.scene.engine.store.events.append

        async def dies(_events: Any) -> Any:
            raise Killed

        play.scene.engine.store.events.append = dies  # type: ignore[method-assign, assignment]
        with pytest.raises(Killed):
            await Fetcher(play.scene.engine).fetch(TENANT, play.scene.connection.connection_id)
        play.scene.engine.store.events.append = inner  # type: ignore[method-assign]
        await play.go()
        assert await play.events() == []  # whoever had it may still be at it
        play.clock.passed += 301
        await play.go()
        assert (await play.data())[0]["email"] == "a@example.com"
        assert await play.waiting() == 0


async def test_nothing_of_a_person_is_readable_while_it_waits(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.tell(name="Nguyen Van B", contact="0900000001")
        await play.scene.engine.store.lifetime.check()
        files = b"".join(file.read_bytes() for file in play.scene.data_dir.glob("integrations.db*"))
        assert b"0900000001" not in files
        assert b"Nguyen Van B" not in files


async def test_subscribers_get_it_when_it_is_whole(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.tell()
        assert await play.scene.engine.store.deliveries.arrivals(10) == []
        await play.go()
        (arrival,) = await play.scene.engine.store.deliveries.arrivals(10)
        assert arrival.type == "contact.updated"


async def test_a_read_of_an_action_that_is_switched_off_says_so(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.scene.engine.store.connections.update(replace(play.scene.connection, status="inactive"))
        await play.tell()
        await play.go()
        assert await play.data() == [{"contactId": "7", FETCH_ERROR: "CONNECTION_INACTIVE"}]
