"""An event that is told is stored once, before the provider hears that it was; nothing else is stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine.catalog import Catalog
from engine.events.book import EventBook
from engine.events.receipt import Receipt
from engine.events.receive import Receiver
from engine.model import Connection, Event
from engine.runtime.address import WEBHOOK
from engine.runtime.message import Message
from engine.storage.ports import EventQuery, Store
from engine.storage.sqlite import open_store
from tests.events.messages import MADE, NOW, SECRET, compiled, signed, webhook_spec
from tests.support.specs import ID

TENANT = "tenant-a"
PHONE = "0900000001"
ANSWERS = {"duplicate": {"status": 208}, "refused": {"status": 418}, "failed": {"status": 507, "json": {"again": True}}}


@dataclass
class Clock:
    time: float = NOW

    def now(self) -> float:
        return self.time


@dataclass
class Place:
    store: Store
    catalog: Catalog
    clock: Clock
    data_dir: Path

    def receiver(self) -> Receiver:
        """One more process, as far as memory goes."""
        return Receiver(self.catalog, self.store, self.clock, "https://hooks.example.com")

    async def send(self, message: Message, connection_id: str = "c1") -> Receipt:
        return await self.receiver().receive(connection_id, message)

    async def events(self, tenant: str = TENANT) -> list[Event]:
        return await EventBook(self.store).find(EventQuery(tenant, limit=200))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    store = open_store(data_dir=tmp_path / "data")
    catalog = compiled(tmp_path / "specs", webhook_spec(answers=ANSWERS))
    await connect(store, "c1")
    yield Place(store, catalog, Clock(), tmp_path / "data")
    await store.lifetime.close()


async def connect(store: Store, connection_id: str, tenant: str = TENANT, **fields: Any) -> None:
    await store.secrets.put(tenant, connection_id, "credentials", {"apiKey": SECRET})
    await store.secrets.put(tenant, connection_id, WEBHOOK, {name: MADE[name] for name in ("token", "secret")})
    made = Connection(tenant, connection_id, ID, "Main", {}, "active", NOW, NOW)
    await store.connections.create(replace(made, **fields))


def moved(number: int = 1, **more: Any) -> Message:
    return signed({"id": number, "code": "A1", "phone": PHONE, **more})


async def test_an_event_is_stored_for_its_tenant_with_everything_that_says_what_it_is(place: Place) -> None:
    receipt = await place.send(moved())
    (event,) = await place.events()
    assert (receipt.outcome, receipt.answer.status, receipt.event_ids) == ("accepted", 200, (event.event_id,))
    assert (event.connection_id, event.integration_id, event.type) == ("c1", ID, "parcel.moved")
    assert (event.received_at, json.loads(event.data)) == (NOW, {"code": "A1", "phone": PHONE})
    assert await place.events("tenant-b") == []


async def test_what_an_event_tells_of_people_is_not_readable_in_the_file(place: Place) -> None:
    await place.send(moved())
    await place.store.lifetime.check()
    files = b"".join(file.read_bytes() for file in place.data_dir.glob("integrations.db*"))
    assert b"parcel.moved" in files
    assert PHONE.encode() not in files


async def test_the_same_event_again_is_a_duplicate_also_for_another_process_and_with_other_words(place: Place) -> None:
    await place.send(moved())
    again = await place.send(moved(note="told again"))
    assert (again.outcome, again.answer.status, again.event_ids) == ("duplicate", 208, ())
    assert (await place.send(moved(2))).outcome == "accepted"
    assert len(await place.events()) == 2


async def test_fifty_at_the_same_moment_make_one_event(place: Place) -> None:
    receipts = await asyncio.gather(*(place.send(moved()) for _ in range(50)))
    outcomes = [receipt.outcome for receipt in receipts]
    assert (outcomes.count("accepted"), outcomes.count("duplicate")) == (1, 49)
    assert len(await place.events()) == 1


async def test_a_message_whose_event_was_not_stored_any_more_is_made_good_by_the_next_one(place: Place) -> None:
    """The process died between the identity and the event: the provider got no answer, and sends again."""
    first = await place.send(moved())
    (stored,) = await place.store.events.find(EventQuery(TENANT))
    assert await place.store.events.expire(NOW + 1) == 1  # as if it had never been written
    again = await place.send(moved())
    assert (again.outcome, again.event_ids) == ("accepted", first.event_ids)
    assert [event.event_id for event in await place.events()] == [stored.event_id]


async def test_a_connection_knows_its_own_events_only(place: Place) -> None:
    await connect(place.store, "c2", "tenant-b")
    assert (await place.send(moved())).outcome == "accepted"
    assert (await place.send(moved(), "c2")).outcome == "accepted"
    assert [len(await place.events(tenant)) for tenant in (TENANT, "tenant-b")] == [1, 1]


@pytest.mark.parametrize("connection_id", ["nobody", "", "c1 ", "C1", "'; --", "\0"])
async def test_an_unknown_address_is_refused_and_stores_nothing(place: Place, connection_id: str) -> None:
    receipt = await place.send(moved(), connection_id)
    assert (receipt.outcome, receipt.answer.status, receipt.answer.body) == ("refused", 401, b"")


async def test_an_id_that_two_tenants_have_belongs_to_nobody(place: Place) -> None:
    await connect(place.store, "c1", "tenant-b")
    assert (await place.send(moved())).outcome == "refused"


async def test_a_webhook_that_is_not_open_is_refused(place: Place) -> None:
    await place.store.secrets.put(TENANT, "c1", WEBHOOK, {})
    receipt = await place.send(moved())
    assert (receipt.outcome, receipt.answer.status) == ("refused", 401)
    await place.store.secrets.delete(TENANT, "c1")
    assert (await place.send(moved())).outcome == "refused"


async def test_an_integration_without_webhooks_or_that_is_gone_is_refused(place: Place, tmp_path: Path) -> None:
    bare = {name: part for name, part in webhook_spec("bare-shipping").items() if name != "webhooks"}
    place.catalog = compiled(tmp_path / "more", bare)
    await connect(place.store, "c2", integration_id="bare-shipping")
    assert (await place.send(moved(), "c2")).outcome == "refused"
    assert (await place.send(moved())).outcome == "refused"


async def test_messages_of_an_account_that_is_switched_off_are_kept(place: Place) -> None:
    """What a provider tells is told once: a tenant who pauses calls must not lose what was paid meanwhile."""
    await connect(place.store, "c2", status="inactive")
    assert (await place.send(moved(), "c2")).outcome == "accepted"


async def test_a_forged_message_is_answered_as_the_spec_says_and_does_not_use_up_the_identity(place: Place) -> None:
    forged = await place.send(signed({"id": 1, "code": "A1"}, key="another"))
    assert (forged.outcome, forged.answer.status, await place.events()) == ("refused", 418, [])
    assert (await place.send(moved())).outcome == "accepted"


async def test_a_message_that_says_nothing_is_accepted_and_said_to_be_ignored(tmp_path: Path, place: Place) -> None:
    place.catalog = compiled(tmp_path / "more", webhook_spec(events=[{"when": "body.never", "type": "parcel.moved"}]))
    receipt = await place.send(moved())
    assert (receipt.outcome, receipt.answer.status, receipt.event_ids) == ("ignored", 200, ())
    assert receipt.reason == "no event of the spec is in it"


async def test_a_store_that_fails_makes_the_provider_send_again(place: Place) -> None:
    await place.send(moved())
    receiver = place.receiver()
    assert (await receiver.receive("c1", moved())).outcome == "duplicate"  # the account is known now
    await place.store.lifetime.close()
    receipt = await receiver.receive("c1", moved(2))
    assert (receipt.outcome, receipt.answer.status) in (("failed", 507), ("failed", 503))


async def test_a_new_secret_counts_for_the_next_message(place: Place) -> None:
    receiver = place.receiver()
    assert (await receiver.receive("c1", moved())).outcome == "accepted"
    connection = await place.store.connections.get(TENANT, "c1")
    assert connection is not None
    await place.store.secrets.put(TENANT, "c1", "credentials", {"apiKey": "a-new-secret-4712"})
    await place.store.connections.update(connection)
    assert (await receiver.receive("c1", moved(2))).outcome == "refused"
    assert (await receiver.receive("c1", signed({"id": 2}, key="a-new-secret-4712"))).outcome == "accepted"
