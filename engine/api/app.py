"""The HTTP API as one ASGI application. An exchange, top to bottom:

    find the route → who calls → answer 404/405 → tenant → may it → query → body → run → reply

Who calls is asked before anything else is told or read, so that a stranger learns nothing and sends nothing.
There is no middleware: each step is a named function, and a request pays only for the steps it needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan

from engine.api import (
    problems,
    query,
    routes_catalog,
    routes_connections,
    routes_events,
    routes_execute,
    routes_oauth,
    routes_operator,
    routes_service,
    routes_subscriptions,
    wire,
)
from engine.api.openapi import describe
from engine.api.operations import BRINGS, Body, Found, Operation, Routes
from engine.api.site import Site
from engine.api.wire import Call, Disconnected, Headers, Incoming, Receive, Reply, Scope, Send
from engine.connections.consent import Consents
from engine.connections.ports import Engine
from engine.connections.service import ConnectionService
from engine.errors import Issue, RequestError
from engine.events.book import EventBook
from engine.events.endpoint import Endpoints
from engine.events.receive import Receiver
from engine.events.subscriptions import SubscriptionService
from engine.identity.caller import Caller
from engine.identity.gate import Gate
from engine.identity.policy import Policy
from engine.identity.tokens import TokenBook
from engine.library import exact
from engine.runtime.message import LARGEST_MESSAGE
from engine.settings import Settings
from engine.telemetry import caller
from engine.telemetry.events import Observer
from engine.telemetry.metrics import Metrics


def create_app(
    engine: Engine,
    settings: Settings,
    *,
    token_hashes: Sequence[bytes],
    lifespan: Lifespan[Any] | None = None,
    metrics: Metrics | None = None,
    observer: Observer | None = None,
    wake: Callable[[], None] | None = None,
    policy: Policy | None = None,
) -> ASGIApp:
    """The API over an engine.

    `token_hashes`: SHA-256 (32 bytes each) of the default service token, beside those of the store; `policy`: what the
    operator allows to whom. `lifespan` is Starlette's: an async
    context manager around the serving time. `metrics`: what `GET /metrics` shows, told by the engine as its observer.
    `observer` is told of the messages of providers; `wake` of events and deliveries that may go out now.
    """
    site = _site(engine, settings, metrics or Metrics(), observer, wake or _nobody)
    now = engine.clock.now
    gate = Gate(
        settings.auth,
        token_hashes,
        TokenBook(engine.store, now),
        policy or Policy(),
        public_url=settings.public_url,
        region=settings.sigv4_region,
        now=now,
    )
    return Api(site, settings, gate, lifespan)


def _nobody() -> None:
    """Whoever delivers looks by itself now and then."""


def _site(
    engine: Engine, settings: Settings, metrics: Metrics, observer: Observer | None, wake: Callable[[], None]
) -> Site:
    return Site(
        engine,
        ConnectionService(engine),
        Consents(engine, settings.public_url, settings.redirect_urls),
        Receiver(engine.catalog, engine.store, engine.clock, settings.public_url, observer, wake),
        Endpoints(engine),
        EventBook(engine.store),
        SubscriptionService(
            engine.catalog,
            engine.store,
            engine.clock,
            private_ok=settings.allow_private or settings.sandbox,
            wake=wake,
        ),
        settings.public_url,
        metrics,
        exact.dumps(describe(OPERATIONS, settings.public_url)),
        settings.sandbox,
    )


OPERATIONS: tuple[Operation, ...] = (
    *routes_catalog.OPERATIONS,
    *routes_connections.OPERATIONS,
    *routes_oauth.OPERATIONS,
    *routes_execute.OPERATIONS,
    *routes_events.OPERATIONS,
    *routes_subscriptions.OPERATIONS,
    *routes_service.OPERATIONS,
    *routes_operator.OPERATIONS,
)
"""Everything that the API can do; the router and the OpenAPI document are made of these."""


_BODILESS = (204, 304)
"""A status without a body has no length either (RFC 9110, 8.6)."""


class Api:
    """The application over one engine."""

    def __init__(
        self,
        site: Site,
        settings: Settings,
        gate: Gate,
        lifespan: Lifespan[Any] | None,
    ) -> None:
        self._site = site
        self._routes = Routes(OPERATIONS)
        self._gate = gate
        self._body_limit = settings.max_request_bytes
        self._other = Router(lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)  # start, stop, and the refusal of WebSockets
            return
        request_id = f"{random.getrandbits(128):032x}"  # finds a line in the log, protects nothing
        try:
            reply = await self._exchange(scope, receive)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the border: whatever went wrong must become an answer
            reply = problems.reply_to(error, request_id, self._gate.challenge)
        await _send(reply, request_id, send, head=scope["method"] == "HEAD")

    async def _exchange(self, scope: Scope, receive: Receive) -> Reply:
        headers = wire.single_headers(scope["headers"])
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        found = self._routes.find(path)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        operation = found.methods.get(method) if found else None
        incoming = Incoming(scope, receive, headers, self._body_limit)
        who = None
        if operation is None or operation.access in ("token", "tenant"):
            who = await self._gate.admit(incoming)
        if found is None:
            raise RequestError("NOT_FOUND", "no such path; GET /openapi.json lists them all")
        if operation is None:
            return _wrong_method(found)
        caller.remember(headers)
        if who is None:
            return await operation.run(self._site, await _unasked(operation, found, scope, receive, headers))
        return await operation.run(self._site, await _call(operation, found, scope, incoming, who))


async def _unasked(operation: Operation, found: Found, scope: Scope, receive: Receive, headers: Headers) -> Call:
    """What comes from whom nobody asks for a token; a provider's message is passed on whole."""
    is_message = operation.access in BRINGS
    message = await wire.received(scope, receive, headers, LARGEST_MESSAGE) if is_message else None
    return Call("", found.params, {}, message, headers)


async def _call(operation: Operation, found: Found, scope: Scope, incoming: Incoming, who: Caller) -> Call:
    """Everything of the request that the operation declares, checked. Raises `RequestError`."""
    headers = incoming.headers
    if operation.access != "tenant":
        who.check(operation.rights, None)
        return Call("", found.params, {}, headers=headers)
    tenant = wire.tenant_of(headers)
    who.check(operation.rights, tenant)
    parameters = _parameters(operation, scope.get("query_string", b""))
    body: Any = None
    if operation.body is not None:
        body = _body(operation.body, await incoming.body(), headers)
    return Call(tenant, found.params, parameters, body, headers)


def _wrong_method(found: Found) -> Reply:
    message = f"this path knows only {found.allow}"
    return problems.problem("METHOD_NOT_SUPPORTED", message, headers=[(b"allow", found.allow.encode())])


def _parameters(operation: Operation, raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    given = query.typed(query.pairs(raw), operation.query.raw["properties"])
    issues = operation.query.check(given)
    if issues:
        raise wire.bad_request("the query is not valid", *issues)
    return given


def _body(body: Body, raw: bytes, headers: Headers) -> Any:
    if not raw:
        if body.required:
            raise wire.bad_request("a JSON body is needed", Issue("is required"))
        return {}
    value = wire.parse_body(raw, headers)
    issues = body.schema.check(value)
    if issues:
        raise wire.bad_request("the body is not valid", *issues)
    return value


def head_of(reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of a reply."""
    return [
        *([(b"content-type", reply.content_type)] if reply.content_type else []),
        *([(b"content-length", str(len(reply.body)).encode())] if reply.status not in _BODILESS else []),
        (b"cache-control", reply.cache),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode()),
        *reply.headers,
    ]


async def _send(reply: Reply, request_id: str, send: Send, *, head: bool) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": head_of(reply, request_id)})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
