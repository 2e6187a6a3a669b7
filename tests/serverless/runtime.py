"""AWS Lambda without AWS: the official runtime client runs a function of ours, and takes its calls from this stub.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.house.source import ROOT
from tests.support.ports import free_port

_PREFIX = "/2018-06-01/runtime"
_PATIENCE = 60.0
_ARN = "arn:aws:lambda:eu-central-1:111122223333:function:integrations"


class FunctionFailed(AssertionError):
    """The function raised, or could not start."""


@dataclass
class Lambda:
    """One process of a function."""

    log: Path
    _calls: queue.Queue[tuple[str, bytes, float] | None] = field(default_factory=queue.Queue)
    _answers: queue.Queue[tuple[str, str, Any]] = field(default_factory=queue.Queue)
    _count: int = 0

    def call(self, event: Any, seconds: float = 29.0) -> Any:
        """What the function returns; it has so many seconds. Raises `FunctionFailed`."""
        self._count += 1
        request_id = f"request-{self._count}"
        self._calls.put((request_id, json.dumps(event).encode(), time.time() + seconds))
        kind, answered, value = self._answers.get(timeout=_PATIENCE)
        if kind != "response":
            raise FunctionFailed(f"{kind}: {value}\n{self.output}")
        assert answered == request_id
        return value

    def http(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON value (or text) and headers of an answer."""
        answer = self.call(http_event(method, path, body, **more))
        text = answer["body"]
        is_json = answer["headers"].get("content-type") == "application/json"
        return answer["statusCode"], json.loads(text) if is_json else text, answer["headers"]

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")


def http_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    arn: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: str = "",
) -> dict[str, Any]:
    """As an HTTP API of API Gateway sends it, payload format 2.0; `arn`: of whoever signed the request."""
    iam = {"accessKey": "ASIAEXAMPLE", "accountId": "111122223333", "callerId": "AROAEXAMPLE:s", "userArn": arn}
    shown = {"host": "api.example.com", "x-forwarded-proto": "https", **(headers or {})}
    if body is not None:
        shown["content-type"] = "application/json"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": shown,
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "abc123",
            "domainName": "api.example.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "requestId": "r",
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": int(time.time() * 1000),
            **({"authorizer": {"iam": iam}} if arn is not None else {}),
        },
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


@contextmanager
def running(handler: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Lambda]:
    """The function in a process of its own, started by its first call."""
    function = Lambda(folder / "function.log")
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _handler(function))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTEGRATIONS_", "AWS_"))}
    given = {**kept, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", **environment}
    with function.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler], cwd=ROOT, env=given, stdout=log, stderr=log
        )
        try:
            yield function
        finally:
            process.kill()
            process.wait()
            function._calls.put(None)
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(function: Lambda) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == f"{_PREFIX}/invocation/next"
            call = function._calls.get()
            if call is None:
                self.close_connection = True
                return
            request_id, event, deadline = call
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", _ARN)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(event)))
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self) -> None:
            value = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
            *_, owner, kind = self.path.split("/")
            function._answers.put((kind, owner, value))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """The test's output is its own."""

    return Api
