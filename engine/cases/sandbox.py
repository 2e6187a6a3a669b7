"""The provider sandbox: an ASGI app that stands in for all providers and answers from the cases.

The engine reaches it through upstream overrides, so the intended host is in `X-Upstream-Host`. Faults that a case
records (a lost connection, a delay, an answer in chunks) are played for real; only `drop: before` can't be told from
`drop: after`, for a request must be read before its case is known.

Answers go out as they were recorded, also the times in them: moved to the present they would no longer fit signatures,
nor ids that hold a date, nor the result that the case promises.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.cases.authority import Authority
from engine.cases.choose import Recordings
from engine.cases.consent_desk import ConsentDesk, Reply
from engine.cases.miss import Miss
from engine.cases.model import ERRANDS, AnyCase, Case, ErrandCase, Turn
from engine.cases.moments import epoch, moved
from engine.cases.read import read_folder
from engine.cases.recorded import Recorded
from engine.cases.stage import epoch_of
from engine.cases.wire import response_of
from engine.diagnostics import Diagnostic
from engine.errors import SpecError, TransportError
from engine.library import exact
from engine.library.text import unaccent
from engine.model import Request
from engine.runtime.egress import UPSTREAM_HOST
from engine.runtime.send import SANDBOX_MISS
from engine.runtime.transport import HttpTransport
from engine.spec.kept import Kept
from engine.spec.load import spec_files

_LARGEST_REQUEST = 4 * 1024 * 1024
_LONGEST_MISS = 400
_CHUNK = 1024
_ABORT = "sandbox.abort"
_TOLD_SECONDS = 20.0
_CONTROLS = ("/sandbox/expire", "/sandbox/revoke")
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection")
_BODILESS = (204, 304)


def load_all_cases(folders: Iterable[Path], kept: Kept | None = None) -> list[AnyCase]:
    """The cases of every integration below `folders`. Raises `SpecError` with all that is wrong in their files."""
    cases: list[AnyCase] = []
    diagnostics: list[Diagnostic] = []
    for spec in spec_files(folders):
        found, wrong = read_folder(spec.parent, kept)
        cases += found
        diagnostics += [finding for finding in wrong if finding.severity == "error"]
    if diagnostics:
        raise SpecError(tuple(diagnostics))
    return cases


def create_sandbox(
    cases: Iterable[AnyCase], authority: Authority | None = None, callback_url: str | None = None
) -> ASGIApp:
    """The app. It keeps nothing but how far each client has played sequences ("fails, then works") and calls, and what
    `authority` has given out. `callback_url`: where it sends people back to; None: anywhere on this machine."""
    calls = [one if isinstance(one, Case) else as_call(one) for one in cases if isinstance(one, Case | ErrandCase)]
    recordings = Recordings(calls)
    desk = ConsentDesk(authority, callback_url) if authority is not None else None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await _request(scope, receive)
        if request is None:
            await _respond(send, 413, {}, b"")
        elif request.url and _is_of_browser(scope) and desk is not None:
            await _show(send, desk.visit(request))
        elif not request.url and authority is not None and scope["path"] in _CONTROLS:
            await _control(send, scope, authority)
        elif not request.url:
            await _miss(send, None, f"the request has no {UPSTREAM_HOST} header: send it through the engine")
        elif authority is not None and (answer := authority.answer(request)) is not None:
            await _play(answer, scope, receive, send, bodiless=False)
        else:
            await _recorded(recordings, request, scope, receive, send)

    return app


def as_call(errand: ErrandCase) -> Case:
    """An errand as a case of one call, which no action makes."""
    turn = Turn(
        action=errand.does,
        given=errand.given,
        sets=frozenset(errand.given),
        exchanges=errand.exchanges,
        any_order=False,
        has_result=errand.result is not None,
        result=errand.result,
        error=errand.error,
        sent=None,
        waited_ms=None,
    )
    return Case(errand.name, errand.integration_id, errand.source, errand.unconfirmed, (turn,), errand.position)


async def _recorded(recordings: Recordings, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
    found = recordings.answer(request)
    if isinstance(found, Miss):
        await _miss(send, found, _explained(found))
    else:
        await _play(_present(found), scope, receive, send, bodiless=request.method == "HEAD")


def _present(found: Recorded) -> Mapping[str, Any]:
    """As it was recorded; only a subscription ends as long after now as it ended after then."""
    turn, answer = found.case.turns[found.number], found.exchange.answer
    ends = epoch(turn.result.get("expiresAt")) if found.action in ERRANDS and turn.has_result else None
    if ends is None:
        return answer
    return {name: moved(part, ends, ends - epoch_of(turn.given) + time.time()) for name, part in answer.items()}


async def _control(send: Send, scope: Scope, authority: Authority) -> None:
    """What a tester does to everybody: all access tokens expire, or all consents are taken back."""
    if scope["method"] != "POST":
        await _respond(send, 405, {"allow": "POST"}, b"")
        return
    count = authority.grants.expire() if scope["path"] == _CONTROLS[0] else authority.grants.end()
    await _respond(send, 200, {"content-type": "application/json"}, exact.dumps({"count": count}))


async def _show(send: Send, reply: Reply) -> None:
    """The provider's own message goes before the browser."""
    if reply.first is not None:
        message = reply.first
        told = Request(message.method, message.url, tuple(message.headers.items()), message.body)
        transport = HttpTransport(allow_private=True)
        try:
            await transport.send(told, timeout=_TOLD_SECONDS, max_bytes=_LARGEST_REQUEST)
        except TransportError:
            await _respond(
                send, 502, {"content-type": "text/plain"}, b"the service did not take the provider's message"
            )
            return
        finally:
            await transport.close()
    await _respond(send, reply.response.status, reply.response.headers, reply.response.body)


def _is_of_browser(scope: Scope) -> bool:
    """A browser can't be told to send a header, so the intended host is in the query."""
    return UPSTREAM_HOST.lower() in dict(parse_qsl(scope["query_string"].decode("latin-1")))


async def _request(scope: Scope, receive: Receive) -> Request | None:
    """The request as the engine meant it, its URL empty without an intended host; None when it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST_REQUEST:
            return None
        if not message.get("more_body", False):
            break
    headers = tuple((name.decode("latin-1"), _text(value)) for name, value in scope["headers"])
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = scope["query_string"].decode("latin-1")
    host = next((value for name, value in headers if name.lower() == UPSTREAM_HOST.lower()), "")
    if not host and (host := dict(pairs).get(UPSTREAM_HOST.lower(), "")):
        query = urlencode([(name, value) for name, value in pairs if name != UPSTREAM_HOST.lower()])
    path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
    url = f"https://{host}{path}{'?' if query else ''}{query}" if host else ""
    return Request(scope["method"], url, headers, bytes(body))


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _play(answer: Mapping[str, Any], scope: Scope, receive: Receive, send: Send, *, bodiless: bool) -> None:
    if "delayMs" in answer and not await _wait(receive, answer["delayMs"] / 1000):
        return
    if "drop" in answer:
        await _drop(scope, receive)
        return
    response = response_of(answer)
    headers = {name: value for name, value in response.headers.items() if name not in _OWN_HEADERS}
    body = b"" if bodiless or response.status in _BODILESS else response.body
    await _respond(send, response.status, headers, body, chunked=answer.get("chunked", False))


async def _wait(receive: Receive, seconds: float) -> bool:
    """Whether the client is still there after the delay."""
    try:
        await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return True
    return False


async def _drop(scope: Scope, receive: Receive) -> None:
    """Ends the connection without an answer. Under a server that gives no hold on it, the request fails instead."""
    abort = scope.get("state", {}).get(_ABORT)
    if abort is None:
        raise ConnectionResetError("the case drops the connection")
    abort()
    await receive()  # until the server has seen it


async def _miss(send: Send, miss: Miss | None, message: str) -> None:
    body: dict[str, Any] = {"sandbox": message}
    if miss is not None and miss.nearest is not None:
        nearest = miss.nearest
        body["nearest"] = {
            "case": nearest.case.name,
            "integrationId": nearest.case.integration_id,
            "actionId": nearest.action,
            "field": miss.place,
        }
    headers = {SANDBOX_MISS: _header(message), "content-type": "application/json"}
    await _respond(send, 501, headers, exact.dumps(body))


def _explained(miss: Miss) -> str:
    if miss.nearest is None:
        return miss.message
    near = miss.nearest
    where = f'"{near.case.name}" ({near.case.integration_id} {near.action})'
    return f"nearest case {where}; first differing field: {miss.message}"


def _header(text: str) -> str:
    """One line of ASCII: clients disagree about anything else in a header."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in unaccent(text))
    return plain if len(plain) <= _LONGEST_MISS else plain[: _LONGEST_MISS - 3] + "..."


async def _respond(send: Send, status: int, headers: Mapping[str, str], body: bytes, *, chunked: bool = False) -> None:
    sent = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()]
    if not chunked and status not in _BODILESS:
        sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    pieces = [body[i : i + _CHUNK] for i in range(0, len(body), _CHUNK)] if chunked else [body]
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class _Protocol(HttpToolsProtocol):
    """HTTP whose connection the app can cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, _ABORT: transport.abort}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the program that the sandbox runs in."""
        yield


@asynccontextmanager
async def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The app on a real socket; its origin, such as `http://127.0.0.1:40123`. Raises `OSError` for a port in use."""
    listener = socket.create_server((host, port))
    # Inherited by each connection; asyncio sets it on sockets that say TCP only. Without it a client waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app, http=_Protocol, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:  # the socket listens already: a client that comes before the server is up waits in its queue
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
