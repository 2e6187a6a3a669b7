"""Answers that would fill the memory or never end, against a real service: each is refused, and costs little."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.e2e.serving import Service, connect, execute, serving, write_spec
from tests.support.specs import ID, action, spec

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")

MEGABYTE = b"x" * 2**20
GIGABYTE = 2**30
ALLOWED_KB = 30 * 1024
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
GOOD = (HEAD + b"content-length: 2\r\n\r\n{}",)
PAUSE = 0.1
BUDGET_SECONDS = 0.5


@dataclass
class Raw:
    """A provider that sends these pieces to whoever asks, whether they are HTTP or not, as long as they are taken."""

    pieces: Iterable[bytes] = GOOD
    pause: float = 0.0
    sent: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def answers(self, pieces: Iterable[bytes], pause: float = 0.0) -> None:
        self.pieces, self.pause, self.sent = pieces, pause, 0

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(taken,), daemon=True).start()

    def _answer(self, taken: socket.socket) -> None:
        with taken, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (more := taken.recv(65536)):
                request += more
            for piece in self.pieces if request else ():
                taken.sendall(piece)
                self.sent += len(piece)
                time.sleep(self.pause)


def chunked(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def sized(body: bytes, *headers: bytes) -> list[bytes]:
    """An answer that comes in one piece."""
    return [HEAD + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(body) + body]


@dataclass
class Place:
    service: Service
    provider: Raw
    client: httpx.Client
    connection_id: str

    def code(self, action_id: str = "quote") -> str:
        reply = execute(self.client, action_id, connectionId=self.connection_id)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        return str(body["error"]["code"]) if not body["success"] else "success"

    def peak_kb(self) -> int:
        """The most resident memory that the process ever had."""
        status = Path(f"/proc/{self.service.process.pid}/status").read_text("utf-8")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("sizes")
    actions = [action(), action("brief", timeoutSeconds=BUDGET_SECONDS)]
    specs = write_spec(folder / "specs", spec(*actions))
    with Raw() as provider:
        wires = ("--specs", str(specs), "--upstream", f"{ID}={provider.origin}")
        with serving(folder / "data", *wires) as service, service.client() as client:
            yield Place(service, provider, client, connect(client, ID, credentials={"apiKey": "fake-key-0001"}))


@pytest.fixture
def place(running: Place) -> Iterator[Place]:
    """Warm; afterwards it works as before and has said nothing unexpected."""
    running.provider.answers(GOOD)
    assert running.code() == "success"
    yield running
    running.provider.answers(GOOD)
    assert running.code() == "success"
    assert "Traceback" not in running.service.output


def test_a_gigabyte_in_chunks_is_read_up_to_the_limit_only(place: Place):
    place.provider.answers([HEAD + b"transfer-encoding: chunked\r\n\r\n", *chunked([MEGABYTE] * 1024)])
    before = place.peak_kb()
    assert place.code() == "PAYLOAD_TOO_LARGE"
    assert place.peak_kb() - before < ALLOWED_KB
    assert place.provider.sent < GIGABYTE / 16


def test_a_gigabyte_that_is_announced_is_not_read_at_all(place: Place):
    head = HEAD + b"content-length: %d\r\n\r\n" % GIGABYTE
    place.provider.answers(itertools.chain([head], itertools.repeat(MEGABYTE, 1024)))
    before = place.peak_kb()
    assert place.code() == "PAYLOAD_TOO_LARGE"
    assert place.peak_kb() - before < ALLOWED_KB / 3
    assert place.provider.sent < GIGABYTE / 16


def bomb(wbits: int, megabytes: int) -> bytes:
    """That many megabytes of zeros, a kilobyte for each."""
    first, more = (zlib.compressobj(9, zlib.DEFLATED, bits) for bits in (wbits, -15))
    zeros = bytes(2**20)
    begun = first.compress(zeros) + first.flush(zlib.Z_FULL_FLUSH)
    return begun + (more.compress(zeros) + more.flush(zlib.Z_FULL_FLUSH)) * (megabytes - 1)


GZIP, DEFLATE, RAW_DEFLATE = 31, 15, -15


@pytest.mark.parametrize(
    ("encoding", "wbits"), [(b"gzip", GZIP), (b"deflate", DEFLATE), (b"deflate", RAW_DEFLATE)], ids=str
)
@pytest.mark.parametrize("megabytes", [1024, 50], ids=["a gigabyte", "one packet"])
def test_a_bomb_is_not_unpacked_beyond_the_limit(place: Place, encoding: bytes, wbits: int, megabytes: int):
    place.provider.answers(sized(bomb(wbits, megabytes), b"content-encoding: " + encoding))
    before = place.peak_kb()
    assert place.code() == "PAYLOAD_TOO_LARGE"
    assert place.peak_kb() - before < ALLOWED_KB


def test_a_bomb_in_a_bomb_is_unpacked_once_at_most(place: Place):
    inside = gzip.compress(bomb(GZIP, 1024), 9)
    place.provider.answers(sized(inside, b"content-encoding: gzip, gzip"))
    before = place.peak_kb()
    assert place.code() in ("INVALID_RESPONSE", "PROVIDER_UNAVAILABLE", "PAYLOAD_TOO_LARGE")
    assert place.peak_kb() - before < ALLOWED_KB


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress", b"x-unknown"])
def test_an_encoding_that_was_not_asked_for_is_no_answer(place: Place, encoding: bytes):
    place.provider.answers(sized(b"\x1b\x03" * 100, b"content-encoding: " + encoding))
    assert place.code() in ("PROVIDER_UNAVAILABLE", "INVALID_RESPONSE")


FLOODS = {
    "many short headers": [HEAD, *(b"x-%06d: %b\r\n" % (number, b"y" * 40) for number in range(20_000)), b"\r\n"],
    "one header again and again": [HEAD, *[b"set-cookie: a=b\r\n"] * 60_000, b"\r\n"],
    "one long header": [HEAD, b"x-long: " + MEGABYTE + b"\r\n\r\n"],
    "a long name": [HEAD, MEGABYTE + b": x\r\n\r\n"],
    "a header without end": [HEAD, b"x-long: ", *[MEGABYTE] * 64],
    "a long status": [b"HTTP/1.1 200 " + MEGABYTE + b"\r\n\r\n"],
    "a chunk with a long extension": [HEAD, b"transfer-encoding: chunked\r\n\r\n2;", *[MEGABYTE] * 64],
    "a long trailer": [HEAD, b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-long: ", *[MEGABYTE] * 64],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_headers_is_no_answer(place: Place, flood: str):
    place.provider.answers(FLOODS[flood])
    before = place.peak_kb()
    assert place.code() in ("PROVIDER_UNAVAILABLE", "PAYLOAD_TOO_LARGE")
    assert place.peak_kb() - before < ALLOWED_KB


LETTERS = {
    "its headers": [HEAD, *[b"x"] * 600],
    "its status": [*[bytes([letter]) for letter in HEAD * 8]],
    "its body": [HEAD, b"content-length: 600\r\n\r\n", *[b" "] * 600],
    "its chunks": [HEAD, b"transfer-encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 600],
    "chunk sizes": [HEAD, b"transfer-encoding: chunked\r\n\r\n", *[b"0"] * 600],
}


@pytest.mark.parametrize("letters", LETTERS)
def test_an_answer_letter_by_letter_ends_with_the_calls_time(place: Place, letters: str):
    place.provider.answers(LETTERS[letters], PAUSE)
    began = time.monotonic()
    assert place.code("brief") in ("TIMEOUT", "PROVIDER_UNAVAILABLE")
    assert time.monotonic() - began < 30 * BUDGET_SECONDS  # to the end it would take a minute
