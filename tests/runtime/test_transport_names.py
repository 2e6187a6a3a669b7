"""From a name to the address that is called: what was checked is what is connected to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import ConnectFailed
from engine.runtime import transport as wires
from engine.runtime.transport import HttpTransport
from tests.support.wire import OK, Peer, get, saying, sent, until

Found = list[tuple[Any, Any, int, str, tuple[str, int]]]
TELL = socket.getaddrinfo


def answers(*addresses: str) -> Found:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A name server: the next list of addresses for each question about `.example`; returns the questions."""

    def serve(*lists: tuple[str, ...]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            if not str(host).endswith(".example"):
                return TELL(host, port, *rest, **more)
            asked.append(host)
            return answers(*lists[min(len(asked), len(lists)) - 1])

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return serve


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("10.0.0.1", "169.254.169.254"), ("::ffff:127.0.0.1", "fe80::1%lo")]
)
async def test_a_name_that_leads_to_private_addresses_is_not_called(
    named: Callable[..., list[str]], addresses: tuple[str, ...]
) -> None:
    named(addresses)
    wire = HttpTransport()
    async with Peer(saying(OK)) as peer:
        with pytest.raises(ConnectFailed, match="the host has no public address"):
            await sent(wire, get(f"http://shop.example:{peer.port}"))
        assert peer.connections == 0
    await wire.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"])
async def test_a_private_address_itself_is_not_called(host: str) -> None:
    wire = HttpTransport()
    with pytest.raises(ConnectFailed, match="the host is not a public address"):
        await sent(wire, get(f"http://{host}:1"))
    await wire.close()


async def test_only_the_very_host_and_port_that_the_operator_vouches_for_may_be_private(
    named: Callable[..., list[str]],
) -> None:
    named(("127.0.0.1",))
    async with Peer(saying(OK)) as peer, Peer(saying(OK)) as other:
        wire = HttpTransport(exempt=frozenset({("shop.example", peer.port)}))
        assert (await sent(wire, get(f"http://shop.example:{peer.port}"))).body == b"ok"
        for origin in (f"http://shop.example:{other.port}", peer.origin, f"http://evil.example:{peer.port}"):
            with pytest.raises(ConnectFailed):
                await sent(wire, get(origin))
        assert (peer.connections, other.connections) == (1, 0)
        await wire.close()


async def test_the_address_that_was_checked_is_the_one_that_is_called(named: Callable[..., list[str]]) -> None:
    """A name server that gives a public address first and ours then is asked once, and nobody calls ours."""
    asked = named(("192.0.2.1", "127.0.0.1", "8.8.8.8"), ("127.0.0.1",))
    wire = HttpTransport()
    found = await wire._names.addresses("shop.example", 80)
    assert [address.host for address in found] == ["8.8.8.8"]
    assert await wire._names.addresses("shop.example", 80) == found
    assert asked == ["shop.example"]
    await wire.close()


async def test_a_dead_address_leaves_time_for_the_next(named: Callable[..., list[str]]) -> None:
    named(("127.0.0.2", "127.0.0.1"))
    wire = HttpTransport(allow_private=True)
    async with Peer(saying(OK)) as peer:
        assert (await sent(wire, get(f"http://shop.example:{peer.port}"))).body == b"ok"
    await wire.close()


async def test_a_silent_address_leaves_time_for_the_next_however_short_the_calls_time_is(
    named: Callable[..., list[str]],
) -> None:
    """Its queue of connections is full: it says nothing at all, as a host behind a firewall."""
    named(("127.0.0.2", "127.0.0.1"))
    wire = HttpTransport(allow_private=True)
    async with Peer(saying(OK)) as peer:
        with socket.socket() as silent:
            silent.bind(("127.0.0.2", peer.port))
            silent.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.2", peer.port))
            await asyncio.sleep(0.01)
            assert (await sent(wire, get(f"http://shop.example:{peer.port}"), timeout=1.0)).body == b"ok"
            for filler in fillers:
                filler.close()
    await wire.close()


async def test_connecting_has_its_own_limit(named: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "CONNECT_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        place = silent.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)
        await asyncio.sleep(0.01)
        wire = HttpTransport(allow_private=True)
        with pytest.raises(ConnectFailed, match="connecting took too long"):
            await sent(wire, get(f"http://127.0.0.1:{place[1]}"), timeout=60)
        for filler in fillers:
            filler.close()
        await wire.close()


async def test_a_name_that_nobody_knows_is_a_failure_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, f"fake-token-0000 {host}")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    wire = HttpTransport()
    with pytest.raises(ConnectFailed) as failure:
        await sent(wire, get("http://shop.example"))
    assert str(failure.value) == "the host's name can't be resolved"
    await wire.close()


async def test_a_name_server_that_hangs_is_asked_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, asked = threading.Event(), []

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "shop.example":
            return TELL(host, port, *rest, **more)
        asked.append(host)
        answered.wait(10)
        return answers("127.0.0.1")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    wire = HttpTransport(allow_private=True, lookup_threads=1)
    async with Peer(saying(OK)) as peer:
        calls = [asyncio.create_task(sent(wire, get(f"http://shop.example:{peer.port}"))) for _ in range(5)]
        await until(lambda: bool(asked))
        calls[0].cancel()
        with pytest.raises(ConnectFailed, match="connecting took too long"):
            await sent(wire, get(f"http://shop.example:{peer.port}"), timeout=0.05)
        answered.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(ends[0], asyncio.CancelledError)
        assert [getattr(end, "status", None) for end in ends[1:]] == [200] * 4
        assert asked == ["shop.example"]
    await wire.close()


async def test_close_while_names_are_looked_up_fails_the_calls_and_cancels_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        answered.wait(10)
        return answers("127.0.0.1")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    wire = HttpTransport(allow_private=True, lookup_threads=1)
    calls = [asyncio.create_task(sent(wire, get(f"http://{name}.example:1"))) for name in ("one", "two")]
    await asyncio.sleep(0.01)
    await wire.close()
    answered.set()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [ConnectFailed, ConnectFailed]
