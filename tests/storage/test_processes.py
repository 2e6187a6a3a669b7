"""Several processes on one file, killed ones among them, and disks that refuse."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.storage.ports import ExecutionQuery
from engine.storage.sqlite import DATABASE_FILE, open_store
from tests.storage.samples import child, execution, run


def test_processes_that_start_together_on_an_empty_folder_agree(tmp_path: Path):
    """One makes the tables, one the key, one the token; all go on with the same."""
    children = [child("open_only", tmp_path / "new") for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in children] == ["opened\n"] * 4
    assert len((tmp_path / "new" / "master.key").read_text().split()) == 1
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [DATABASE_FILE, "master.key", "token"]


async def test_no_increment_of_four_processes_is_lost(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    children = [child("increment", tmp_path, "200") for _ in range(4)]
    assert [process.communicate(timeout=120)[0] for process in children] == ["200\n"] * 4
    record = await store.state.get("counter")
    await store.lifetime.close()
    assert record is not None
    assert record.value == b"800"


@pytest.mark.parametrize("rows", [1, 57, 400])
def test_every_row_that_append_returned_for_survives_kill_9(tmp_path: Path, rows: int):
    process = child("append", tmp_path, "0")
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(rows)]
    process.kill()
    rest, _ = process.communicate(timeout=60)
    kept = said + rest.split("\n")[:-1]  # complete lines only

    async def missing() -> list[str]:
        store = open_store(data_dir=tmp_path)
        gone = [identity for identity in kept if await store.executions.get("tenant-a", identity) is None]
        await store.executions.append(execution(9_999_999))
        await store.lifetime.close()
        return gone

    assert len(kept) >= rows
    assert run(missing()) == []


def test_two_processes_appending_at_once_lose_no_row(tmp_path: Path):
    children = [child("append", tmp_path, start) for start in ("0", "5000000")]
    said = []
    for process in children:
        assert process.stdout is not None
        said += [process.stdout.readline().strip() for _ in range(300)]
    for process in children:
        process.kill()
        process.communicate(timeout=60)

    async def found() -> set[str]:
        store = open_store(data_dir=tmp_path)
        rows = await store.executions.find(ExecutionQuery("tenant-a", limit=1_000_000))
        await store.lifetime.close()
        return {row.execution_id for row in rows}

    assert len(said) == 600
    assert set(said) <= run(found())


def test_a_full_disk_refuses_writes_whole_and_they_work_again_afterwards(tmp_path: Path):
    """The system itself refuses to let the files grow (RLIMIT_FSIZE)."""
    output, _ = child("fill", tmp_path).communicate(timeout=60)
    lines = [line.split() for line in output.splitlines()]
    kept = {identity for word, identity, *_ in lines if word in {"kept", "again"}}
    assert any(line[0] == "full" for line in lines)
    assert ["refused", "6", "of", "6"] in lines
    assert lines[-1][0] == "again"
    with sqlite3.connect(tmp_path / DATABASE_FILE) as database:
        stored = {
            identity
            for (identity,) in database.execute(
                "SELECT execution_id FROM executions UNION SELECT execution_id FROM intake"
            )
        }
        checked = database.execute("PRAGMA integrity_check").fetchall()
        others = database.execute("SELECT (SELECT count(*) FROM state) + (SELECT count(*) FROM secrets)").fetchone()
    database.close()
    assert stored == kept
    assert checked == [("ok",)]
    assert others == (0,)
