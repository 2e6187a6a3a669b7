"""A full disk, a file that can't be written, a lock that is held, a wrong key: said plainly, and nothing is lost."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import CREDENTIALS, Place, acme
from tests.e2e.serving import (
    PROGRAM,
    Provider,
    Service,
    connect,
    execute,
    leaks,
    problem,
    refused,
    serving,
    write_spec,
)
from tests.support.environment import clean_environment
from tests.support.ports import free_port
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the limits and capabilities of Linux")

NEW = {"integrationId": ID, "name": "New", "credentials": CREDENTIALS}


@contextmanager
def full_disk(service: Service) -> Iterator[None]:
    """No file of the process can be written any more: what a full disk does to each of them at once."""
    soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


def unavailable(reply: httpx.Response) -> dict[str, Any]:
    body = problem(reply, 503, "SERVICE_UNAVAILABLE")
    assert leaks(reply.text, *CREDENTIALS.values()) == []
    return body


def test_a_full_disk_is_a_503_and_what_was_answered_before_is_still_there(place: Place):
    client, connection = place.client, place.connection_id
    done = [execute(client, "quote", connectionId=connection).json()["executionId"] for _ in range(3)]
    before = client.get("/connections").json()
    with full_disk(place.service):
        reply = client.post("/connections", json=NEW)
        unavailable(reply)
        assert int(reply.headers["retry-after"]) >= 1
        for _ in range(5):
            unavailable(execute(client, "quote", connectionId=connection))
        unavailable(client.patch(f"/connections/{connection}", json={"credentials": {"apiKey": "another-key-0001"}}))
        unavailable(client.patch(f"/connections/{connection}", json={"name": "Other"}))
        unavailable(client.delete(f"/connections/{connection}"))
        unavailable(client.get("/readyz"))
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/connections").json() == before
        assert client.get(f"/executions/{done[0]}").json()["status"] == "success"
    assert client.get("/readyz").status_code == 200
    assert client.get("/connections").json() == before
    assert execute(client, "quote", connectionId=connection).json()["success"] is True
    assert place.provider.seen[-1].headers["x-api-key"] == CREDENTIALS["apiKey"]
    assert client.post("/connections", json=NEW).status_code == 200
    listed = [row["executionId"] for row in client.get("/executions").json()["executions"]]
    assert set(done) <= set(listed)
    assert leaks(place.service.output, *CREDENTIALS.values()) == []


def test_a_write_on_a_full_disk_with_a_key_is_never_sent_twice(place: Place):
    """The intent is stored first: without room for it nothing leaves; afterwards the same key works."""
    place.provider.seen.clear()
    ask = {"connectionId": place.connection_id, "input": {"order": 41}, "key": "order-41"}
    with full_disk(place.service):
        for _ in range(3):
            unavailable(execute(place.client, "book", **ask))
    assert place.provider.seen == []
    first, again = execute(place.client, "book", **ask), execute(place.client, "book", **ask)
    assert first.json()["success"] is True
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(place.provider.seen) == 1


@contextmanager
def disk_filling_up(place: Place) -> Iterator[None]:
    """The disk is full from the moment on when the provider has the request."""
    with ExitStack() as stack:

        def fill(_seen: Seen) -> Reply:
            stack.enter_context(full_disk(place.service))
            return answer({"ok": True})

        place.provider.answers(fill)
        try:
            yield
        finally:
            place.provider.upstream.handler = lambda _seen: answer({"ok": True})


def test_a_write_whose_row_can_not_be_logged_is_not_told_as_if_nothing_had_happened(place: Place):
    """The 503 must not invite the caller to send the order again."""
    with disk_filling_up(place):
        reply = execute(place.client, "book", connectionId=place.connection_id, input={"order": 1})
    assert len(place.provider.seen) == 1
    body = unavailable(reply)
    assert "nothing was written" not in body["message"]
    assert "reached the provider" in body["message"]
    assert "retry-after" not in reply.headers


def test_a_read_whose_row_can_not_be_logged_may_be_repeated(place: Place):
    with disk_filling_up(place):
        reply = execute(place.client, "quote", connectionId=place.connection_id)
    unavailable(reply)
    assert reply.headers["retry-after"] == "1"
    assert execute(place.client, "quote", connectionId=place.connection_id).json()["success"] is True


def test_a_key_whose_answer_could_not_be_stored_never_writes_again(place: Place):
    ask = {"connectionId": place.connection_id, "input": {"order": 2}, "key": "order-2"}
    with disk_filling_up(place):
        body = unavailable(execute(place.client, "book", **ask))
        assert "reached the provider" in body["message"]
    again = execute(place.client, "book", **ask)
    assert again.status_code == 409 or again.json()["error"]["code"] == "OUTCOME_UNKNOWN"
    assert len(place.provider.seen) == 1


@contextmanager
def held_lock(service: Service) -> Iterator[None]:
    """Another program writes into the database and does not come to an end."""
    with closing(sqlite3.connect(service.data_dir / "integrations.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@pytest.mark.slow
def test_a_lock_that_somebody_holds_is_a_503_after_a_while_and_reading_goes_on(place: Place):
    """Slow: a write waits five seconds for a lock."""
    with held_lock(place.service):
        unavailable(place.client.post("/connections", json=NEW))
        unavailable(execute(place.client, "quote", connectionId=place.connection_id))
        assert len(place.client.get("/connections").json()["connections"]) == 1
        assert place.client.get("/healthz").status_code == 200
    assert execute(place.client, "quote", connectionId=place.connection_id).json()["success"] is True
    assert place.client.post("/connections", json=NEW).status_code == 200


def test_a_short_lock_costs_nobody_anything(place: Place):
    with ThreadPoolExecutor(8) as pool:
        with held_lock(place.service):
            asked = [pool.submit(execute, place.client, "quote", connectionId=place.connection_id) for _ in range(8)]
            assert place.client.get("/healthz").status_code == 200
        done = [one.result().json() for one in asked]
    assert [one["success"] for one in done] == [True] * 8
    for one in done:
        assert place.client.get(f"/executions/{one['executionId']}").status_code == 200


# ---------------------------------------------------------------- at the start


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that has stopped in order; `data` holds one connection and one execution."""
    folder = tmp_path_factory.mktemp("stopped")
    specs = write_spec(folder / "specs", acme())
    with (
        Provider() as provider,
        serving(folder / "data", "--specs", str(specs), "--upstream", f"{ID}={provider.origin}") as service,
        service.client() as client,
    ):
        connection = connect(client, ID, credentials=CREDENTIALS)
        assert execute(client, "quote", connectionId=connection).json()["success"] is True
    return folder


@pytest.fixture
def data(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it at `tmp_path / "data"`."""
    shutil.copytree(stopped / "data", tmp_path / "data")
    return tmp_path / "data"


def contents(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(data.iterdir()) if path.is_file()}


KEYS = {
    "another key": b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    "half a key": b"AAAAAAAAAAAAAAAAAAAAA\n",
    "no text": b"\xff\xfe\x00\x01",
    "nothing": b"",
}


@pytest.mark.parametrize("what", KEYS)
def test_a_wrong_key_file_ends_the_start_and_changes_nothing(tmp_path: Path, data: Path, what: str):
    (data / "master.key").write_bytes(KEYS[what])
    before = contents(data)
    done = refused(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "key" in done.stderr
    assert KEYS[what].decode("latin-1").strip() not in done.stderr or not KEYS[what]
    assert contents(data)["integrations.db"] == before["integrations.db"]
    assert contents(data)["master.key"] == before["master.key"]


def test_a_missing_key_file_is_not_made_anew_for_an_old_database(tmp_path: Path, data: Path):
    (data / "master.key").unlink()
    done = refused(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "master.key is missing" in done.stderr
    assert not (data / "master.key").exists()


@pytest.mark.parametrize("what", ["text", "cut off", "another program's"])
def test_a_file_that_is_no_database_of_ours_ends_the_start(tmp_path: Path, data: Path, what: str):
    database = data / "integrations.db"
    if what == "text":
        database.write_text("this is no database " * 100)
    elif what == "cut off":
        database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    else:
        database.unlink()
        with closing(sqlite3.connect(database)) as other:
            other.execute("CREATE TABLE songs (title TEXT)")
            other.commit()
    before = database.read_bytes()
    done = refused(tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "integrations.db" in done.stderr or "database" in done.stderr
    assert database.read_bytes() == before


_AS_NOBODY = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in (1, 2):  # root may write everywhere (DAC_OVERRIDE) and read everywhere: not this process
    libc.prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_read_only_database_ends_the_start_and_says_so(tmp_path: Path, data: Path):
    before = contents(data)
    (data / "integrations.db").chmod(0o400)
    data.chmod(0o500)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, PROGRAM, "serve", "--port", str(free_port()), "--data-dir", str(data)],
            env=clean_environment(), text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        data.chmod(0o700)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "can't be" in done.stderr
    assert str(data) in done.stderr or "integrations.db" in done.stderr
    assert contents(data) == before


def test_a_data_dir_that_is_a_file_ends_the_start(tmp_path: Path):
    (tmp_path / "data").write_text("mine")
    done = refused(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "data") in done.stderr
    assert (tmp_path / "data").read_text() == "mine"


def test_after_a_restart_everything_is_there(stopped: Path, tmp_path: Path, data: Path):
    with serving(data, "--specs", str(stopped / "specs")) as service, service.client() as client:
        [connection] = client.get("/connections").json()["connections"]
        [row] = client.get("/executions").json()["executions"]
        assert (row["connectionId"], row["status"]) == (connection["connectionId"], "success")
