"""Instants. Between functions they are RFC 3339 text in UTC, `2026-05-01T03:04:05Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from engine.library import exact
from engine.library.function import LibraryError, choice, null_out, refuse
from engine.library.numbers import number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
    "weeks": 604_800_000_000,
}  # in microseconds
_SINGULAR = {unit[:-1]: unit for unit in UNITS}
_MICROSECOND, _MILLISECOND, _SECOND = (timedelta(microseconds=n) for n in (1, 1_000, 1_000_000))
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<clock>[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_DIRECTIVE = re.compile(r"%(:z|3f|.?)", re.DOTALL)
_WRITTEN = frozenset(
    ("Y", "y", "m", "d", "H", "I", "M", "S", "f", "j", "p", "z", "Z", "a", "A", "b", "B", "%", ":z", "3f")
)
_READ = _WRITTEN - {"Z"}  # the name of a zone does not say its offset


@null_out
def time(x: Any, format: Any, zone: Any = None) -> str | int:  # noqa: A002 (the language's name)
    """An instant (RFC 3339) or date as text in `format`, seen in `zone` (an IANA name; UTC without it).

    `format`: `unix` or `unix_ms` (a number), or strftime's directives, with `%3f` for milliseconds and `%:z` for
    +07:00. A date is its first moment in `zone`; so is a time without offset, which needs a `zone`.
    """
    at = _instant("time", x, _zone("time", zone))
    if format == "unix":
        return (at - EPOCH) // _SECOND
    if format == "unix_ms":
        return (at - EPOCH) // _MILLISECOND
    try:
        return _written(at.astimezone(_zone("time", zone) or UTC), _layout("time", format, _WRITTEN))
    except (ValueError, OverflowError):
        raise LibraryError("time: the instant can't be written in this format") from None


@null_out
def from_time(x: Any, format: Any = None, zone: Any = None) -> str:  # noqa: A002 (the language's name)
    """RFC 3339 text in UTC, read by `format`: `unix` or `unix_ms` (a number or its digits), or strptime's directives.

    Without `format` it reads RFC 3339 itself. `zone` says where the text was written if it holds no offset.
    """
    where = _zone("from_time", zone)
    if format is None:
        return utc_text(_instant("from_time", x, where))
    try:
        if format in ("unix", "unix_ms"):
            unit = UNITS["milliseconds" if format == "unix_ms" else "seconds"]
            return utc_text(EPOCH + timedelta(microseconds=int(_count(x) * unit)))
        layout = _layout("from_time", format, _READ).replace("%3f", "%f").replace("%:z", "%z")
        if not isinstance(x, str):
            raise refuse("from_time", "text", x)
        at = datetime.strptime(x.strip(), layout)  # noqa: DTZ007 (the zone is put in below)
        return utc_text(at if at.tzinfo else at.replace(tzinfo=where or UTC))
    except (ValueError, OverflowError):
        raise LibraryError("from_time: the value is no time of this format") from None


@null_out
def plus(x: Any, n: Any, unit: Any) -> str:
    """The instant `n` units later (earlier when negative): milliseconds, seconds, minutes, hours, days, weeks."""
    name = _SINGULAR.get(unit, unit) if isinstance(unit, str) else unit
    size = UNITS[choice("plus", "the unit", name, tuple(UNITS))]
    count = number("plus", n)
    try:
        return utc_text(_instant("plus", x, UTC) + timedelta(microseconds=int(count * size)))
    except (OverflowError, ValueError):
        raise LibraryError("plus: the result is no time of this calendar") from None


@null_out
def seconds_between(x: Any, y: Any) -> int | Decimal:
    """Seconds from `x` to `y`, negative when `y` is earlier."""
    return _seconds(_instant("seconds_between", y, UTC) - _instant("seconds_between", x, UTC))


@null_out
def seconds_until(x: Any, *, now: str) -> int | Decimal:
    """Seconds from `now` to `x`, 0 when `x` is past."""
    return max(0, _seconds(_instant("seconds_until", x, UTC) - _instant("seconds_until", now, UTC)))


def utc_text(at: datetime) -> str:
    """RFC 3339 in UTC, milliseconds only when not zero. Raises OverflowError outside the years 1 to 9999."""
    utc = at.astimezone(UTC)
    spec = "milliseconds" if utc.microsecond >= 1_000 else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises LibraryError on an unknown one."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # no such file, a path, a folder
        raise LibraryError("unknown time zone: give an IANA name such as Asia/Ho_Chi_Minh") from None


def _zone(function: str, zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if not isinstance(zone, str):
        raise refuse(function, "the name of a time zone", zone)
    return zone_of(zone)


def _instant(function: str, x: Any, zone: tzinfo | None) -> datetime:
    if not isinstance(x, str):
        raise refuse(function, "an instant as RFC 3339 text", x)
    found = _INSTANT.fullmatch(x)
    if found is None or (found["clock"] and not found["offset"] and zone is None):
        raise LibraryError(f"{function}: the text is no RFC 3339 instant with offset, nor a date")
    try:
        at = datetime.fromisoformat(x.upper())
        at = at if at.tzinfo else at.replace(tzinfo=zone or UTC)
        return at if at.tzinfo is UTC else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise LibraryError(f"{function}: no such time in the calendar") from None


def _count(x: Any) -> Decimal:
    """Units since the epoch, of a number or its digits."""
    if isinstance(x, str) and _DIGITS.fullmatch(x.strip()):
        return Decimal(x.strip())
    if isinstance(x, str):
        raise LibraryError("from_time: the text is not made of digits")
    return Decimal(number("from_time", x))


def _seconds(span: timedelta) -> int | Decimal:
    return exact.settled(Decimal(span // _MICROSECOND).scaleb(-6))


def _layout(function: str, format: Any, known: frozenset[str]) -> str:  # noqa: A002
    if not isinstance(format, str):
        raise refuse(function, "a format as text", format)
    _check_layout(function, format, known)
    return format


@lru_cache(maxsize=1024)
def _check_layout(function: str, format: str, known: frozenset[str]) -> None:  # noqa: A002
    for directive in _DIRECTIVE.findall(format):
        if directive not in known:
            raise LibraryError(f"{function}: no directive %{directive}; known: %{' %'.join(sorted(known))}")


def _written(at: datetime, layout: str) -> str:
    """strftime, with the directives that it lacks or writes differently from system to system."""
    special = {
        "Y": lambda: f"{at.year:04d}",
        "3f": lambda: f"{at.microsecond // 1000:03d}",
        ":z": lambda: at.strftime("%z")[:3] + ":" + at.strftime("%z")[3:5],
    }
    return at.strftime(_DIRECTIVE.sub(lambda hit: special.get(hit[1], hit.group)(), layout))
