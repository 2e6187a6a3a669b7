"""The exchanges of cases as the sandbox looks at them: what the choice among them needs to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from engine.cases.chains import Client, telling
from engine.cases.fit import Fit, fit, host_and_path
from engine.cases.match import alike
from engine.cases.model import Case, Exchange, Turn
from engine.cases.origins import Origins, Pattern
from engine.frozen import frozen
from engine.model import Request


@frozen
class Recorded:
    """One exchange; a smaller `rank` is a plainer success."""

    case: Case
    number: int
    """Which call of the case it belongs to, from 0."""
    exchange: Exchange
    origins: Origins = field(repr=False)
    address: Pattern = field(repr=False)
    rank: int
    sequence: int
    """Exchanges of one call that expect the same request share this number."""
    telling: frozenset[str]
    """The headers by which all requests of the case tell their account."""
    order: int
    """Where it stands among all."""

    @property
    def action(self) -> str:
        return self.case.turns[self.number].action

    @property
    def method(self) -> str:
        method: str = self.exchange.expect["method"]
        return method

    @property
    def plainness(self) -> tuple[int, int, bool, int]:
        """Of what fits equally, the smallest comes first."""
        return self.rank, self.number, self.case.unconfirmed, self.order

    def client(self, request: Request, names: frozenset[str]) -> Client:
        """The sent values of these headers."""
        return tuple(value for name, value in sorted(request.headers) if name.lower() in names)

    def fit(self, request: Request, address: str, *, brief: bool = False) -> Fit:
        return fit(self.exchange.expect, self.origins, self.address, request, address, brief=brief)


def recorded(case: Case, numbers: Iterator[int]) -> Iterator[Recorded]:
    """All exchanges of a case; `numbers` gives their order."""
    heard = [exchange.answer for turn in case.turns for exchange in turn.exchanges]
    results = [turn.result for turn in case.turns]
    origins = [Origins(turn.given, heard, results[:number]) for number, turn in enumerate(case.turns)]
    names = telling(case, origins)
    for number, (turn, made) in enumerate(zip(case.turns, origins, strict=True)):
        sequences = _sequences(turn)
        for exchange, sequence in zip(turn.exchanges, sequences, strict=True):
            address = made.pattern(host_and_path(exchange.expect["url"]))
            rank = _rank(turn, exchange, sequences.count(sequence) > 1)
            yield Recorded(case, number, exchange, made, address, rank, sequence, names, next(numbers))


def _sequences(turn: Turn) -> list[int]:
    """For each exchange the index of the first one that expects the same request."""
    expects = [exchange.expect for exchange in turn.exchanges]
    return [next(i for i, first in enumerate(expects) if _same_request(first, expect)) for expect in expects]


def _same_request(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    ignored = ("headers", "absentHeaders")
    return alike(*({key: value for key, value in expect.items() if key not in ignored} for expect in (one, other)))


def _rank(turn: Turn, exchange: Exchange, is_repeated: bool) -> int:
    if not turn.has_result:
        return 4
    if "drop" in exchange.answer or exchange.answer["status"] >= 400:
        return 3
    return 2 if is_repeated else int(len(turn.exchanges) > 1)
