"""Lists that are read page by page: one call is one page, and `nextCursor` says where the next one begins.

A cursor is sealed for tenant, connection, action and input, so nobody reads, makes or moves one. It holds

    kind, position (the provider's cursor, a number, a URL), limit, pages so far, when it was made, marks

A list must end. A page is known by its cursor or URL, or, where pages are counted, by what it holds; `marks` are the
page before and one further back, which moves on at each power of two, so that a circle of any length is found. A page
that comes again is INVALID_RESPONSE: to stop there would pass a part of the list off as the whole. A page that comes
again and is empty is the end: some providers say so by repeating the last cursor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace
from decimal import Decimal
from typing import Any

from engine.catalog import LONGEST_CURSOR, Action, Pagination, Step
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.frozen import frozen
from engine.library import exact
from engine.library.absent import ABSENT
from engine.model import Connection
from engine.runtime import url
from engine.runtime.idempotency import ordered
from engine.storage.cursor import open_text, seal_text
from engine.storage.ports import Vault

MAX_PAGES = 10_000
KEEP_SECONDS = 24 * 3600.0
_FORMAT = 1
_FIRST: Mapping[str, int | None] = {"cursor": None, "page": 1, "offset": 0, "url": None}
_ROOTS: Mapping[str, str] = {"cursor": "cursor", "page": "number", "offset": "offset", "url": "url"}


@frozen
class Place:
    """Where in a list a page is. `position` None: the first page of a list whose pages are not counted."""

    position: Any = field(repr=False)
    limit: int | None = None
    pages: int = 0
    """How many came before."""
    marks: tuple[str | None, str | None] = (None, None)


@frozen
class Seal:
    """Makes and opens the cursors of one list: one action on one connection with one input."""

    vault: Vault = field(repr=False)
    tenant_id: str
    context: str
    kind: str

    @staticmethod
    def of(vault: Vault, connection: Connection, action_id: str, kind: str, given: Mapping[str, Any]) -> Seal:
        """`given`: the input with its defaults, without what pagination added."""
        digest = hashlib.sha256(exact.dumps(ordered(given))).hexdigest()
        context = f"page|{connection.connection_id}|{action_id}|{digest}"
        return Seal(vault, connection.tenant_id, context, kind)

    def close(self, place: Place, now: float) -> str:
        held = [_FORMAT, self.kind, place.position, place.limit, place.pages, now, place.marks]
        return seal_text(self.vault, self.tenant_id, self.context, exact.dumps(held))

    def open(self, cursor: str, now: float) -> Place:
        """Raises `CallError(INVALID_INPUT)` naming `cursor`."""
        try:
            found, kind, *held = exact.loads(open_text(self.vault, self.tenant_id, self.context, cursor))
        except ValueError:
            found, kind, held = None, None, []
        if found != _FORMAT or kind != self.kind:
            raise refused(
                "cursor", "is no cursor of this list: give the nextCursor of the page before, and the same input"
            )
        position, limit, pages, made_at, marks = held
        if now - float(made_at) > KEEP_SECONDS:
            raise refused("cursor", "is older than a day: start again without one")
        if pages >= MAX_PAGES:
            raise refused("cursor", f"leads beyond {MAX_PAGES} pages: ask for less, or for longer pages")
        return Place(position, limit, pages, (marks[0], marks[1]))


def refused(name: str, message: str) -> CallError:
    """A field of the input that can't be used."""
    return CallError("INVALID_INPUT", f"{name}: {message}", details={"issues": [{"message": message, "path": [name]}]})


def without_page(action: Action, filled: Mapping[str, Any]) -> dict[str, Any]:
    """The input without what pagination added."""
    added = ("cursor", "limit") if action.pagination is not None and action.pagination.has_limit else ("cursor",)
    return {name: value for name, value in filled.items() if name not in added}


@frozen
class Page:
    """The page that a call asks for."""

    plan: Pagination
    place: Place
    server: str | None
    """`url` only: the base URL of the server; a next page must be on its origin."""
    seal: Seal
    now: float

    @staticmethod
    async def asked(
        vault: Vault,
        connection: Connection,
        action: Action,
        given: Mapping[str, Any],
        scope: Scope,
        now: float,
    ) -> Page:
        """The page that a checked input asks for; takes what pagination added out of `scope["input"]`.

        `given` is the input as the caller wrote it: a limit that is a default yields to that of the cursor.
        Raises `CallError(INVALID_INPUT)` for a cursor that is not of this list.
        """
        plan, filled = action.pagination, scope["input"]
        assert plan is not None
        scope["input"] = without_page(action, filled)
        await vault.prepare(connection.tenant_id)
        seal = Seal.of(vault, connection, action.action_id, plan.kind, scope["input"])
        limit = filled.get("limit") if plan.has_limit else None
        place = Place(_FIRST[plan.kind], limit)
        if "cursor" in filled:
            place = seal.open(filled["cursor"], now)
            if plan.has_limit and "limit" in given:
                if plan.kind == "page" and limit != place.limit:
                    raise refused("limit", "must stay what it was on the first page: this list is counted in pages")
                place = replace(place, limit=limit)
        server = _server(action, scope)
        if server is not None and place.position is not None:
            _check_origin(server, place.position)
        scope["page"] = _root(plan, place)
        return Page(plan, place, server, seal, now)

    def steps(self, action: Action) -> tuple[Step, ...]:
        """What is sent for this page."""
        follow = self.plan.follow
        return action.steps if follow is None or self.place.position is None else (follow,)

    def onward(self, answer: Scope) -> str | None:
        """The cursor of the page after this one; None at the end of the list.

        Raises `CallError(INVALID_RESPONSE)` when the answer does not say where the list goes on, `EvaluationError`
        when a query can't be computed.
        """
        items = _listed(self.plan.items(answer))
        name = self._name(items)
        if name is not None and name in self.place.marks:
            if not items:
                return None
            raise CallError("INVALID_RESPONSE", _AGAIN)
        position = self._next(items, answer)
        if position is None or (position == self.place.position and not items):
            return None
        pages = self.place.pages + 1
        # Brent's way of finding circles: the mark further back moves on when the count doubles.
        far = name if pages & (pages - 1) == 0 else self.place.marks[1]
        cursor = self.seal.close(Place(position, self.place.limit, pages, (name, far)), self.now)
        if len(cursor) > LONGEST_CURSOR:
            raise CallError("INVALID_RESPONSE", "the provider's next page has a longer name than can be kept")
        return cursor

    def _name(self, items: list[Any]) -> str | None:
        """What this page is known by; an empty one among counted pages by nothing."""
        if self.plan.kind in ("cursor", "url"):
            return _digest(self.place.position)
        return _digest(items) if items else None

    def _next(self, items: list[Any], answer: Scope) -> Any:
        """The position of the next page; None where there is none."""
        if self.plan.more is not None and not holds(self.plan.more(answer)):
            return None
        if self.plan.next is not None:
            return self._led(self.plan.next(answer))
        is_short = self.place.limit is not None and len(items) < self.place.limit
        if self.plan.more is None and (is_short or not items):
            return None
        if self.plan.kind == "page":
            return self.place.position + 1
        return self.place.position + len(items)

    def _led(self, value: Any) -> Any:
        """What the answer gives as the next cursor or URL."""
        if value is None or value is ABSENT or value is False or value == "":
            return None
        if self.plan.kind == "url":
            try:
                return url.on_origin(self.server or "", value if isinstance(value, str) else "")
            except url.UnsafeUrl as error:
                raise CallError("INVALID_RESPONSE", f"the next page can't be called: {error}") from None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise CallError("INVALID_RESPONSE", "the answer's next cursor is neither a text nor a number")
        return value


_AGAIN = (
    "the provider gave a page that it had given before, so there is no telling where the list ends; "
    "it was not read to its end"
)


def first_page(action: Action, filled: Mapping[str, Any]) -> dict[str, Any]:
    """The roots `input` and `page` of a call that never goes on; `filled` as for `without_page`."""
    plan = action.pagination
    if plan is None:
        return {"input": filled}
    limit = filled.get("limit") if plan.has_limit else None
    return {"input": without_page(action, filled), "page": _root(plan, Place(_FIRST[plan.kind], limit))}


def _root(plan: Pagination, place: Place) -> dict[str, Any]:
    """What templates and queries see as `page`."""
    values = {_ROOTS[plan.kind]: place.position, "limit": place.limit}
    return {name: value for name, value in values.items() if value is not None}


def _check_origin(server: str, position: str) -> None:
    """The connection's server may have changed since the cursor was made."""
    try:
        url.on_origin(server, position)
    except url.UnsafeUrl:
        raise refused("cursor", "leads to another server than that of the connection: start again") from None


def _server(action: Action, scope: Scope) -> str | None:
    """The base URL of a list whose next pages are URLs; empty where the connection's config names none."""
    server = action.steps[0].request.server
    if action.pagination is None or action.pagination.follow is None or server is None:
        return None
    found = server(scope)
    return found if isinstance(found, str) else ""


def _listed(items: Any) -> list[Any]:
    if items is None or items is ABSENT:
        return []
    if not isinstance(items, list):
        raise CallError("INVALID_RESPONSE", "the answer has something else where the list of the page should be")
    return items


def _digest(value: Any) -> str:
    return hashlib.blake2b(exact.dumps(value), digest_size=8).hexdigest()
