"""What every route works with: one deployment of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.connections.ports import Engine
from engine.connections.service import ConnectionService


@dataclass(frozen=True, slots=True)
class Site:
    """`public_url` is the base of URLs that answers show; `document` the text of the OpenAPI description."""

    engine: Engine
    connections: ConnectionService
    public_url: str
    document: bytes = field(repr=False)
