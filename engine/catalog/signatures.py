"""How messages are signed, and proved."""

from __future__ import annotations

from typing import Literal

from engine.catalog.requests import Evaluate
from engine.frozen import frozen


@frozen
class Put:
    """Where a signature goes: `header.X`, `query.x`, `form.x`, `json.x`."""

    place: Literal["header", "query", "form", "json"]
    name: str


@frozen
class Signature:
    """One `sign` or `verify` block. Several `texts` or `keys` = any may match."""

    scheme: str | None
    plugin: str | None
    texts: tuple[Evaluate, ...]
    keys: tuple[Evaluate, ...]
    fields: tuple[str, ...]
    extra: Evaluate | None
    encoding: Literal["hex", "base64"]
    when: Evaluate | None = None
    put: Put | None = None
    given: Evaluate | None = None
    timestamp: Evaluate | None = None
    timestamp_unit: Literal["s", "ms"] = "s"
    tolerance_seconds: float = 300
    also: tuple[Signature, ...] = ()
    key_names: tuple[tuple[str, ...], ...] = ()
    """The dotted names that each of `keys` reads; of a scheme that takes no key, those of each of `texts`."""
    given_text: tuple[str, ...] = ()
    """The queries of `given`, as the author wrote them."""
