"""What the operator and tools ask of the service itself: is it alive, is it ready, what can it do."""

from __future__ import annotations

from engine.api.operations import Operation
from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.identity.caller import RIGHTS

_OK = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}


async def live(_site: Site, _call: Call) -> Reply:
    return ok({"status": "ok"})


async def ready(site: Site, _call: Call) -> Reply:
    await site.engine.store.lifetime.check()
    return ok({"status": "ok"})


async def document(site: Site, _call: Call) -> Reply:
    return Reply(site.document)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "health.live",
        "GET",
        "/healthz",
        live,
        "The process runs.",
        _OK,
        access="open",
        examples={"ok": {"status": "ok"}},
    ),
    Operation(
        "health.ready",
        "GET",
        "/readyz",
        ready,
        "The store can be read and written.",
        _OK,
        access="open",
        failures=("SERVICE_UNAVAILABLE",),
        examples={"ok": {"status": "ok"}},
    ),
    Operation(
        "openapi.get",
        "GET",
        "/openapi.json",
        document,
        "This description, OpenAPI 3.1.",
        {"type": "object", "required": ["openapi", "info", "paths"]},
        access="token",
        rights=RIGHTS,
    ),
)
