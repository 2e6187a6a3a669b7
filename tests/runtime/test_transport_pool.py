"""Who gets a connection: kept ones are used again, stale ones are not, and nobody waits while there is room."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from engine.errors import AnswerLost, CallTimedOut, ConnectFailed, EngineError
from engine.runtime import pool as pools
from engine.runtime import transport as wires
from engine.runtime.transport import HttpTransport
from tests.support.wire import OK, Peer, Talk, get, saying, sent, until


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpTransport]:
    """At most four connections, two of them to one origin; every one of them is accounted for at the end."""
    monkeypatch.setattr(wires, "_MOST", 4)
    monkeypatch.setattr(wires, "_MOST_PER_ORIGIN", 2)
    made = HttpTransport(allow_private=True)
    yield made
    assert_counts(made)
    await made.close()


def assert_counts(wire: HttpTransport) -> None:
    """Nothing is under way: what is counted is what is idle, and nobody waits."""
    pool = wire._pool
    idle = [line for place in pool._places.values() for line in place.idle]
    assert pool._count == len(idle) == sum(place.count for place in pool._places.values())
    assert pool._open == set(idle)
    assert not pool._crowded
    assert not any(place.waiting for place in pool._places.values())


class Gate:
    """A server that answers each request when it is let; `order`: the paths as they came."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.let = asyncio.Semaphore(0)

    async def __call__(self, talk: Talk) -> None:
        for _ in range(1000):
            asked = await talk.heard()
            self.order.append(asked.split()[1].decode())
            await self.let.acquire()
            await talk.say(OK)


async def start(wire: HttpTransport, origin: str, *paths: str) -> list[asyncio.Task[object]]:
    """Calls that ask in this order."""
    tasks: list[asyncio.Task[object]] = []
    for path in paths:
        tasks.append(asyncio.create_task(sent(wire, get(origin, path))))
        await asyncio.sleep(0)
    return tasks


# --- use again ---


async def test_calls_one_after_the_other_share_a_connection(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as peer:
        for _ in range(5):
            assert (await sent(wire, get(peer.origin))).body == b"ok"
        assert (peer.connections, len(peer.requests)) == (1, 5)


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used(wire: HttpTransport) -> None:
    async with Peer(saying(OK, stays=False)) as peer:
        for at in range(3):
            assert (await sent(wire, get(peer.origin))).body == b"ok"
            await until(lambda: peer.open == 0)
            await asyncio.sleep(0.01)
            assert peer.connections == at + 1


async def test_a_connection_that_was_idle_for_too_long_is_not_used(
    wire: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Peer(saying(OK)) as peer:
        await sent(wire, get(peer.origin))
        monkeypatch.setattr(pools, "IDLE_SECONDS", 0.0)
        await sent(wire, get(peer.origin))
        assert peer.connections == 2


async def test_idle_connections_are_closed_and_their_places_forgotten(
    wire: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.05)
    async with Peer(saying(OK)) as peer:
        await asyncio.gather(*(sent(wire, get(peer.origin)) for _ in range(2)))
        await until(lambda: peer.open == 0 and not wire._pool._places)
        await until(lambda: wire._pool._sweep is None)
        assert (await sent(wire, get(peer.origin))).body == b"ok"


async def test_origins_share_no_connection(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as one, Peer(saying(OK)) as other:
        for _ in range(2):
            await sent(wire, get(one.origin))
            await sent(wire, get(other.origin))
            await sent(wire, get(one.origin.replace("127.0.0.1", "localhost")))
        assert (one.connections, other.connections) == (2, 1)


# --- wait ---


async def test_no_more_connections_than_allowed_to_one_origin_and_who_waits_is_served_in_order(
    wire: HttpTransport,
) -> None:
    gate = Gate()
    async with Peer(gate) as peer:
        paths = [f"/{at}" for at in range(6)]
        first = await start(wire, peer.origin, *paths[:2])
        await until(lambda: len(gate.order) == 2)
        rest = await start(wire, peer.origin, *paths[2:])
        for at in range(3, 7):
            gate.let.release()
            await until(lambda at=at: len(gate.order) == at)  # type: ignore[misc]
        gate.let.release()
        gate.let.release()
        await asyncio.gather(*first, *rest)
        assert gate.order[2:] == paths[2:]
        assert peer.connections == 2


async def test_who_comes_later_does_not_take_what_somebody_waits_for(wire: HttpTransport) -> None:
    gate = Gate()
    async with Peer(gate) as peer:
        busy = await start(wire, peer.origin, "/a", "/b")
        await until(lambda: len(gate.order) == 2)
        waits = await start(wire, peer.origin, "/waits")
        late: list[asyncio.Task[object]] = []
        busy[0].add_done_callback(lambda _: late.append(asyncio.create_task(sent(wire, get(peer.origin, "/late")))))
        busy[1].add_done_callback(lambda _: late.append(asyncio.create_task(sent(wire, get(peer.origin, "/late")))))
        for _ in range(5):
            gate.let.release()
        await asyncio.gather(*busy, *waits)
        await asyncio.gather(*late)
        assert gate.order[2] == "/waits"


async def test_who_waits_in_vain_has_sent_nothing(wire: HttpTransport) -> None:
    gate = Gate()
    async with Peer(gate) as peer:
        busy = await start(wire, peer.origin, "/a", "/b")
        await until(lambda: len(gate.order) == 2)
        with pytest.raises(ConnectFailed, match="no connection was free in time"):
            await sent(wire, get(peer.origin, "/c"), timeout=0.05)
        gate.let.release()
        gate.let.release()
        await asyncio.gather(*busy)
        assert gate.order == ["/a", "/b"]


async def test_a_connection_idle_elsewhere_makes_room_at_once(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as one, Peer(saying(OK)) as two, Peer(saying(OK)) as three:
        await asyncio.gather(*(sent(wire, get(peer.origin)) for peer in (one, one, two, two)))
        assert wire._pool._count == 4
        assert (await sent(wire, get(three.origin), timeout=2)).body == b"ok"
        assert wire._pool._count == 4


async def test_a_full_pool_lets_an_origin_in_that_has_no_connection(wire: HttpTransport) -> None:
    """Two origins keep all four connections busy, and have others waiting."""
    gate = Gate()
    async with Peer(gate) as one, Peer(gate) as two, Peer(saying(OK)) as third:
        busy = [*await start(wire, one.origin, *"/" * 6), *await start(wire, two.origin, *"/" * 6)]
        await until(lambda: len(gate.order) == 4)
        new = asyncio.create_task(sent(wire, get(third.origin)))
        await asyncio.sleep(0)
        gate.let.release()
        await new
        for _ in range(20):
            gate.let.release()
        await asyncio.gather(*busy)


@pytest.mark.parametrize("last", [OK, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], ids=["line", "room"])
async def test_what_is_given_to_somebody_who_is_cancelled_just_then_goes_to_the_next(
    wire: HttpTransport, last: bytes
) -> None:
    async def script(talk: Talk) -> None:
        for _ in range(10):
            await talk.heard()
            await let.wait()
            await talk.say(last)

    async def first() -> None:
        await sent(wire, get(peer.origin))
        given.append(turn.done())
        waits.cancel()  # its turn has come, and it does not know yet

    let = asyncio.Event()
    given: list[bool] = []
    async with Peer(script) as peer:
        busy = [asyncio.create_task(first()), *await start(wire, peer.origin, "/b")]
        await until(lambda: len(peer.requests) == 2)
        waits, follows = await start(wire, peer.origin, "/waits", "/follows")
        turn = wire._pool.place(pools.Origin(False, "127.0.0.1", peer.port)).waiting[0]
        let.set()
        await asyncio.gather(*busy, follows)
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert given == [True]
        assert b"/waits" not in b"".join(peer.requests)
        await until(lambda: peer.open == wire._pool._count)


async def test_a_connection_that_is_closed_on_its_way_to_who_waits_is_replaced(wire: HttpTransport) -> None:
    async def first() -> None:
        await sent(wire, get(peer.origin, "/a"))
        line = turn.result()
        assert line is not None
        line.close()

    gate = Gate()
    async with Peer(gate) as peer:
        busy = [asyncio.create_task(first()), *await start(wire, peer.origin, "/b")]
        await until(lambda: len(gate.order) == 2)
        waits = await start(wire, peer.origin, "/waits")
        turn = wire._pool.place(pools.Origin(False, "127.0.0.1", peer.port)).waiting[0]
        for _ in range(3):
            gate.let.release()
        await asyncio.gather(*busy, *waits)
        assert (peer.connections, gate.order[2:]) == (3, ["/waits"])


async def test_what_becomes_free_and_nobody_wants_makes_room_for_who_waits_elsewhere(wire: HttpTransport) -> None:
    held, free = Gate(), Gate()
    async with Peer(free) as one, Peer(held) as two, Peer(held) as three:
        leave = await start(wire, one.origin, "/a", "/b")
        stay = [*await start(wire, two.origin, "/c"), *await start(wire, three.origin, "/d")]
        await until(lambda: len(held.order) + len(free.order) == 4)
        waits = await start(wire, two.origin, "/waits")
        free.let.release()
        await until(lambda: "/waits" in held.order)
        for gate in (held, free):
            for _ in range(4):
                gate.let.release()
        await asyncio.gather(*leave, *stay, *waits)


async def test_who_stops_waiting_is_passed_over(wire: HttpTransport) -> None:
    gate = Gate()
    async with Peer(gate) as peer:
        busy = await start(wire, peer.origin, "/a", "/b")
        await until(lambda: len(gate.order) == 2)
        waits, follows = await start(wire, peer.origin, "/waits", "/follows")
        waits.cancel()
        for _ in range(3):
            gate.let.release()
        await asyncio.gather(*busy, follows)
        assert gate.order[2:] == ["/follows"]


# --- what fails ---


async def drops(talk: Talk) -> None:
    await talk.heard()


async def aborts(talk: Talk) -> None:
    await talk.heard()
    talk.writer.transport.abort()


@pytest.mark.parametrize("script", [drops, aborts, saying(b"garbage\r\n\r\n"), saying(OK + b"junk")])
async def test_failures_leave_no_room_taken(wire: HttpTransport, script: Callable[[Talk], object]) -> None:
    async with Peer(script) as peer:  # type: ignore[arg-type]
        for _ in range(6):
            await asyncio.gather(*(sent(wire, get(peer.origin)) for _ in range(4)), return_exceptions=True)
    assert_counts(wire)
    with pytest.raises(ConnectFailed):
        await sent(wire, get(peer.origin))
    assert_counts(wire)


async def test_who_is_cancelled_while_connecting_leaves_no_room_taken(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as peer:
        for turns in range(12):
            call = asyncio.create_task(sent(wire, get(peer.origin)))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert_counts(wire)


async def test_whatever_happens_to_calls_the_pool_counts_right(wire: HttpTransport) -> None:
    """Answers, silence, drops and cancelling in any mixture: at the end all that is counted is idle."""
    chance = random.Random(5)

    async def moody(talk: Talk) -> None:
        for _ in range(1000):
            await talk.heard()
            mood = chance.random()
            if mood < 0.1:
                return
            if mood < 0.2:
                await asyncio.sleep(0.2)
            await talk.say(OK if mood < 0.9 else OK + b"junk")

    async def call(origin: str) -> None:
        wait = chance.choice([0.01, 0.05, 5.0])
        try:
            async with asyncio.timeout(chance.choice([0.005, 0.02, 5.0])):
                await sent(wire, get(origin), timeout=wait)
        except TimeoutError:
            pass
        except EngineError as error:
            assert isinstance(error, ConnectFailed | AnswerLost | CallTimedOut)  # noqa: PT017 - most calls raise nothing

    async with Peer(moody) as one, Peer(moody) as two, Peer(moody) as three:
        peers = [one, two, three]
        await asyncio.gather(*(call(chance.choice(peers).origin) for _ in range(200)))
        assert_counts(wire)
        assert sum(len(peer.requests) for peer in peers) > 5


# --- close ---


async def test_close_ends_what_is_under_way_what_waits_and_what_comes(wire: HttpTransport) -> None:
    gate = Gate()
    async with Peer(gate) as peer:
        busy = await start(wire, peer.origin, "/a", "/b")
        await until(lambda: len(gate.order) == 2)
        waits = await start(wire, peer.origin, "/c", "/d")
        await wire.close()
        ends = await asyncio.gather(*busy, *waits, return_exceptions=True)
        assert [type(end) for end in ends] == [AnswerLost, AnswerLost, ConnectFailed, ConnectFailed]
        with pytest.raises(ConnectFailed, match="closed"):
            await sent(wire, get(peer.origin))
        await asyncio.sleep(0.01)
        assert (gate.order, peer.connections) == (["/a", "/b"], 2)


async def test_close_while_connecting_leaves_no_connection(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as peer:
        for turns in range(6):
            one = HttpTransport(allow_private=True)
            call = asyncio.create_task(sent(one, get(peer.origin)))
            for _ in range(turns):
                await asyncio.sleep(0)
            await one.close()
            end = (await asyncio.gather(call, return_exceptions=True))[0]
            assert not isinstance(end, Exception) or isinstance(end, ConnectFailed | AnswerLost)
            assert one._pool._count == 0 or not isinstance(end, Exception)
        await until(lambda: peer.open == 0)


async def test_close_closes_what_is_idle_and_is_done_twice_in_peace(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as peer:
        await sent(wire, get(peer.origin))
        await wire.close()
        await wire.close()
        await until(lambda: peer.open == 0)
