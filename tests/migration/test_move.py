"""A store moved into another one is the same to every reader, whenever the move was cut off and begun again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.identity.tokens import TokenBook
from engine.migration.move import Move
from engine.migration.report import Progress
from engine.runtime.account import CREDENTIALS
from engine.runtime.agenda import Agenda
from engine.runtime.apps import AppBook
from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import DATABASE_FILE
from engine.storage.sqlite.connect import PATIENCE_SECONDS
from tests.migration.filled import CALLS, NOW, SECRET, SIGNING, SINCE, clock, fill, on_sqlite, seen


def move(source: Store, target: Store, progress: Progress | None = None) -> Move:
    return Move(source, target, since=SINCE, now=clock, progress=progress)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[list[Store]]:
    async with on_sqlite(tmp_path / "source", tmp_path / "target") as stores:
        await fill(stores[0])
        yield stores


async def test_the_target_is_the_same_to_every_reader_and_the_report_counts_it(pair: list[Store]) -> None:
    source, target = pair
    report = await move(source, target).run()
    assert report.is_equal, report.differences
    assert await seen(target) == await seen(source)
    assert report.totals() == {
        kind: (count, count, 0)
        for kind, count in {
            "connections": 6,
            "secrets": 10,
            "subscriptions": 4,
            "events": 24,
            "executions": 2 * CALLS + 3,
            "answers": 4,
            "messages known": 2,
            "tokens": 2,
            "apps": 2,
            "events to fill in": 2,
            "due": 4,
        }.items()
    }


async def test_what_is_due_is_taken_in_the_target(pair: list[Store]) -> None:
    await move(pair[0], pair[1]).run()
    (taken,) = await Agenda(pair[1].state, clock).due(8)
    assert (taken.kind, taken.tenant_id, taken.connection_id) == ("grant", "shop-a", "shop-a-c1")


async def test_what_limits_and_circuits_know_stays_behind(pair: list[Store]) -> None:
    await move(pair[0], pair[1]).run()
    assert await pair[0].state.find("breaker:")
    assert not await pair[1].state.find("breaker:")


async def test_rows_that_are_about_to_fall_away_stay_behind(pair: list[Store]) -> None:
    await move(pair[0], pair[1]).run()
    query = ExecutionQuery("shop-a", end=SINCE)
    assert len(await pair[0].executions.find(query)) == 1
    assert not await pair[1].executions.find(query)


async def test_what_was_sealed_in_the_source_can_be_opened_with_the_keys_of_the_target_only(
    pair: list[Store],
) -> None:
    source, target = pair
    await move(source, target).run()
    (theirs,), (ours,) = [
        [one for one in await store.subscriptions.find("shop-a") if one.subscription_id == "shop-a-s0"]
        for store in (source, target)
    ]
    assert theirs.sealed != ours.sealed


async def test_a_second_move_into_what_counts_by_now_is_refused(pair: list[Store]) -> None:
    await move(pair[0], pair[1]).run()
    with pytest.raises(SettingsError, match="since then it is the one that counts"):
        await move(pair[0], pair[1]).run()


async def test_a_target_with_data_of_its_own_is_refused_untouched(pair: list[Store]) -> None:
    source, target = pair
    await target.connections.create(replace((await source.connections.find("shop-a"))[0], tenant_id="other"))
    with pytest.raises(SettingsError, match=r"data of its own \(of 1 tenants\)"):
        await move(source, target).run()
    assert await target.census.tenants() == ["other"]


async def test_a_target_that_is_being_filled_from_one_source_is_refused_to_another(
    pair: list[Store], tmp_path: Path
) -> None:
    source, target = pair
    async with on_sqlite(tmp_path / "third") as (third,):
        await third.connections.create(replace((await source.connections.find("shop-a"))[0], tenant_id="other"))
        assert (await move(source, target).run(is_final=False)).is_equal
        with pytest.raises(SettingsError, match="from another source"):
            await move(third, target).run()
    assert "other" not in await target.census.tenants()


async def test_a_first_part_while_the_source_serves_is_completed_by_a_later_move(pair: list[Store]) -> None:
    source, target = pair
    assert (await move(source, target).run(is_final=False)).is_equal
    await _go_on(source)
    report = await move(source, target).run()
    assert report.is_equal, report.differences
    there, here = await seen(target), await seen(source)
    for tenant in ("shop-a", "shop-b"):  # versions only tell one change from the next
        for kind in ("connections", "deliveries"):
            for side in (there, here):
                side[tenant][kind] = [replace(one, version=0) for one in side[tenant][kind]]
        for side in (there, here):
            side[tenant]["subscriptions"] = [(replace(one, version=0), to) for one, to in side[tenant]["subscriptions"]]
    assert there == here


async def _go_on(source: Store) -> None:
    """Of every kind something changes."""
    await source.secrets.put("shop-a", "shop-a-c0", CREDENTIALS, {"token": "fake-api-token-new"})
    first = (await source.connections.find("shop-a"))[0]
    await source.connections.update(replace(first, name="Renamed", status="error"))
    subscription = (await source.subscriptions.find("shop-a"))[0]
    await source.subscriptions.update(replace(subscription, status="disabled", reason="it was switched off"))
    last = (await source.executions.find(ExecutionQuery("shop-a", limit=1)))[0]
    await source.executions.append(replace(last, execution_id=f"{last.execution_id[:-3]}999", created_at=NOW))
    lane = (await source.deliveries.lanes("shop-b"))[0]
    due = await source.deliveries.due(lane, NOW, 10)
    await source.deliveries.record(replace(due[0], status="delivered", attempts=3, error=None))
    await source.deliveries.requeue("shop-b", due[1].delivery_id, NOW)
    async for arrival in source.census.arrivals():
        if arrival.tenant_id == "shop-b":
            await source.deliveries.spread([(arrival, [])])
    await source.subscriptions.delete("shop-b", "shop-b-s1")
    await source.deliveries.forget_subscription("shop-b", "shop-b-s1")
    await source.secrets.delete("shop-b", "shop-b-c1")
    await source.connections.delete("shop-b", "shop-b-c1")
    await source.deliveries.forget_connection("shop-b", "shop-b-c1")
    await TokenBook(source, clock).revoke("orders")
    await AppBook(source).put("crm-acme", {"clientId": "fake-client-0", "clientSecret": "fake-client-secret-new"})
    await AppBook(source).remove("shipping-acme")
    await Agenda(source.state, clock).forget("grant", "shop-b", "shop-b-c1")
    await source.state.put("webhook:shop-b:c1:new", b"01NEW", expected=0, ttl_seconds=60)


@pytest.mark.parametrize("kind", ["connections", "secrets", "subscriptions", "executions", "events", "answers"])
async def test_one_changed_row_is_found_and_named_by_the_verification(
    pair: list[Store], tmp_path: Path, kind: str
) -> None:
    source, target = pair
    assert (await move(source, target).run()).is_equal
    name = await _spoil(target, tmp_path, kind)
    report = await move(source, target).verify()
    assert not report.is_equal
    assert [(one.kind, one.row) for one in report.differences] == [(kind, name)]
    assert list(report.unequal()) == [kind]


async def _spoil(target: Store, folder: Path, kind: str) -> str:
    if kind == "connections":
        first = (await target.connections.find("shop-a"))[0]
        await target.connections.update(replace(first, config={"shopId": "886"}))
        return first.connection_id
    if kind == "secrets":
        await target.secrets.put("shop-a", "shop-a-c0", CREDENTIALS, {"token": "another"})
        return f"shop-a-c0 {CREDENTIALS}"
    if kind == "subscriptions":
        one = (await target.subscriptions.find("shop-b"))[1]
        await target.subscriptions.delete("shop-b", one.subscription_id)
        return one.subscription_id
    if kind == "executions":
        last = (await target.executions.find(ExecutionQuery("shop-a", limit=7)))[-1]
        with closing(sqlite3.connect(folder / "target" / DATABASE_FILE, isolation_level=None)) as other:
            for table in ("executions", "intake"):
                other.execute(f"DELETE FROM {table} WHERE execution_id = ?", (last.execution_id,))
        return last.execution_id
    if kind == "events":
        lane = (await target.deliveries.lanes("shop-a"))[0]
        (due, *_) = await target.deliveries.due(lane, NOW, 10)
        await target.deliveries.record(replace(due, status="dead"))
        return due.event_id
    (found,) = await target.state.find("idempotency:shop-a:", 1)
    await target.state.put(found[0], b'{"state":"running"}', expected=None, ttl_seconds=60)
    return found[0]


async def test_no_secret_is_told_by_anything_that_a_move_shows(
    pair: list[Store], capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    source, target = pair
    report = await move(source, target, Progress(on_change=lambda now: told.append(repr(now)))).run()
    await target.secrets.put("shop-a", "shop-a-c0", CREDENTIALS, {"token": "another"})
    report = await move(source, target).verify()
    shown = repr(report) + "".join(map(str, report.differences)) + "".join(told) + "".join(capsys.readouterr())
    assert SECRET not in shown
    assert SIGNING not in shown
    assert "another" not in shown
    assert told


@pytest.mark.slow
async def test_a_target_that_is_locked_for_longer_than_a_write_waits_is_asked_again(
    pair: list[Store], tmp_path: Path
) -> None:
    source, target = pair
    with closing(
        sqlite3.connect(tmp_path / "target" / DATABASE_FILE, isolation_level=None, check_same_thread=False)
    ) as other:

        def lock(now: Progress) -> None:
            if now.moved and not other.in_transaction and not locked:
                locked.append(True)
                other.execute("BEGIN IMMEDIATE")
                threading.Timer(PATIENCE_SECONDS + 1, other.execute, ("COMMIT",)).start()

        locked: list[bool] = []
        report = await move(source, target, Progress(on_change=lock)).run()
    assert locked
    assert report.is_equal
    assert await seen(target) == await seen(source)
