"""Which recorded exchange answers a request to the sandbox.

Of those that fit, the first by this order: fewest blanks (none: exactly as recorded); headers as recorded too, for a
case about a refused key wants that key; a call of one request before a story of several, a success before a fault or a
refusal; confirmed before unconfirmed; and as they stand in their files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.cases.fit import Fit, fit, host_and_path
from engine.cases.match import MISSING, Difference, alike
from engine.cases.model import Case, Exchange, Turn
from engine.cases.origins import Origins, Pattern
from engine.model import Request
from engine.redact import mask_fields

_REMEMBERED = 1024  # sequences that are being played


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange with what the choice needs to know of it; a smaller `rank` is a plainer success."""

    case: Case
    action: str
    exchange: Exchange
    origins: Origins = field(repr=False)
    address: Pattern = field(repr=False)
    rank: int
    sequence: int
    """Exchanges of one case that expect the same request share this number."""

    def fit(self, request: Request) -> Fit:
        return fit(self.exchange.expect, self.origins, self.address, request)


@dataclass(frozen=True, slots=True)
class Miss:
    """No case fits: the nearest one, None when nobody knows the host, and what differs there."""

    nearest: Recorded | None
    place: str
    message: str


class Recordings:
    """All exchanges of some cases. Remembers, for a bounded number of sequences, how far each was played."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._by_method: dict[str, list[Recorded]] = {}
        self._played: OrderedDict[tuple[int, int], int] = OrderedDict()
        for case in cases:
            for recorded in _recorded(case):
                self._by_method.setdefault(recorded.exchange.expect["method"], []).append(recorded)

    def answer(self, request: Request) -> Recorded | Miss:
        """The exchange to play; of a sequence of equal requests the next one, and after the last the first again."""
        fits = [(recorded, recorded.fit(request)) for recorded in self._by_method.get(request.method, ())]
        good = [(recorded, found) for recorded, found in fits if not found.wrong]
        if not good:
            return self._miss(request, fits)
        best, found = min(good, key=lambda one: (one[1].blanks, not one[1].headers, *_plainness(one[0])))
        group = [
            other
            for other, fits_too in good
            if other.case is best.case and other.sequence == best.sequence and fits_too == found
        ]
        return group[self._turn(best, request) % len(group)] if len(group) > 1 else best

    @property
    def remembered(self) -> int:
        """How many sequences are being played."""
        return len(self._played)

    def _turn(self, recorded: Recorded, request: Request) -> int:
        """How often this client has asked the same of this sequence."""
        key = (id(recorded.case), hash((recorded.sequence, _client(recorded, request))))
        count = self._played.pop(key, 0)
        self._played[key] = count + 1
        if len(self._played) > _REMEMBERED:
            self._played.popitem(last=False)
        return count

    def _miss(self, request: Request, fits: list[tuple[Recorded, Fit]]) -> Miss:
        shown = host_and_path(request.url)
        host = shown.partition("/")[0]
        near = [(recorded, found) for recorded, found in fits if _is_near(recorded, found, host)]
        if not near:
            return Miss(None, "url", f"no case has a {request.method} request to {host}")
        nearest, found = min(near, key=lambda one: (*_distance(one[1]), *_plainness(one[0])))
        first = found.wrong[0]
        return Miss(nearest, first.place, _words(first))


def _recorded(case: Case) -> Iterable[Recorded]:
    firsts: list[Mapping[str, Any]] = []
    exchanges = [(turn, exchange) for turn in case.turns for exchange in turn.exchanges]
    sequences = []
    for _, exchange in exchanges:
        same = next((i for i, first in enumerate(firsts) if _same_request(first, exchange.expect)), len(firsts))
        if same == len(firsts):
            firsts.append(exchange.expect)
        sequences.append(same)
    origins = {id(turn): Origins(turn.given) for turn in case.turns}
    for (turn, exchange), sequence in zip(exchanges, sequences, strict=True):
        made = origins[id(turn)]
        address = made.pattern(host_and_path(exchange.expect["url"]))
        rank = _rank(turn, exchange, sequences.count(sequence) > 1)
        yield Recorded(case, turn.action, exchange, made, address, rank, sequence)


def _rank(turn: Turn, exchange: Exchange, is_repeated: bool) -> int:
    if not turn.has_result:
        return 4
    if "drop" in exchange.answer or exchange.answer["status"] >= 400:
        return 3
    return 2 if is_repeated else int(len(turn.exchanges) > 1)


def _plainness(recorded: Recorded) -> tuple[int, bool]:
    return recorded.rank, recorded.case.unconfirmed


def _same_request(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    ignored = ("headers", "absentHeaders")
    return alike(*({key: value for key, value in expect.items() if key not in ignored} for expect in (one, other)))


def _client(recorded: Recorded, request: Request) -> tuple[str, ...]:
    """The sent values of the headers that tell accounts apart; signatures and times are another each time."""
    named = recorded.exchange.expect.get("headers", {})
    telling = {name.lower() for name, value in named.items() if not recorded.origins.is_fresh(value)}
    return tuple(value for name, value in request.headers if name.lower() in telling)


def _is_near(recorded: Recorded, found: Fit, host: str) -> bool:
    url_fits = not any(difference.place == "url" for difference in found.wrong)
    return url_fits or recorded.address.text.partition("/")[0] == host


def _distance(found: Fit) -> tuple[int, int, int]:
    """A wrong path weighs more than any field; among wrong paths the one with the longest right beginning is near."""
    for difference in found.wrong:
        if difference.place == "url":
            pairs = zip(difference.wanted.split("/"), difference.got.split("/"), strict=False)
            right = next((i for i, (a, b) in enumerate(pairs) if a != b), 99)
            return 1, -right, len(found.wrong)
    return 0, len(found.wrong), found.blanks


def _words(difference: Difference) -> str:
    """The difference as it may be shown: values that look secret or personal by their name are not."""
    if difference.got is MISSING or (difference.words and difference.place not in ("url", "query")):
        return str(difference)
    if difference.place == "url":
        return f"url: expected {difference.wanted}, got {_masked_path(difference.got)}"
    name = difference.place.rpartition(".")[2].partition("[")[0]
    if mask_fields({name: difference.got}) != {name: difference.got}:
        return f"{difference.place}: another value than the case has"
    return str(difference)


def _masked_path(path: str) -> str:
    """Long segments with digits may be ids or tokens of an account."""
    segments = path.split("/")
    return "/".join("…" if len(s) > 16 and any(map(str.isdigit, s)) and s is not segments[0] else s for s in segments)
