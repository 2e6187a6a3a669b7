"""What every adapter promises about the log of executions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model import Execution
from engine.storage.ports import ExecutionQuery, Store
from tests.storage.conftest import sweeps
from tests.storage.samples import execution, run


async def test_a_row_comes_back_as_it_was_appended(store: Store):
    full = execution(1, status="error", error_code="REJECTED", error_message="no", caller_ref="ref")
    bare = execution(2, connection_id=None, integration_id=None, output=None, caller_service=None)
    await asyncio.gather(store.executions.append(full), store.executions.append(bare))
    assert await store.executions.get("tenant-a", full.execution_id) == full
    assert await store.executions.get("tenant-a", bare.execution_id) == bare


async def test_another_tenants_row_is_not_there(store: Store):
    await store.executions.append(execution(1))
    assert await store.executions.get("tenant-b", execution(1).execution_id) is None
    assert await store.executions.find(ExecutionQuery("tenant-b")) == []
    assert await store.executions.find(ExecutionQuery("tenant-b", connection_id="c1")) == []


async def test_a_list_holds_each_row_once_however_many_came_in(store: Store, is_on_aws: bool):
    """More rows than come in before they are moved into the indexed log: none is lost, none is there twice."""
    rows = [execution(number) for number in range(1, 601)]
    for begin in range(0, 600, 37):
        await asyncio.gather(*map(store.executions.append, rows[begin : begin + 37]))
        newest = rows[: begin + 37][::-1]
        assert await store.executions.find(ExecutionQuery("tenant-a", limit=200)) == newest[:200]
    looked_up = rows[:: 60 if is_on_aws else 1]
    assert [await store.executions.get("tenant-a", row.execution_id) for row in looked_up] == looked_up


async def test_rows_beside_each_other_are_all_there(store: Store):
    await store.executions.append(execution(1))
    rows = [execution(2), execution(3)]
    await asyncio.gather(*map(store.executions.append, rows))
    assert await store.executions.find(ExecutionQuery("tenant-a")) == [execution(3), execution(2), execution(1)]


async def test_a_row_that_can_not_be_stored_fails_alone(store: Store):
    rows = [execution(1), execution(2, error_message="half a pair \ud800"), execution(3)]
    results = await asyncio.gather(*map(store.executions.append, rows), return_exceptions=True)
    assert [result is None for result in results] == [True, False, True]
    assert await store.executions.find(ExecutionQuery("tenant-a")) == [execution(3), execution(1)]


async def test_large_rows_are_kept_whole(store: Store):
    rows = [execution(number, output=b"%d" % number * 200_000) for number in range(4)]
    await asyncio.gather(*map(store.executions.append, rows))
    assert await store.executions.find(ExecutionQuery("tenant-a")) == rows[::-1]


async def test_a_cancelled_caller_does_not_stop_the_others(store: Store):
    first = asyncio.create_task(store.executions.append(execution(1)))
    second = asyncio.create_task(store.executions.append(execution(2)))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert await store.executions.get("tenant-a", execution(2).execution_id) == execution(2)


@sweeps
async def test_expiring_takes_old_rows_of_all_tenants_and_stops_at_the_batch(store: Store):
    for number in range(20):
        await store.executions.append(execution(number, tenant_id=f"tenant-{'ab'[number % 2]}"))
    before = execution(15).created_at
    assert await store.executions.expire(before, batch=6) == 6
    assert await store.executions.expire(before) == 9
    assert await store.executions.expire(before) == 0
    left = await store.executions.find(ExecutionQuery("tenant-a")) + await store.executions.find(
        ExecutionQuery("tenant-b")
    )
    assert sorted(row.execution_id for row in left) == [execution(n).execution_id for n in range(15, 20)]


ROWS = [
    execution(number, tenant_id=tenant, connection_id=link, integration_id=f"i{link}", status=status, created_at=at)
    for number, (tenant, link, status, at) in enumerate(
        product(["tenant-a", "tenant-b"], ["c1", "c2", None], ["success", "error", "timeout"], [100.0, 200.5, 300.25])
    )
]
OPTIONAL_TIME = st.sampled_from([None, 0.0, 100.0, 150.0, 200.5, 300.25, 999.0])
QUERIES = st.builds(
    ExecutionQuery,
    st.sampled_from(["tenant-a", "tenant-b", "tenant-c"]),
    connection_id=st.sampled_from([None, "c1", "c2", "c9"]),
    integration_id=st.sampled_from([None, "ic1", "ic2", "iNone"]),
    status=st.sampled_from([None, "success", "error", "timeout"]),
    start=OPTIONAL_TIME,
    end=OPTIONAL_TIME,
    limit=st.integers(1, 8),
    after=st.one_of(st.none(), st.sampled_from([(row.created_at, row.execution_id) for row in ROWS])),
)


def expected(query: ExecutionQuery) -> list[Execution]:
    def fits(row: Execution) -> bool:
        return (
            row.tenant_id == query.tenant_id
            and query.connection_id in {None, row.connection_id}
            and query.integration_id in {None, row.integration_id}
            and query.status in {None, row.status}
            and (query.start is None or row.created_at >= query.start)
            and (query.end is None or row.created_at < query.end)
            and (query.after is None or (row.created_at, row.execution_id) < query.after)
        )

    newest_first = sorted(ROWS, key=lambda row: (row.created_at, row.execution_id), reverse=True)
    return [row for row in newest_first if fits(row)][: query.limit]


async def test_every_filter_finds_exactly_its_rows(store: Store, is_on_aws: bool):
    """Compared with a list in memory, for queries that Hypothesis makes up."""
    await asyncio.gather(*map(store.executions.append, ROWS))

    @given(QUERIES)
    @settings(
        max_examples=60 if is_on_aws else 150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def check(query: ExecutionQuery) -> None:
        assert run(store.executions.find(query)) == expected(query)

    await asyncio.to_thread(check)


@pytest.mark.parametrize(
    "filters", [{}, {"connection_id": "c1"}, {"integration_id": "ic2", "status": "error"}, {"start": 150.0}]
)
async def test_pages_hold_each_row_once(store: Store, filters: dict[str, Any]):
    await asyncio.gather(*map(store.executions.append, ROWS))
    query = ExecutionQuery("tenant-a", limit=4, **filters)
    pages: list[Execution] = []
    for _ in range(len(ROWS)):
        page = await store.executions.find(query)
        pages += page
        if len(page) < query.limit:
            break
        query = replace(query, after=(page[-1].created_at, page[-1].execution_id))
    assert pages == expected(replace(query, after=None, limit=1000))
