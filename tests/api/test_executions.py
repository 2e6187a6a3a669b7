"""The log of calls: pages, filters, and whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.support import CANARY, OTHERS


@pytest.fixture
async def log(api, connection) -> list[str]:
    """Ids of nine calls, oldest first, a second apart and more; every third failed."""
    ids = []
    for number in range(9):
        body = {
            "connectionId": connection,
            "actionId": "limited" if number % 3 == 2 else "quote",
            "input": {"weight": number},
            "callerService": "agent",
        }
        ids.append((await api.post("/execute", json=body)).json()["executionId"])
    return ids


async def _ids(api: Any, **params: Any) -> list[str]:
    answer = await api.get("/executions", params=params)
    assert answer.status_code == 200, answer.text
    return [row["executionId"] for row in answer.json()["executions"]]


async def test_a_row_shows_the_call(api, log, connection):
    good = (await api.get(f"/executions/{log[0]}")).json()
    assert good == {
        "executionId": log[0],
        "tenantId": "acme",
        "connectionId": connection,
        "integrationId": "acme-parcels",
        "actionId": "quote",
        "input": {"weight": 0},
        "output": {"weight": 0},
        "status": "success",
        "attempts": 0,
        "latencyMs": 12,
        "callerService": "agent",
        "createdAt": good["createdAt"],
    }
    bad = (await api.get(f"/executions/{log[2]}")).json()
    assert (bad["status"], bad["errorCode"], bad["errorMessage"]) == ("error", "RATE_LIMITED", "slow down")
    assert "output" not in bad


@pytest.mark.parametrize("limit", [1, 2, 4, 9, 10, 200])
async def test_pages_hold_every_row_once_newest_first(api, log, limit):
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(12):
        page = (await api.get("/executions", params={"limit": limit, **cursor})).json()
        assert 0 < len(page["executions"]) <= limit
        seen += [row["executionId"] for row in page["executions"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == log[::-1]


async def test_filters_select(api, log, connection):
    assert await _ids(api, status="error") == [log[8], log[5], log[2]]
    assert await _ids(api, status="timeout") == []
    assert await _ids(api, connectionId=connection) == log[::-1]
    assert await _ids(api, connectionId="another") == []
    assert await _ids(api, integrationId="acme-old") == []


async def test_dates_are_half_open(api, log):
    rows = (await api.get("/executions")).json()["executions"]
    third, sixth = rows[6]["createdAt"], rows[3]["createdAt"]
    assert await _ids(api, startDate=third, endDate=sixth) == [log[4], log[3], log[2]]
    assert await _ids(api, startDate=sixth, endDate=third) == []
    assert await _ids(api, startDate="2026-05-01", endDate="2026-05-02") == log[::-1]
    assert await _ids(api, endDate="2026-05-01") == []


async def test_an_offset_that_was_not_percent_encoded_is_understood(api, log):
    exact = await api.get("/executions?startDate=2026-05-01T07:00:00%2B07:00")
    sloppy = await api.get("/executions?startDate=2026-05-01T07:00:00+07:00")
    assert len(exact.json()["executions"]) == 9
    assert sloppy.json() == exact.json()


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "-1"},
        {"limit": "1.5"},
        {"limit": "ten"},
        {"limit": ""},
        {"limit": "٣"},
        {"limit": "9" * 30},
        {"status": "done"},
        {"status": ""},
        {"startDate": "yesterday"},
        {"startDate": "2026-02-30"},
        {"startDate": "2026-05-01T00:00:00"},
        {"startDate": "2026-05-01T24:00:00Z"},
        {"endDate": "1777600000"},
        {"endDate": "0000-01-01"},
        {"cursor": CANARY},
        {"cursor": ""},
        {"cursor": "x" * 2000},
        {"connectionID": CANARY},
    ],
)
async def test_a_bad_filter_is_400_that_names_it(api, params):
    answer = await api.get("/executions", params=params)
    assert answer.status_code == 400
    assert [issue["path"] for issue in answer.json()["data"]["issues"]] == [list(params)]
    assert CANARY not in answer.text


@pytest.mark.parametrize("query", ["status=error&status=error", "status=%ff", "&".join(f"a{n}=1" for n in range(60))])
async def test_a_query_that_can_not_be_read_is_400(api, query):
    assert (await api.get(f"/executions?{query}")).status_code == 400


async def test_a_cursor_is_bound_to_its_tenant_and_filters(api, log):
    cursor = (await api.get("/executions", params={"limit": 2, "status": "success"})).json()["nextCursor"]
    assert len(await _ids(api, cursor=cursor, status="success", limit=200)) == 4
    foreign = await api.get("/executions", params={"cursor": cursor, "status": "success"}, headers=OTHERS)
    other_list = await api.get("/executions", params={"cursor": cursor})
    changed = await api.get("/executions", params={"cursor": cursor[:-2] + "AA", "status": "success"})
    assert [answer.status_code for answer in (foreign, other_list, changed)] == [400, 400, 400]


async def test_another_tenants_calls_do_not_exist(api, log):
    assert (await api.get(f"/executions/{log[0]}", headers=OTHERS)).status_code == 404
    assert (await api.get("/executions", headers=OTHERS)).json() == {"executions": []}
    assert (await api.get("/executions/unknown")).status_code == 404
