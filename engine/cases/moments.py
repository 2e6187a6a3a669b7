"""Times in recorded answers, told in the present."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_EPOCHS = {10: 1, 13: 1000}
"""What a number of so many digits counts in a second."""
_NEAR = 1.0


def moved(value: Any, old: float, new: float) -> Any:
    """The tree with every spelling of one moment replaced by another moment, spelt alike. Epoch seconds."""
    if isinstance(value, Mapping):
        return {name: moved(inner, old, new) for name, inner in value.items()}
    if isinstance(value, list):
        return [moved(inner, old, new) for inner in value]
    at = epoch(value)
    return value if at is None or abs(at - old) > _NEAR else _spelt_as(value, new)


def epoch(value: Any) -> float | None:
    """Epoch seconds of a text or number that spells a moment: RFC 3339, or digits of seconds or milliseconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    text = str(value)
    if text.isdecimal():
        return int(text) / _EPOCHS[len(text)] if len(text) in _EPOCHS else None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def _spelt_as(value: Any, at: float) -> Any:
    text = str(value)
    if text.isdecimal():
        made = int(at * _EPOCHS[len(text)])
        return str(made) if isinstance(value, str) else made
    zone = datetime.fromisoformat(text).tzinfo or UTC
    parts = "milliseconds" if "." in text else "seconds"
    made_text = datetime.fromtimestamp(at, zone).isoformat(timespec=parts)
    return made_text.replace("+00:00", "Z") if text.endswith("Z") else made_text
