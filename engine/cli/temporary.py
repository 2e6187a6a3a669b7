"""A connection that lives for one command: made of what the command line gives, consented to in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from engine.cli.local_service import approved
from engine.connections.consent import Consents
from engine.connections.service import ConnectionService, Draft
from engine.errors import RequestError
from engine.model import Connection
from engine.runtime.egress import UPSTREAM_HOST
from engine.runtime.execute import Engine
from engine.runtime.message import Message


async def connect(
    engine: Engine, tenant_id: str, integration_id: str, config: Mapping[str, Any], credentials: Mapping[str, Any]
) -> Connection:
    """Raises `RequestError` for what the form of the integration refuses."""
    draft = Draft(integration_id=integration_id, name="command line", config=config, credentials=credentials)
    return await ConnectionService(engine).create(tenant_id, draft)


async def consented(engine: Engine, connection: Connection, public_url: str, origin: str) -> Connection:
    """Somebody presses Approve on the consent page of the sandbox. Raises `RequestError`."""
    consents = Consents(engine, public_url)
    invitation = await consents.begin(connection)
    location = await approved(_at(invitation.url, origin))
    outcome = await consents.come_back(Message("GET", location, {}, b""))
    if outcome.error is not None:
        raise RequestError("BAD_REQUEST", f"the sandbox's consent failed: {outcome.error.message}")
    return outcome.connection


def _at(page: str, origin: str) -> str:
    """The page at the sandbox, also where the engine does not know of it since a wire of its own leads there."""
    parts = urlsplit(page)
    if page.startswith(f"{origin}/"):
        return page
    return f"{origin}{parts.path}?{parts.query}&{urlencode({UPSTREAM_HOST.lower(): parts.netloc})}"
