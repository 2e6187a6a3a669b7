"""Where the texts of a recorded request come from: what the caller said, or what differs from run to run.

A newcomer's request to the sandbox can't equal the recorded one everywhere: the account is another (credentials, shop,
host), the clock runs, and keys and signatures are fresh. These parts of a text are blanks; all else must fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from engine.frozen import frozen
from engine.library import exact
from engine.runtime.call import derived_key

DEFAULT_NOW = "2026-01-01T00:00:00Z"
"""The clock of a case that gives none."""

_OF_ACCOUNTS = frozenset({"authorization", "cookie"})
_SHORTEST_PART = 4  # of an account's value inside a longer text
_SHORTEST_KEY = 8  # of the beginning of a random key
_FAR_SECONDS = 400 * 86_400  # an expiry may lie this far from now
_ORDERS = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d-%m-%Y", "%d%m%Y", "%d/%m/%Y", "%y%m%d")
_HOURS = ("", "%H%M", "%H%M%S")
_ZONES = (UTC, timezone(timedelta(hours=7)))
"""Those in which a time that is said with its zone may be sent."""
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"(?<![0-9.])[0-9]{10}(?:[0-9]{3})?(?![0-9.])")
_TIME_OF_DAY = r"(?:[T ]?[0-9]{2}:?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
_DIGEST = re.compile(
    r"(?<![0-9A-Za-z+/_-])(?:(?:[0-9a-f]{32,128}|[0-9A-F]{32,128})(?![0-9A-Za-z])"
    r"|[0-9A-Za-z+/_-]{22}==|[0-9A-Za-z+/_-]{27}=|[0-9A-Za-z+/_-]{43}=|[0-9A-Za-z+/_-]{86}=="
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+)"
)


@frozen
class Blank:
    """A stretch of a text that may read otherwise; `crosses`: the blank may hold slashes."""

    start: int
    end: int
    crosses: bool


class Origins:
    """What one turn of a case gives, and which parts of its requests follow from that.

    `heard` are the answers of the case: a login says in one of them what later headers hold. `got`: the results of its
    earlier turns; what comes from there is not the caller's own word, so that a newcomer's may differ.
    """

    def __init__(
        self, given: Mapping[str, Any], heard: Iterable[Mapping[str, Any]] = (), got: Iterable[Any] = ()
    ) -> None:
        self._said = frozenset(_texts(given.get("input", {}))).difference(*map(_texts, got))
        places = ("config", "credentials", "token", "app", "webhook")
        account = {text for place in places for text in _texts(given.get(place, {}))} - self._said
        self._account = sorted({part for text in account for part in _url_parts(text)}, key=len, reverse=True)
        self._answers = tuple(heard)
        self._keys = tuple(_keys(given))
        self._now = datetime.fromisoformat(str(given.get("now", DEFAULT_NOW)))
        self._dates = _dates(self._now.astimezone(UTC).date())
        self._patterns: dict[str, Pattern] = {}

    @cached_property
    def _told(self) -> frozenset[str]:
        """How the times that the caller said may stand in requests."""
        return frozenset(form for text in self._said for form in _forms(text))

    @cached_property
    def _heard(self) -> frozenset[str]:
        """What the answers say that is long enough to be told apart."""
        return frozenset(text for answer in self._answers for text in _texts(answer) if len(text) >= _SHORTEST_PART)

    def pattern(self, text: str) -> Pattern:
        """The text, which is one of the case, with its blanks; the caller's own words have none."""
        if text not in self._patterns:  # as many as the case has texts
            self._patterns[text] = self._pattern(text)
        return self._patterns[text]

    def _pattern(self, text: str) -> Pattern:
        if text in self._said:
            return Pattern(text, ())
        blanks: list[Blank] = []
        for blank in self._blanks(text):
            if all(blank.end <= other.start or other.end <= blank.start for other in blanks):
                blanks.append(blank)
        return Pattern(text, tuple(sorted(blanks, key=lambda blank: blank.start)))

    def is_fresh(self, text: str) -> bool:
        """Whether the text holds a time, a random key or a signature, so that each sending has another."""
        return text not in self._said and next(self._fresh(text), None) is not None

    def may_head(self, name: str, wanted: str, got: str) -> bool:
        """Whether a header may have another value than the recorded one: it speaks of the account, or is fresh."""
        if name.lower() in _OF_ACCOUNTS or any(text in wanted for text in self._heard):
            return True
        return self.pattern(wanted).fits(got)

    def _blanks(self, text: str) -> Iterator[Blank]:
        for value in self._account:
            if value == text or len(value) >= _SHORTEST_PART:
                yield from _each(value, text, crosses="/" in value)
        yield from self._fresh(text)

    def _fresh(self, text: str) -> Iterator[Blank]:
        for key in self._keys:
            sizes = (len(key),) if key == text else range(len(key), _SHORTEST_KEY - 1, -1)
            size = next((size for size in sizes if key[:size] in text), 0)
            if size:
                yield from _each(key[:size], text)
        for found in _DIGEST.finditer(text):
            if found[0] not in self._said:
                yield Blank(found.start(), found.end(), crosses=True)
        for found in self._dates.finditer(text):
            if _digits(found[0]) not in self._told:
                yield Blank(found.start(), found.end(), crosses=False)
        for found in _NUMBER.finditer(text):
            seconds = int(found[0]) / (1000 if len(found[0]) == 13 else 1)
            is_said = found[0] in self._said or found[0] in self._told
            if not is_said and abs(seconds - self._now.timestamp()) < _FAR_SECONDS:
                yield Blank(found.start(), found.end(), crosses=False)


@frozen
class Pattern:
    """A recorded text with blanks."""

    text: str
    blanks: tuple[Blank, ...]
    literals: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What stands before, between and after the blanks."""

    def __post_init__(self) -> None:
        edges = [0, *(edge for blank in self.blanks for edge in (blank.start, blank.end)), len(self.text)]
        parts = tuple(self.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
        object.__setattr__(self, "literals", parts)

    def fits(self, got: str) -> bool:
        """Whether `got` is the text with something in each blank. A blank at the very beginning may hold slashes."""
        if not self.blanks:
            return self.text == got
        first, *others = self.literals
        if not (got.startswith(first) and got.endswith(others[-1])):
            return False
        at = len(first)
        for i, (blank, literal) in enumerate(zip(self.blanks, others, strict=True)):
            is_last = i == len(self.blanks) - 1
            start = len(got) - len(literal) if is_last else got.find(literal, at + 1)
            if start <= at:
                return False
            if not (blank.crosses or blank.start == 0) and "/" in got[at:start]:
                return False
            at = start + len(literal)
        return True


def _each(part: str, text: str, *, crosses: bool = False) -> Iterator[Blank]:
    at = text.find(part)
    while at >= 0:
        yield Blank(at, at + len(part), crosses)
        at = text.find(part, at + len(part))


def _texts(value: Any) -> Iterator[str]:
    """Every text and number of a value, as text."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield exact.plain(value)
    elif isinstance(value, str) and value:
        yield value


def _url_parts(text: str) -> Iterable[str]:
    """A URL that the tenant typed stands in requests with or without its scheme."""
    scheme, mark, rest = text.partition("://")
    return (text, rest.rstrip("/")) if mark and rest and scheme.isalpha() else (text,)


def _keys(given: Mapping[str, Any]) -> Iterator[str]:
    for name in ("idempotencyKey", "id"):
        if name in given:
            yield given[name]
            yield derived_key(given[name])
    yield from given.get("random", ())


@lru_cache
def _dates(today: date) -> re.Pattern[str]:
    """Today's date, as anywhere on earth, in the usual orders; perhaps with a time of day."""
    days = [today + timedelta(days=n) for n in (-1, 0, 1)]
    spelt = "|".join(re.escape(day.strftime(order)) for order in _ORDERS for day in days)
    return re.compile(rf"(?<![0-9])(?:{spelt}){_TIME_OF_DAY}(?![0-9])")


def _forms(text: str) -> Iterator[str]:
    """How a time that the caller said may stand in a request: the digits of its usual spellings, and epoch numbers."""
    if _ISO_DATE.match(text):
        try:
            said = datetime.fromisoformat(text)
        except ValueError:
            return
        moments = [said] if said.tzinfo is None else [said.astimezone(zone) for zone in _ZONES]
        for moment in moments:
            yield from (_digits(moment.strftime(f"{day}{hour}")) for day in _ORDERS for hour in _HOURS)
        if said.tzinfo is not None:
            yield from (str(int(said.timestamp())), str(int(said.timestamp() * 1000)))
    else:
        yield _digits(text)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())
