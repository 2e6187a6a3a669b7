"""Values as DynamoDB holds them, exactly: a number keeps all its digits, a time sorts as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

Item = dict[str, Any]
_FIRST: Final = -62_135_596_800.0
_LAST: Final = 253_402_300_799.5
"""Of the years 1 to 9999. A filter with an offset, or an id that somebody made up, may name a time beyond."""


def text(value: str) -> Item:
    return {"S": value}


def number(value: float) -> Item:
    """The shortest digits that give the same number back."""
    return {"N": repr(value)}


def raw(value: bytes) -> Item:
    return {"B": value}


def given(**values: Item | None) -> Item:
    """Attributes that are there."""
    return {name: value for name, value in values.items() if value is not None}


def maybe_text(value: str | None) -> Item | None:
    return None if value is None else text(value)


def maybe_number(value: float | None) -> Item | None:
    return None if value is None else number(value)


def text_of(item: Mapping[str, Any], name: str) -> str | None:
    found = item.get(name)
    return None if found is None else str(found["S"])


def whole_of(item: Mapping[str, Any], name: str) -> int:
    return int(item[name]["N"])


def float_of(item: Mapping[str, Any], name: str) -> float | None:
    found = item.get(name)
    return None if found is None else float(found["N"])


def bytes_of(item: Mapping[str, Any], name: str) -> bytes | None:
    found = item.get(name)
    return None if found is None else bytes(found["B"])


def moment(epoch: float) -> str:
    """Epoch seconds as text that sorts, to the microsecond."""
    at = datetime.fromtimestamp(min(max(epoch, _FIRST), _LAST), UTC)
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def is_after(at: float, identity: str, last: tuple[float, str] | None) -> bool:
    """Does it come after the last row of the page before, newest first? Keys tell times to the microsecond only."""
    return last is None or (moment(at), identity) < (moment(last[0]), last[1])


def tenant_key(tenant_id: str) -> str:
    return f"TENANT#{tenant_id}"
