"""Cursors of lists in cases: written as the provider says them (its cursor, a number, a URL), sealed in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Action
from engine.model import Connection
from engine.runtime.execute import Engine
from engine.runtime.pages import Place, Seal, without_page


def sealed(engine: Engine, connection: Connection, action_id: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input of a case as a caller would give it: with the `nextCursor` that stands for the clear cursor."""
    found = _list(engine, connection, action_id, given)
    if found is None or "cursor" not in given:
        return given
    seal, limit = found
    place = Place(given["cursor"], limit, pages=1)
    return {**given, "cursor": seal.close(place, engine.clock.now())}


def cleared(engine: Engine, connection: Connection, action_id: str, given: Mapping[str, Any], data: Any) -> Any:
    """What a call with that input gave, as a case writes it: with the clear cursor as `nextCursor`."""
    found = _list(engine, connection, action_id, given)
    if found is None or not isinstance(data, Mapping) or "nextCursor" not in data:
        return data
    return {**data, "nextCursor": found[0].open(data["nextCursor"], engine.clock.now()).position}


def _list(
    engine: Engine, connection: Connection, action_id: str, given: Mapping[str, Any]
) -> tuple[Seal, int | None] | None:
    """The seal of the list that is asked for, and how long its pages are; None for any other action."""
    integration = engine.catalog.integrations.get(connection.integration_id)
    action: Action | None = integration.actions.get(action_id) if integration is not None else None
    if action is None or action.pagination is None:
        return None
    filled = action.input_schema.fill(dict(given))
    own = without_page(action, filled)
    seal = Seal.of(engine.store.vault, connection, action_id, action.pagination.kind, own)
    return seal, filled.get("limit") if action.pagination.has_limit else None
