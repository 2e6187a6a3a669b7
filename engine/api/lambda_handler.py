"""The API as a function on AWS Lambda, behind an HTTP API of API Gateway (payload format 2.0, stage `$default`).

    engine.api.lambda_handler.handler

Specs are compiled when the module is imported, which a snapshot (SnapStart) holds; in a bundle that `integrations warm`
has marked, each when it is first used. The store is opened by the first call, so that no snapshot holds a secret or a
connection. Connections to providers outlive calls.

Who calls is what `requestContext.authorizer.iam` says (INTEGRATIONS_AUTH=sigv4): the gateway has checked the signature.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from mangum import Mangum
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.api import problems
from engine.api.app import create_app, head_of
from engine.api.lambda_process import Process, lambda_settings
from engine.api.wire import GATEWAY, Reply
from engine.bootstrap import open_engine, open_warm_catalog
from engine.catalog import Catalog
from engine.identity.policy import Policy, open_policy
from engine.storage.service_token import service_token_hash
from engine.telemetry.metrics import Metrics

_AS_TEXT: Final = ["text/", "application/json", "image/svg+xml"]
_SENT: Final = "/%:@!$&'()*+,;=~-._"
"""What stays as it is in a path."""

# Its lines hold paths, and paths hold keys of webhooks.
logging.getLogger("mangum").setLevel(logging.CRITICAL)


class Function:
    """One process of the function."""

    def __init__(self, process: Process, catalog: Catalog, policy: Policy) -> None:
        self._process = process
        self._catalog = catalog
        self._policy = policy
        self._adapter: Mangum | None = None

    def __call__(self, event: dict[str, Any], context: Any) -> Mapping[str, Any]:
        """An HTTP answer, whatever the event is."""
        self._process.begin()
        try:
            if self._adapter is None:
                self._adapter = Mangum(_Placed(self._opened()), lifespan="off", text_mime_types=_AS_TEXT)
            answer: Mapping[str, Any] = self._adapter(event, context)
            if answer["headers"].get("content-length", "0") == "0":
                answer["headers"].pop("content-type", None)  # the adapter's own: nothing is no JSON
        except Exception as error:  # noqa: BLE001 - the border: whatever went wrong must become an answer
            request_id = f"{random.getrandbits(128):032x}"
            answer = _shown(problems.reply_to(error, request_id), request_id)
        finally:
            self._process.end()
        return answer

    def _opened(self) -> ASGIApp:
        settings, metrics = self._process.settings, Metrics()
        observer = self._process.observer(metrics)
        engine = self._process.run(open_engine(settings, catalog=self._catalog, observer=observer))
        return create_app(
            engine,
            settings,
            token_hashes=[service_token_hash(settings.token)] if settings.token is not None else [],
            metrics=metrics,
            observer=observer,
            wake=self._process.queue.wake,
            policy=self._policy,
        )


class _Placed:
    """Gives the application the path as it was sent, which the adapter does not hand on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["raw_path"] = quote(scope[GATEWAY].get("rawPath", scope["path"]), safe=_SENT).encode()
        await self._app(scope, receive, send)


def _shown(reply: Reply, request_id: str) -> Mapping[str, Any]:
    headers = {name.decode(): value.decode() for name, value in head_of(reply, request_id)}
    return {"statusCode": reply.status, "headers": headers, "body": reply.body.decode(), "isBase64Encoded": False}


def _function() -> Function:
    settings = lambda_settings()
    return Function(Process(settings), open_warm_catalog(settings), open_policy(settings))


handler: Final = _function()
