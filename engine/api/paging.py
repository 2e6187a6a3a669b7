"""One page of a list: at most `limit` rows, newest first, and the sealed place where the next one begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.storage.cursor import open_cursor, seal_cursor

_PAGE = 50
_T = TypeVar("_T")
Place = tuple[float, str]


async def paged(
    site: Site,
    call: Call,
    name: str,
    filters: Mapping[str, Any],
    find: Callable[[int, Place | None], Awaitable[Sequence[_T]]],
    show: Callable[[_T], Mapping[str, Any]],
    place: Callable[[_T], Place],
) -> Reply:
    """`find(limit, after)` reads the rows; a cursor fits the same filters only. Raises `RequestError` for another."""
    limit, cursor, vault = call.query.get("limit", _PAGE), call.query.get("cursor"), site.engine.store.vault
    after = None if cursor is None else open_cursor(vault, call.tenant, filters, cursor)
    rows = await find(limit + 1, after)
    page: dict[str, Any] = {name: [show(row) for row in rows[:limit]]}
    if len(rows) > limit:  # one more was asked for than is shown
        page["nextCursor"] = seal_cursor(vault, call.tenant, filters, place(rows[limit - 1]))
    return ok(page)
