"""`integrations migrate`: what it says, how it ends, and when it refuses to begin."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.migration.move import QUIET_SECONDS
from engine.model import Connection, Execution
from engine.settings import Settings
from engine.storage.aws import open_store as open_aws
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.storage.samples import connection, execution, run
from tests.support import aws

HELD = "fake-token-0000-held"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory with a little in it."""

    async def fill() -> None:
        store = open_store(data_dir=tmp_path / "data")
        await store.connections.create(connection())
        await store.secrets.put("tenant-a", "c1", "credentials", {"token": HELD})
        for number in range(5):
            await store.executions.append(_recent(number))
        await store.lifetime.close()

    run(fill())
    return tmp_path / "data"


def _recent(number: int, seconds: float = 3600.0) -> Execution:
    return execution(number, created_at=float(int(time.time() - seconds)))


@pytest.fixture
def cloud(aws_servers: aws.Servers, aws_user: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of AWS, empty, where the environment says."""
    aws.wipe(aws_servers.dynamodb["ministack"], aws_servers.secrets)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_servers.secrets)


def migrate(folder: Path, *words: str) -> int:
    return main(["migrate", "--data-dir", str(folder), *words])


@pytest.mark.usefixtures("cloud")
def test_a_folder_goes_to_aws_and_back_into_another_and_both_ends_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(folder, "--to", "aws") == 0
    told = capsys.readouterr()
    assert "connections              1         1  equal" in told.out
    assert "executions               5         5  equal" in told.out
    assert "\nBoth hold the same.\n" in told.out
    assert "data/token stayed behind" in told.out
    assert "moving: 0 of 1 tenants" in told.err
    assert migrate(tmp_path / "back", "--to", "sqlite") == 0
    assert HELD not in told.out + told.err + "".join(capsys.readouterr())

    async def check() -> None:
        store = open_store(data_dir=tmp_path / "back")
        secret = await store.secrets.get("tenant-a", "c1", "credentials")
        assert secret is not None
        assert secret.value == {"token": HELD}
        await store.lifetime.close()

    run(check())


@pytest.mark.usefixtures("cloud")
def test_a_terminal_is_shown_a_bar(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert migrate(folder, "--to", "aws") == 0
    told = capsys.readouterr().err
    assert "1/1" in told
    assert "7 written" in told
    assert "moving: " not in told


@pytest.mark.usefixtures("cloud")
def test_what_differs_is_named_and_ends_with_1_and_a_second_move_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(folder, "--to", "aws") == 0
    run(_change_on_aws())
    capsys.readouterr()
    assert migrate(folder, "--to", "aws", "--verify") == 1
    told = capsys.readouterr().out
    assert "connections              1         1  DIFFERENT in 1 tenants" in told
    assert "tenant-a: connections: c1 differs" in told
    assert migrate(folder, "--to", "aws") == 2
    assert "it is the one that counts" in capsys.readouterr().err


async def _change_on_aws() -> None:
    store = _aws()
    found: Connection | None = await store.connections.get("tenant-a", "c1")
    assert found is not None
    await store.connections.update(replace(found, name="Renamed"))
    await store.lifetime.close()


def _aws() -> Store:
    return open_aws(Settings(storage="aws"))


@pytest.mark.usefixtures("cloud")
def test_a_folder_that_somebody_uses_is_refused_unless_forced_and_then_not_for_the_last_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving = open_store(data_dir=folder)
    assert migrate(folder, "--to", "aws") == 2
    assert "another process uses" in capsys.readouterr().err
    assert migrate(folder, "--to", "aws", "--force") == 0
    assert "move once more without --force" in capsys.readouterr().out
    run(serving.lifetime.close())
    assert migrate(folder, "--to", "aws") == 0


@pytest.mark.usefixtures("cloud")
def test_aws_is_refused_as_a_source_while_calls_begin_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def call() -> None:
        store = _aws()
        await store.executions.append(_recent(1, QUIET_SECONDS / 4))
        await store.lifetime.close()

    run(call())
    assert migrate(tmp_path / "data", "--to", "sqlite") == 2
    assert "calls of 1 tenants began within the last 60 seconds" in capsys.readouterr().err


def test_a_folder_without_a_database_is_refused_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(tmp_path / "nothing", "--to", "aws") == 2
    assert "there is no database in" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_the_database_of_another_program_is_refused_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "integrations.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    assert migrate(tmp_path, "--to", "aws") == 2
    assert "belongs to another program" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_direction_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        migrate(tmp_path)
    with pytest.raises(SystemExit):
        migrate(tmp_path, "--to", "azure")
