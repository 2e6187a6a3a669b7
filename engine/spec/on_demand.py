"""Mappings whose values are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class OnDemand(Mapping[str, T]):
    """Each value is made once. What its maker raises is raised, and the next who asks tries again."""

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self._makers = dict[str, Callable[[], T] | None](makers)
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        try:
            return self._made[name]
        except KeyError:
            make = self._makers[name]
        if make is None:  # another thread made it meanwhile
            return self._made[name]
        made = self._made[name] = make()
        self._makers[name] = None  # what it was made from is needed no more
        return made

    def get(self, name: str, default: Any = None) -> Any:
        """As any mapping's, without a frame more: every call comes by here."""
        made = self._made.get(name)
        if made is not None:
            return made
        return self[name] if name in self._makers else default

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"{len(self._made)} of {len(self._makers)} are made"


class WholeOnDemand(Mapping[str, T]):
    """All values are made when the mapping is first looked into."""

    def __init__(self, make: Callable[[], Mapping[str, T]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, T]:
        return self._make()

    def __getitem__(self, name: str) -> T:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)
