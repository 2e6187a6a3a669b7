"""From a folder to AWS and back: the same to every reader on the way and at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.migration.move import Move
from engine.migration.report import Report
from engine.runtime.account import CREDENTIALS
from engine.storage.ports import Store
from tests.migration.filled import NOW, SINCE, clock, fill, on_sqlite, seen
from tests.migration.test_killed import ROWS, moved
from tests.support import aws

pytestmark = pytest.mark.usefixtures("aws_user")


async def move(source: Store, target: Store) -> Report:
    return await Move(source, target, since=SINCE, now=clock).run()


@pytest.mark.parametrize("name", ["ministack", "dynoxide"])
async def test_there_and_back_everything_is_the_same(tmp_path: Path, aws_servers: aws.Servers, name: str) -> None:
    cloud = aws.open_empty(aws_servers, name, clock)
    async with on_sqlite(tmp_path / "before", tmp_path / "after") as (before, after):
        await fill(before)
        there = await move(before, cloud)
        assert there.is_equal, there.differences
        assert await seen(cloud) == await seen(before)
        back = await move(cloud, after)
        assert back.is_equal, back.differences
        assert await seen(after) == await seen(before)
    await cloud.lifetime.close()


async def test_a_move_to_aws_that_is_killed_ends_with_the_same(
    tmp_path: Path, aws_servers: aws.Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = aws.open_empty(aws_servers, "ministack", clock)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_servers.secrets)
    async with on_sqlite(tmp_path / "source") as (source,):
        await fill(source)
        for step in (15, 120):
            assert moved(tmp_path / "source", "aws", until=step).startswith("moving")
        assert moved(tmp_path / "source", "aws", until=10 * ROWS) == "equal"
        assert await seen(cloud) == await seen(source)
    await cloud.lifetime.close()


async def test_a_changed_row_on_aws_is_found_and_what_aws_refuses_is_told_without_its_value(
    tmp_path: Path, aws_servers: aws.Servers
) -> None:
    cloud = aws.open_empty(aws_servers, "ministack", clock)
    async with on_sqlite(tmp_path / "source") as (source,):
        await fill(source)
        await source.secrets.put("shop-a", "shop-a-c2", CREDENTIALS, {"token": "fake" * 20_000})
        report = await move(source, cloud)
        assert [(one.row, one.what) for one in report.differences] == [(f"shop-a-c2 {CREDENTIALS}", "is missing")]
        assert report.refused[0].startswith("shop-a: credentials of connection shop-a-c2: ")
        assert "fakefake" not in repr(report)
        await source.secrets.put("shop-a", "shop-a-c2", CREDENTIALS, {"token": "fake"})
        assert (await move(source, cloud)).is_equal
        first = (await cloud.connections.find("shop-b"))[0]
        await cloud.connections.update(replace(first, updated_at=NOW + 1))
        report = await Move(source, cloud, since=SINCE, now=clock).verify()
        assert [(one.row, one.what) for one in report.differences] == [(first.connection_id, "differs")]
    await cloud.lifetime.close()
