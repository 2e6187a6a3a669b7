"""The value of what is not there. It is not null: null was said, absence was not."""

from __future__ import annotations

from typing import Final


class Absent:
    """Type of the one value `ABSENT`: false in a condition, equal to itself only."""

    __slots__ = ()
    _only: Absent | None = None

    def __new__(cls) -> Absent:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "absent"

    def __reduce__(self) -> str:
        return "ABSENT"  # copies and pickles are the same object again


ABSENT: Final = Absent()
