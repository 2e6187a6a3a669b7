"""What one request and one answer are on the wire: framing, packing, sizes, times, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import AnswerLost, AnswerTooLarge, CallTimedOut, ConnectFailed
from engine.model import Request
from engine.runtime.http1 import Line, written
from engine.runtime.transport import HttpTransport
from tests.support.wire import OK, Peer, Talk, get, saying, sent, until


def packed(data: bytes, level: int = 9) -> bytes:
    """Without the time of day: the names of tests hold what they send."""
    return gzip.compress(data, level, mtime=0)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def wire() -> AsyncIterator[HttpTransport]:
    """Whatever a server says, nothing is raised where only the loop hears it."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    made = HttpTransport(allow_private=True)
    yield made
    await made.close()
    assert faults == []


def framed(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


# --- answers ---


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99999999\r\nContent-Encoding: gzip\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, 200, b"ok"),
        (CHUNKED + b"2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", 200, b"abcde"),
        (CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: 1\r\nStatus: 500\r\n\r\n", 200, b"a"),
        (framed(packed(b"ab" * 99), "Content-Encoding: gzip"), 200, b"ab" * 99),
        (framed(packed(b"a") + packed(b"b"), "Content-Encoding: x-gzip"), 200, b"ab"),
        (framed(zlib.compress(b"ab" * 99), "Content-Encoding: deflate"), 200, b"ab" * 99),
        (framed(raw_deflate(b"ab" * 99), "Content-Encoding: DEFLATE"), 200, b"ab" * 99),
        (framed(b"", "Content-Encoding: gzip"), 200, b""),
        (framed(b"a", "Content-Encoding: identity"), 200, b"a"),
    ],
)
async def test_an_answer_is_read_whole_and_its_connection_serves_the_next_request(
    wire: HttpTransport, answer: bytes, status: int, body: bytes
) -> None:
    async with Peer(saying(answer, OK)) as peer:
        first = await sent(wire, get(peer.origin))
        second = await sent(wire, get(peer.origin))
    assert (first.status, first.body) == (status, body)
    assert (second.status, second.body, second.headers) == (200, b"ok", {"content-length": "2"})
    assert "x-trailer" not in first.headers
    assert "x" not in first.headers
    assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_the_server_ends_is_not_used_again(wire: HttpTransport, answer: bytes) -> None:
    async with Peer(saying(answer, stays=False)) as peer:
        assert (await sent(wire, get(peer.origin))).body == b"ok"
        assert (await sent(wire, get(peer.origin))).body == b"ok"
        assert peer.connections == 2


@pytest.mark.parametrize("junk", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"HTTP/1.1 500", b"\0"])
@pytest.mark.parametrize("is_later", [False, True])
async def test_what_comes_after_an_answer_is_no_answer_to_the_next_request(
    wire: HttpTransport, junk: bytes, is_later: bool
) -> None:
    async def script(talk: Talk) -> None:
        await talk.heard()
        await talk.say(OK if is_later else OK + junk)
        if is_later:
            await gate.wait()
            await talk.say(junk)
        await talk.hang_up()

    gate = asyncio.Event()
    async with Peer(script) as peer:
        assert (await sent(wire, get(peer.origin))).body == b"ok"
        gate.set()
        await until(lambda: peer.open == 0)
        assert (await sent(wire, get(peer.origin))).body == b"ok"
        assert peer.connections == 2


async def test_an_answer_to_head_has_no_body_whatever_its_head_says(wire: HttpTransport) -> None:
    async with Peer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nX: 1\r\n\r\n")) as peer:
        answer = await sent(wire, Request("HEAD", peer.origin + "/", (), b""))
        assert (answer.body, answer.headers["x"]) == (b"", "1")


async def test_headers_are_joined_trimmed_and_lower_case(wire: HttpTransport) -> None:
    head = "HTTP/1.1 200 OK\r\nX-A:  one \r\nx-a: two\r\nEmpty:\r\nName: Nguyễn\r\nContent-Length: 0\r\n\r\n"
    async with Peer(saying(head.encode())) as peer:
        headers = (await sent(wire, get(peer.origin))).headers
        assert headers == {"x-a": "one, two", "empty": "", "name": "Nguyễn", "content-length": "0"}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    ],
)
async def test_what_careless_servers_write_is_read_as_they_mean_it(wire: HttpTransport, answer: bytes) -> None:
    async with Peer(saying(answer)) as peer:
        assert (await sent(wire, get(peer.origin))).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP at all\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X:\r\n" * 1002 + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 104 Odd\r\nContent-Length: 3\r\n\r\nabc" + OK,
        CHUNKED + b"zz\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"2\r\nok\r\n",
        CHUNKED + b"2\r\nokok\r\n0\r\n\r\n",
        framed(b"not packed", "Content-Encoding: gzip"),
        framed(packed(b"ab" * 99)[:-9], "Content-Encoding: gzip"),
        framed(packed(b"ab") + b"junk", "Content-Encoding: gzip"),
        framed(zlib.compress(b"ab") + b"junk", "Content-Encoding: deflate"),
        framed(zlib.compress(b"ab") + packed(b"ab"), "Content-Encoding: deflate"),
        framed(b"ok", "Content-Encoding: br"),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed(b"ab" * 99)[:-9],
    ],
)
async def test_an_answer_that_is_not_whole_or_breaks_the_protocol_is_lost(wire: HttpTransport, answer: bytes) -> None:
    async with Peer(saying(answer, stays=False)) as peer:
        with pytest.raises(AnswerLost):
            await sent(wire, get(peer.origin))
        assert (peer.connections, len(peer.requests)) == (1, 1)  # never sent again


async def test_a_body_that_ends_with_its_connection_is_not_whole_when_we_are_who_ends_it() -> None:
    async def script(talk: Talk) -> None:
        await talk.heard()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\nhalf of ")
        said.set()
        await talk.hang_up()

    said, wire = asyncio.Event(), HttpTransport(allow_private=True)
    async with Peer(script) as peer:
        call = asyncio.create_task(sent(wire, get(peer.origin)))
        await said.wait()
        await until(lambda: any(line._size for line in wire._pool._open))
        await wire.close()
        with pytest.raises(AnswerLost):
            await call


# --- sizes ---


@pytest.mark.parametrize("body", [b"a" * 101, b"a" * 100])
@pytest.mark.parametrize("way", ["length", "chunked", "close", "gzip"])
async def test_reading_stops_at_the_cap_and_not_before(wire: HttpTransport, body: bytes, way: str) -> None:
    answer = {
        "length": framed(body),
        "chunked": CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "close": b"HTTP/1.1 200 OK\r\n\r\n" + body,
        "gzip": framed(packed(body), "Content-Encoding: gzip"),
    }[way]
    async with Peer(saying(answer, stays=False)) as peer:
        if len(body) > 100:
            with pytest.raises(AnswerTooLarge, match="larger than 100 bytes"):
                await sent(wire, get(peer.origin), most=100)
        else:
            assert (await sent(wire, get(peer.origin), most=100)).body == body


async def test_what_is_announced_as_too_large_is_not_waited_for(wire: HttpTransport) -> None:
    async with Peer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n")) as peer:
        with pytest.raises(AnswerTooLarge):
            await sent(wire, get(peer.origin), most=100)


async def test_a_bomb_does_not_go_off(wire: HttpTransport) -> None:
    bomb = packed(packed(bytes(50_000_000), 9), 9)
    inside = gzip.decompress(bomb)
    async with Peer(saying(framed(inside, "Content-Encoding: gzip"))) as peer:
        with pytest.raises(AnswerTooLarge):
            await sent(wire, get(peer.origin), most=len(inside))


FLOODS = {
    "headers": b"X-%d: 1\r\n",
    "the same header": b"X:\r\n",
    "interim answers": b"\r\nHTTP/1.1 103 Early Hints\r\n",
    "one long line": b"a",
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_heads_is_cut_off(wire: HttpTransport, kind: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.heard()
        await talk.say(b"HTTP/1.1 103 Early Hints\r\n" if kind == "interim answers" else b"HTTP/1.1 200 OK\r\nA: ")
        for at in range(3000):
            await talk.say((FLOODS[kind] * 100) % ((at,) * 100 if b"%" in FLOODS[kind] else ()))
        await talk.hang_up()

    async with Peer(script) as peer:
        with pytest.raises(AnswerLost):
            await sent(wire, get(peer.origin))
        await until(lambda: peer.open == 0)


@pytest.mark.parametrize("flood", [b"%x;%s\r\na\r\n" % (1, b"x" * 500), packed(b"")], ids=["extensions", "empty gzips"])
async def test_a_flood_that_brings_no_body_is_cut_off(wire: HttpTransport, flood: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.heard()
        is_gzip = flood.startswith(b"\x1f")
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" if is_gzip else CHUNKED)
        for _ in range(5000):
            await talk.say(flood * 20)
        await talk.hang_up()

    async with Peer(script) as peer:
        with pytest.raises((AnswerLost, AnswerTooLarge)):
            await sent(wire, get(peer.origin), most=10_000_000)
        await until(lambda: peer.open == 0)


# --- times ---


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_whole_answer_comes_in_time_or_the_connection_is_left(wire: HttpTransport, said: bytes) -> None:
    async with Peer(saying(said)) as peer:
        with pytest.raises(CallTimedOut):
            await sent(wire, get(peer.origin), timeout=0.1)
        await until(lambda: peer.open == 0)


async def test_who_is_cancelled_leaves_the_connection(wire: HttpTransport) -> None:
    async with Peer(saying(b"")) as peer:
        call = asyncio.create_task(sent(wire, get(peer.origin)))
        await until(lambda: len(peer.requests) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: peer.open == 0)


async def test_an_answer_that_comes_before_the_request_has_left_ends_the_connection(wire: HttpTransport) -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await gone.wait()

    gone = asyncio.Event()
    async with Peer(script) as peer:
        large = Request("POST", peer.origin + "/", (), bytes(20_000_000))
        assert (await sent(wire, large)).status == 413
        answer = asyncio.create_task(sent(wire, get(peer.origin)))
        await until(lambda: peer.connections == 2)
        assert (await answer).status == 413
        gone.set()


# --- splits ---

WHOLE = [
    OK,
    b"HTTP/1.1 103 Early\r\nA: 1\r\n\r\n" + OK,
    CHUNKED + b"2\r\nab\r\n3\r\ncde\r\n0\r\nT: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\nX:\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (packed(b"a" * 50), packed(b"b")))
    + b"0\r\n\r\n",
    framed(raw_deflate(b"ab" * 50), "Content-Encoding: deflate"),
    framed(zlib.compress(b"ab" * 50), "Content-Encoding: deflate"),
    framed(packed(b"ab" * 50) + b"junk", "Content-Encoding: gzip"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    framed(packed(bytes(2000)), "Content-Encoding: gzip"),
]


class _Sink(asyncio.Transport):
    """Takes what is written, and closes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_gone

    def abort(self) -> None:
        self.is_gone = True


async def heard(pieces: list[bytes]) -> tuple[object, bool]:
    line = Line()
    line.connection_made(_Sink())
    answer = line.ask(b"", is_bare=False, max_bytes=1000)
    for piece in pieces:
        line.data_received(piece)
    line.eof_received()
    is_free, error = line._ended and not line._transport.is_closing(), None  # type: ignore[union-attr]
    line.connection_lost(None)
    error = answer.exception()
    return (repr(error) if error else (answer.result().status, answer.result().headers, answer.result().body)), is_free


@given(whole=st.sampled_from(WHOLE), cuts=st.lists(st.integers(0, 300), max_size=12))
@settings(max_examples=300)
async def test_however_an_answer_is_cut_into_packets_it_is_the_same(whole: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    pieces = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]
    assert b"".join(pieces) == whole
    assert await heard(pieces) == await heard([whole])


@pytest.mark.parametrize("whole", WHOLE)
async def test_an_answer_that_comes_byte_by_byte_is_the_same(whole: bytes) -> None:
    assert await heard([whole[at : at + 1] for at in range(len(whole))]) == await heard([whole])


# --- requests ---

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=8) | st.text(max_size=4)
VALUES = st.text(st.characters(min_codepoint=0, max_codepoint=0x17F), max_size=12) | st.text(max_size=6)


def read_back(data: bytes) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request, body = server.next_event(), b""
    assert isinstance(request, h11.Request)
    for _ in range(1000):
        event = server.next_event()
        if isinstance(event, h11.EndOfMessage):
            return request, body
        assert isinstance(event, h11.Data)
        body += bytes(event.data)
    raise AssertionError("it never ends")


@given(name=NAMES, value=VALUES, target=st.just("/a?b=c%20d") | VALUES.map("/{}".format), body=st.binary(max_size=40))
@example(name="X", value="a\r\nEvil: 1", target="/", body=b"")
@example(name="X\r\nEvil", value="1", target="/", body=b"")
@example(name="X", value="1", target="/ HTTP/1.1\r\nEvil: 1\r\n\r\n", body=b"")
@example(name="X", value="a\x0bb", target="/", body=b"")
@example(name="X", value="a\ud800", target="/", body=b"")
@example(name="X", value="Nguyễn\tVan A\x85", target="/", body=b"")
@example(name="Transfer-Encoding", value="chunked", target="/", body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
@example(name="content-length", value="0", target="/", body=b"GET / HTTP/1.1\r\n\r\n")
@example(name="Host", value="other.example", target="/#x", body=b"")
@settings(max_examples=400)
def test_what_is_sent_is_read_as_it_was_meant_or_refused(name: str, value: str, target: str, body: bytes) -> None:
    try:
        data = written(Request("POST", "", ((name, value),), body), "acme.example", target)
    except ValueError:
        return
    request, got = read_back(data)
    assert (request.method, request.target.decode(), got) == (b"POST", target, body)
    names = {key.decode() for key, _ in request.headers}
    assert names <= {"host", "accept", "accept-encoding", "content-length", name.lower()}
    framing = {"transfer-encoding", "connection", "content-length", "keep-alive", "upgrade", "te", "trailer"}
    if name.lower() not in framing:
        assert dict(request.headers)[name.lower().encode()].decode() == value.strip(" \t")


@pytest.mark.parametrize("value", ["plain", "", "a\tb", "Nguyễn Văn A", "\xff", 'a, b; c="d"'])
def test_an_honest_value_is_not_refused(value: str) -> None:
    request, _ = read_back(written(Request("GET", "", (("X-Name", value),), b""), "acme.example", "/"))
    assert dict(request.headers)[b"x-name"].decode() == value


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "http://127.0.0.1:{port}/", (("X", "a\r\nfake-token-0000: 1"),), b""),
        Request("GET", "http://127.0.0.1:{port}/", (("X", "fake-token-0000\ud800"),), b""),
        Request("GET", "http://127.0.0.1:{port}/", (("Host", "a.example"), ("host", "b.example")), b""),
        Request("GET /fake-token-0000 HTTP/1.1\r\n", "http://127.0.0.1:{port}/", (), b""),
        Request("GET", "http://127.0.0.1:{port}/fake-token-0000 HTTP/1.1\r\nX: 1", (), b""),
        Request("GET", "http://127.0.0.1:{port}/#fake-token-0000", (), b""),
        Request("GET", "http://fake-token-0000@127.0.0.1:{port}/", (), b""),
        Request("GET", "//127.0.0.1:{port}/fake-token-0000", (), b""),
        Request("GET", "ftp://127.0.0.1:{port}/fake-token-0000", (), b""),
    ],
)
async def test_what_could_be_read_as_something_else_is_refused_before_anybody_is_called(
    wire: HttpTransport, request_: Request
) -> None:
    async with Peer(saying(OK)) as peer:
        made = Request(request_.method, request_.url.replace("{port}", str(peer.port)), request_.headers, b"")
        with pytest.raises(ConnectFailed) as refusal:
            await sent(wire, made)
        assert "fake-token-0000" not in str(refusal.value)
        assert peer.connections == 0


async def test_nothing_is_added_that_nobody_asked_for(wire: HttpTransport) -> None:
    async with Peer(saying(OK)) as peer:
        await sent(wire, get(peer.origin, "/a?b"))
        await sent(wire, Request("POST", peer.origin + "?b", (("Accept", "x/y"), ("ACCEPT-ENCODING", "gzip")), b"{}"))
        host = f"Host: 127.0.0.1:{peer.port}\r\n".encode()
        assert peer.requests[0] == (
            b"GET /a?b HTTP/1.1\r\n" + host + b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
        )
        assert peer.requests[1] == (
            b"POST /?b HTTP/1.1\r\n" + host + b"Accept: x/y\r\nACCEPT-ENCODING: gzip\r\nContent-Length: 2\r\n\r\n{}"
        )


async def test_redirects_are_answers_cookies_stay_and_proxies_of_the_environment_are_not_asked(
    wire: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    answer = b"HTTP/1.1 302 Found\r\nLocation: /else\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with Peer(saying(answer)) as peer:
        assert (await sent(wire, get(peer.origin))).status == 302
        assert (await sent(wire, get(peer.origin))).status == 302
        assert (len(peer.requests), b"ookie" in b"".join(peer.requests)) == (2, False)


async def test_nobody_there_is_a_failure_to_connect(wire: HttpTransport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        with pytest.raises(ConnectFailed, match="refused or failed"):
            await sent(wire, get(f"http://127.0.0.1:{taken.getsockname()[1]}"))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_an_ipv6_address_is_called_and_named_in_brackets(wire: HttpTransport) -> None:
    try:
        async with Peer(saying(OK), host="::1") as peer:
            assert (await sent(wire, get(peer.origin))).body == b"ok"
            assert f"Host: [::1]:{peer.port}\r\n".encode() in peer.requests[0]
    except OSError:
        pytest.skip("no IPv6 on this machine's loopback")
