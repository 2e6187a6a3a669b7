"""What expressions see while a call runs: the roots, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.library.absent import ABSENT


class Scope(dict[str, Any]):
    """Roots by name; one that is not there is absent. `lazy` roots are computed when first read, then kept."""

    __slots__ = ("lazy",)

    def __init__(self, values: dict[str, Any], lazy: dict[str, Callable[[], Any]] | None = None) -> None:
        super().__init__(values)
        self.lazy = lazy or {}

    def __missing__(self, name: str) -> Any:
        compute = self.lazy.get(name)
        if compute is None:
            return ABSENT
        value = self[name] = compute()
        return value

    def child(self) -> Scope:
        """A copy whose additions do not reach this one."""
        return Scope(self, self.lazy)

    def having(self, **roots: Any) -> Scope:
        made = Scope(self, self.lazy)
        made.update(roots)
        return made

    def __repr__(self) -> str:
        return f"Scope({sorted(self)})"
