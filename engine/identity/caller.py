"""Who asks, and what they may do: decided once for each request, before anything of it is told or read.

execute      call actions, and read what goes with it: catalogue, connections, log, events
connections  change connections, webhooks and subscriptions
administer   look at the service as a whole: figures and state, of no tenant
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from engine.errors import RequestError
from engine.frozen import frozen

Right = Literal["execute", "connections", "administer"]
RIGHTS: Final[tuple[Right, ...]] = ("execute", "connections", "administer")


@frozen
class Grant:
    """Rights over tenants, which are ids, beginnings of ids (`shop-*`) or all of them (`*`)."""

    tenants: tuple[str, ...]
    rights: frozenset[Right]

    def gives(self, right: Right, tenant: str | None) -> bool:
        """The right, over this tenant; None: over whichever."""
        if right not in self.rights:
            return False
        if tenant is None:
            return True
        for pattern in self.tenants:  # noqa: SIM110 - for every request: a generator would cost five times as much
            if covers(pattern, tenant):
                return True
        return False


def covers(pattern: str, name: str) -> bool:
    """A `*` stands at the end of a pattern, or nowhere."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


EVERYTHING: Final = (Grant(("*",), frozenset(RIGHTS)),)


@frozen
class Caller:
    """`principal`: `token:<name>`, or the ARN of a role or user; what `grants` give and, where there are some, `bounds`
    give too.
    """

    principal: str
    grants: tuple[Grant, ...]
    bounds: tuple[Grant, ...] | None = None

    def check(self, rights: Sequence[Right], tenant: str | None) -> None:
        """Raises `RequestError` unless it has one of the rights, over the tenant where there is one."""
        if self._may(rights, tenant):
            return
        if self._may(rights, None):
            raise RequestError("FORBIDDEN", "this caller may not do this for this tenant")
        wanted = f"the right {rights[0]}" if len(rights) == 1 else f"one of the rights {', '.join(rights)}"
        raise RequestError("FORBIDDEN", f"this caller may not do this: it needs {wanted}")

    def _may(self, rights: Sequence[Right], tenant: str | None) -> bool:
        for right in rights:
            if _given(self.grants, right, tenant) and (self.bounds is None or _given(self.bounds, right, tenant)):
                return True
        return False


def _given(grants: Iterable[Grant], right: Right, tenant: str | None) -> bool:
    for grant in grants:  # noqa: SIM110 - as above
        if grant.gives(right, tenant):
            return True
    return False
