"""Which events a subscription wants: exact types, `payment.*` for all below, `*` for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.catalog import Catalog
from engine.diagnostics import nearest
from engine.errors import Issue

ALL = "*"
ENDED = "webhook.ended"
"""The type that is ours: a subscription at a provider ended and could not be had again."""
_BELOW = ".*"
PATTERN = r"^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$"
"""Of one entry, as a JSON Schema writes it."""


def known_types(catalog: Catalog) -> frozenset[str]:
    """Every type that a message can become, and our own."""
    webhooks = (one.webhook for one in catalog.integrations.values() if one.webhook is not None)
    return frozenset(plan.type for webhook in webhooks for plan in webhook.events if plan.type is not None) | {ENDED}


def wants(event_types: Iterable[str], kind: str) -> bool:
    return any(_fits(entry, kind) for entry in event_types)


def unheard_of(event_types: Sequence[str], known: frozenset[str]) -> Iterator[Issue]:
    """The entries that no event of the catalogue can fit: most likely misspelt."""
    families = {f"{kind.rsplit('.', count)[0]}{_BELOW}" for kind in known for count in range(1, kind.count(".") + 1)}
    for at, entry in enumerate(event_types):
        if entry != ALL and not any(_fits(entry, kind) for kind in known):
            near = nearest(entry, {*known, *families})
            hint = f'; did you mean "{near}"?' if near else ""
            yield Issue(f"no event of any integration is of this type{hint}", ("eventTypes", at))


def _fits(entry: str, kind: str) -> bool:
    if entry == ALL:
        return True
    return kind.startswith(entry[:-1]) if entry.endswith(_BELOW) else kind == entry
