"""The sandbox remembers what a client has done, as cases of several calls tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bootstrap import open_engine
from engine.cases.choose import Recordings
from engine.cases.recorded import Recorded
from engine.cases.sandbox import create_sandbox, running
from engine.model import Answer, Command, Request
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.settings import Settings
from tests.cases.written import Folder, case, chain, exchange, lost, turn
from tests.support.scene import connect
from tests.support.specs import HOST, ID, action, spec

KEYED: dict[str, Any] = {"headers": {"X-Api-Key": "key-of-the-tests-4711"}}
SPEC = spec(action("create", "write"), action("status"), action("cancel", "write"))


def does(name: str, state: str, method: str = "GET", status: int = 200) -> dict[str, Any]:
    """A call whose answer tells the state."""
    ends = {"result": {"got": {"state": state}}} if status < 400 else {"error": {"code": "INVALID_INPUT"}}
    return turn(name, exchange(name, status, {"state": state}, method, **KEYED), **ends)


CREATE, CANCEL = does("create", "new", "POST"), does("cancel", "gone", "POST")
JOURNEY = chain("journey", CREATE, does("status", "waiting"), CANCEL, does("status", "cancelled"))


def plain(name: str, state: str, method: str = "GET") -> dict[str, Any]:
    one = does(name, state, method)
    return case(f"{name} {state}", *one["exchanges"], action=name, result=one["result"])


class Impatient(SystemClock):
    """Does not wait before it tries again."""

    async def sleep(self, seconds: float) -> None:
        """At once."""


@asynccontextmanager
async def sandbox(home: Path, *cases: Mapping[str, Any]) -> AsyncIterator[Engine]:
    """An engine whose provider is the sandbox with these cases, over real sockets."""
    folder = Folder(home, SPEC, *cases)
    async with running(create_sandbox(folder.cases)) as origin:
        settings = Settings(data_dir=home / "data")
        engine = await open_engine(settings, catalog=folder.catalog, clock=Impatient(), upstreams={ID: origin})
        yield engine
        await engine.close()


class Client:
    """An account of its own."""

    def __init__(self, engine: Engine, key: str) -> None:
        self.engine, self.key, self.connection_id = engine, key, ""

    async def answer(self, name: str) -> Answer:
        if not self.connection_id:
            made = await connect(self.engine, credentials={"apiKey": self.key}, tenant=self.key)
            self.connection_id = made.connection_id
        return await self.engine.execute(Command(self.key, name, {}, connection_id=self.connection_id))

    async def plays(self, *names: str) -> list[str]:
        """The states that the answers tell, an error's code in place of one."""
        answers = [await self.answer(name) for name in names]
        return [one.data["got"]["state"] if one.error is None else one.error.code for one in answers]


async def test_after_each_call_the_next_of_the_same_case_is_played(tmp_path: Path) -> None:
    async with sandbox(tmp_path, plain("status", "anything"), JOURNEY) as engine:
        states = await Client(engine, "key-a").plays("create", "status", "status", "cancel", "status", "status")
    assert states == ["new", "waiting", "waiting", "gone", "cancelled", "cancelled"]


async def test_each_client_has_a_story_of_its_own(tmp_path: Path) -> None:
    async with sandbox(tmp_path, plain("status", "anything"), JOURNEY) as engine:
        one, other = Client(engine, "key-a"), Client(engine, "key-b")
        assert await one.plays("create", "status", "cancel") == ["new", "waiting", "gone"]
        assert await other.plays("status", "create", "status") == ["anything", "new", "waiting"]
        assert await one.plays("status") == ["cancelled"]


async def test_what_was_not_done_did_not_happen(tmp_path: Path) -> None:
    """Between these calls of the case lies a cancellation, so without it the plain case answers."""
    skips = chain("skips", CREATE, CANCEL, does("status", "cancelled"))
    async with sandbox(tmp_path, skips, plain("status", "waiting")) as engine:
        assert await Client(engine, "key-a").plays("create", "status", "cancel", "status") == [
            "new", "waiting", "gone", "cancelled",
        ]  # fmt: skip


async def test_a_plain_case_with_the_same_answer_begins_every_story_that_begins_so(tmp_path: Path) -> None:
    kept = chain("kept", CREATE, does("status", "waiting"))
    ended = chain("ended", CREATE, CANCEL, does("status", "cancelled"))
    async with sandbox(tmp_path, plain("create", "new", "POST"), kept, ended) as engine:
        assert await Client(engine, "key-a").plays("create", "status", "cancel", "status", "status") == [
            "new", "waiting", "gone", "cancelled", "cancelled",
        ]  # fmt: skip


async def test_a_story_that_begins_otherwise_has_not_begun(tmp_path: Path) -> None:
    refused = chain("refused", does("create", "no", "POST", 400), does("status", "refused"))
    cases = (refused, plain("create", "new", "POST"), plain("status", "waiting"))
    async with sandbox(tmp_path, *cases) as engine:
        assert await Client(engine, "key-a").plays("create", "status") == ["new", "waiting"]


async def test_a_state_that_is_asked_for_again_and_again_comes_to_its_end_and_stays(tmp_path: Path) -> None:
    paid = chain("paid", does("status", "pending"), does("status", "pending"), does("status", "paid"))
    async with sandbox(tmp_path, paid) as engine:
        assert await Client(engine, "key-a").plays(*["status"] * 5) == ["pending", "pending", "paid", "paid", "paid"]


async def test_a_story_begins_anew_with_its_first_call(tmp_path: Path) -> None:
    async with sandbox(tmp_path, JOURNEY) as engine:
        client = Client(engine, "key-a")
        await client.plays("create", "status", "cancel")
        assert await client.plays("create", "status") == ["new", "waiting"]


async def test_faults_inside_of_a_story_are_played_for_real(tmp_path: Path) -> None:
    """The answer to the booking is lost, the look at it fails once; the booking is there."""
    broken = turn("create", lost("create", {"drop": "after"}, "POST"), error={"code": "OUTCOME_UNKNOWN"})
    broken["exchanges"][0]["expect"] |= KEYED
    found = does("status", "waiting")
    found["exchanges"].insert(0, exchange("status", 503, **KEYED))
    async with sandbox(tmp_path, chain("lost", broken, found), plain("status", "never booked")) as engine:
        assert await Client(engine, "key-a").plays("create", "status") == ["OUTCOME_UNKNOWN", "waiting"]


async def test_a_login_that_all_accounts_share_does_not_mix_them_up(tmp_path: Path) -> None:
    """The request without a header that tells the account belongs to nobody's story."""
    both = does("create", "new", "POST")
    both["exchanges"].insert(0, {**exchange("cancel", 200, {"state": "-"}, "POST")})
    folder = Folder(tmp_path, SPEC, chain("journey", both, does("status", "waiting")), plain("status", "anything"))
    recordings = Recordings(folder.cases)
    assert told(recordings, "POST", "cancel") == "-"
    assert told(recordings, "GET", "status") == "anything"
    assert told(recordings, "POST", "create") == "new"
    assert told(recordings, "GET", "status") == "waiting"


# --- without sockets ------------------------------------------------------------------------------------------

METHODS = {"create": "POST", "cancel": "POST", "status": "GET"}


def told(recordings: Recordings, method: str, name: str, key: str = "key-a") -> str:
    found = recordings.answer(Request(method, f"https://{HOST}/{name}", (("X-Api-Key", key),), b""))
    assert isinstance(found, Recorded)
    state: str = found.exchange.answer["json"]["state"]
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    kept = chain("kept", CREATE, does("status", "waiting"))
    return Folder(tmp_path_factory.mktemp("law"), SPEC, plain("status", "anything"), JOURNEY, kept)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(sorted(METHODS))), max_size=20))
def test_whatever_others_do_a_client_sees_what_it_would_see_alone(
    folder: Folder, played: list[tuple[str, str]]
) -> None:
    together = Recordings(folder.cases)
    seen = [(key, told(together, METHODS[name], name, key)) for key, name in played]
    for client in {key for key, _ in played}:
        alone = Recordings(folder.cases)
        assert [state for key, state in seen if key == client] == [
            told(alone, METHODS[name], name, client) for key, name in played if key == client
        ]


@given(st.lists(st.sampled_from(sorted(METHODS)), max_size=12))
def test_cancelled_is_only_what_was_created_and_cancelled(folder: Folder, names: list[str]) -> None:
    recordings = Recordings(folder.cases)
    states = [told(recordings, METHODS[name], name) for name in names]
    for i, state in enumerate(states):
        if state == "cancelled":
            assert "cancel" in names[:i]


def test_the_memory_of_chains_is_bounded(folder: Folder) -> None:
    recordings = Recordings(folder.cases)
    for number in range(3000):
        told(recordings, "POST", "create", f"key-{number}")
    assert recordings.remembered <= 2048
    assert told(recordings, "GET", "status", "key-2999") == "waiting"
    assert told(recordings, "GET", "status", "key-0") == "anything"
