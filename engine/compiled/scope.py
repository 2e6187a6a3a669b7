"""What expressions see while a call runs: the roots, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from engine.library.absent import ABSENT

Lazy = Mapping[str, Callable[["Scope"], Any]]
_NONE: Lazy = MappingProxyType({})


class Scope(dict[str, Any]):
    """Roots by name; one that is not there is absent.

    `lazy` roots are computed when first read, from the scope that declares them and its `source`, then kept there. They
    get the scope instead of holding it: a call leaves no circles for the collector.
    """

    # Not set by an __init__: a call makes ten of these, and most have roots only.
    lazy: Lazy = _NONE
    parent: Scope | None = None
    source: Any = None

    @classmethod
    def of(cls, values: Mapping[str, Any], lazy: Lazy, source: Any = None) -> Scope:
        """One with roots that are computed."""
        made = cls(values)
        made.lazy = lazy
        made.source = source
        return made

    def __missing__(self, name: str) -> Any:
        compute = self.lazy.get(name)
        if compute is not None:
            value = self[name] = compute(self)
            return value
        if self.parent is None:
            return ABSENT
        value = self.parent[name]
        if value is not ABSENT:
            self[name] = value
        return value

    def child(self) -> Scope:
        """A copy whose additions do not reach this one."""
        made = Scope(self)
        if self.parent is not None or self.lazy is not _NONE:
            made.parent = self
        return made

    def having(self, **roots: Any) -> Scope:
        made = self.child()
        made.update(roots)
        return made

    def declaring(self, lazy: Lazy, source: Any = None) -> Scope:
        """A copy with more roots that are computed."""
        made = self.child()
        made.lazy = lazy
        made.source = source
        return made

    def __repr__(self) -> str:
        return f"Scope({sorted(self)})"
