"""A proxy between boto3 and a stand-in for AWS that breaks what a test tells it to: the stand-ins themselves never do.

Throttling, conflicts of transactions and refused access are answered without asking the server. `LOST`: the server
does it, and its answer never comes. `HALF`: of a batch only the first half is done. `STALE`: an index answers what it
answered the time before, as one that lags behind by a version.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Fault = Literal["throttled", "conflict", "denied", "broken", "lost", "hangs", "half", "stale"]
Choice = Callable[["Asked"], Fault | None]
_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_HANG_SECONDS = 30.0
_CODES: Mapping[str, tuple[int, str]] = {
    "throttled": (400, "ProvisionedThroughputExceededException"),
    "denied": (400, "AccessDeniedException"),
    "broken": (500, "InternalServerError"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `again`: how often just this was asked before, as it is when botocore sends it again."""

    operation: str
    body: Mapping[str, Any]
    again: int

    @property
    def is_of_an_index(self) -> bool:
        return "IndexName" in self.body


@dataclass
class AwsFaults:
    """`choose` is asked for each request. `played` counts the faults, `asked` the operations."""

    behind: str
    choose: Choice = lambda _asked: None
    played: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    endpoint: str = ""
    _bodies: dict[str, int] = field(default_factory=dict)
    _before: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def serving(self) -> Iterator[AwsFaults]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def counted(self, operation: str, body: Mapping[str, Any]) -> Fault | None:
        with self._lock:
            self.asked[operation] = self.asked.get(operation, 0) + 1
            # A call that tries again after a conflict has another token.
            shown = json.dumps({name: body[name] for name in sorted(body) if name != "ClientRequestToken"})
            asked = Asked(operation, body, self._bodies.get(shown, 0))
            self._bodies[shown] = asked.again + 1
            fault = self.choose(asked)
            if fault is not None:
                self.played[fault] = self.played.get(fault, 0) + 1
            return fault

    def hang(self) -> None:
        self._is_over.wait(_HANG_SECONDS)

    def before(self, body: Mapping[str, Any], answer: bytes) -> bytes:
        """What the same index answered the last time that it was asked, which was nothing before the first time."""
        values = body["ExpressionAttributeValues"]
        partition = next(value for name, value in values.items() if name not in {":now", ":from", ":to", ":prefix"})
        place = json.dumps([body["IndexName"], partition])
        with self._lock:
            found = self._before.get(place, b'{"Items":[],"Count":0,"ScannedCount":0}')
            self._before[place] = answer
        return found


def _handler(faults: AwsFaults) -> type[BaseHTTPRequestHandler]:
    host = urlsplit(faults.behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        _server: http.client.HTTPConnection | None = None

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            body = json.loads(sent)
            fault = faults.counted(operation, body)
            if fault is not None and fault in _CODES:
                self._refuse(*_CODES[fault])
            elif fault == "conflict":
                self._conflict(operation, body)
            elif fault == "half" and operation == "BatchWriteItem":
                self._half(body)
            else:
                self._pass_on(sent, body, fault)

        def _pass_on(self, sent: bytes, body: Mapping[str, Any], fault: Fault | None) -> None:
            status, answer = self._behind(sent)
            if fault in {"lost", "hangs"}:
                if fault == "hangs":
                    faults.hang()
                self.close_connection = True
                return
            if "IndexName" in body and status == 200:
                old = faults.before(body, answer)
                answer = old if fault == "stale" else answer
            self._answer(status, answer)

        def _behind(self, sent: bytes) -> tuple[int, bytes]:
            if self._server is None:
                self._server = http.client.HTTPConnection(str(host.hostname), host.port, timeout=60)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"content-length", "connection", "transfer-encoding", "expect"}
            }
            self._server.request("POST", self.path, sent, headers)
            response = self._server.getresponse()
            return response.status, response.read()

        def _half(self, body: Mapping[str, Any]) -> None:
            done = {table: writes[: -(-len(writes) // 2)] for table, writes in body["RequestItems"].items()}
            left = {table: writes[-(-len(writes) // 2) :] for table, writes in body["RequestItems"].items()}
            self._behind(json.dumps({**body, "RequestItems": done}).encode())
            self._answer(
                200,
                json.dumps({"UnprocessedItems": {table: writes for table, writes in left.items() if writes}}).encode(),
            )

        def _conflict(self, operation: str, body: Mapping[str, Any]) -> None:
            if operation != "TransactWriteItems":
                self._refuse(400, "TransactionConflictException")
                return
            reasons = [
                {"Code": "TransactionConflict", "Message": "…"},
                *[{"Code": "None"}] * len(body["TransactItems"]),
            ]
            self._refuse(400, "TransactionCanceledException", CancellationReasons=reasons[:-1])

        def _refuse(self, status: int, code: str, **more: Any) -> None:
            shown = {"__type": _DYNAMODB + code, "message": f"{code} of the proxy, which quotes canary-4711", **more}
            self._answer(status, json.dumps(shown).encode())

        def _answer(self, status: int, answer: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def finish(self) -> None:
            if self._server is not None:
                self._server.close()
            super().finish()

        def log_message(self, *_: Any, **__: Any) -> None:
            """Nothing."""

    return Handler


def once(fault: Fault, *operations: str) -> Choice:
    """Whatever is asked, or what these operations ask, meets the fault the first time."""
    return lambda asked: fault if asked.again == 0 and (not operations or asked.operation in operations) else None


def always(fault: Fault, *operations: str) -> Choice:
    return lambda asked: fault if not operations or asked.operation in operations else None
