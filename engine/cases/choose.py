"""Which recorded exchange answers a request to the sandbox.

Of those that fit, the first by this order: fewest blanks (none: exactly as recorded); headers as recorded too, for a
case about a refused key wants that key; the next call of a case that this client is playing; a call of one request
before a story of several, a success before a fault or a refusal; the first call of a case before its later ones;
confirmed before unconfirmed; and as they stand in their files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import count

from engine.cases.chains import Chains, steady
from engine.cases.fit import Fit, host_and_path
from engine.cases.miss import Miss, nearest_miss
from engine.cases.model import Case
from engine.cases.recorded import Recorded, recorded
from engine.model import Request

_REMEMBERED = 1024  # sequences that are being played
_ANY = ""  # the address of what has blanks in it


class Recordings:
    """All exchanges of some cases. Remembers, for a bounded number of sequences and chains, how far each was played."""

    def __init__(self, cases: Iterable[Case]) -> None:
        numbers = count()
        self._all = [one for case in cases for one in recorded(case, numbers)]
        self._by_address: dict[tuple[str, str], list[Recorded]] = {}
        self._played: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._chains = Chains()
        for one in self._all:
            key = (one.method, _ANY if one.address.blanks else one.address.text)
            self._by_address.setdefault(key, []).append(one)

    def answer(self, request: Request, action_id: str | None = None) -> Recorded | Miss:
        """The exchange to play; of a sequence of equal requests in one call the next one, and after the last the first
        again. `action_id`: whose request it is, where that is known."""
        address = host_and_path(request.url)
        # Most addresses have no blanks, so few have to be looked at.
        near = [one for key in (address, _ANY) for one in self._by_address.get((request.method, key), ())]
        good = [(one, found) for one in near if not (found := one.fit(request, address, brief=True)).wrong]
        if not good:
            return nearest_miss(request, self._all, action_id)
        best, found = min(good, key=lambda one: (*_nearness(one[1]), *self._pull(one[0], request), *one[0].plainness))
        equal = [other for other, fits_too in good if fits_too == found]
        group = [
            other
            for other in equal
            if other.case is best.case and other.number == best.number and other.sequence == best.sequence
        ]
        chosen = group[self._turn(best, request) % len(group)] if len(group) > 1 else best
        self._note(chosen, equal, request)
        return chosen

    @property
    def remembered(self) -> int:
        """How many sequences and chains are being played."""
        return len(self._played) + len(self._chains)

    def _pull(self, one: Recorded, request: Request) -> tuple[int, int, int]:
        return self._chains.pull(one.case, one.number, one.client(request, one.telling))

    def _note(self, chosen: Recorded, equal: list[Recorded], request: Request) -> None:
        """Whatever begins with this very answer has begun; which of several it was, the next request will show."""
        begun = [
            other
            for other in equal
            if other.number == 0 and other.case is not chosen.case and other.exchange.answer == chosen.exchange.answer
        ]
        played = (one for one in (*begun, chosen) if one.telling <= steady(one.exchange.expect, one.origins))
        self._chains.note([(one.case, one.number, one.client(request, one.telling)) for one in played])

    def _turn(self, one: Recorded, request: Request) -> int:
        """How often this client has asked the same of this sequence."""
        client = one.client(request, steady(one.exchange.expect, one.origins))
        key = (id(one.case), hash((one.number, one.sequence, client)))
        before = self._played.pop(key, 0)
        self._played[key] = before + 1
        if len(self._played) > _REMEMBERED:
            self._played.popitem(last=False)
        return before


def _nearness(found: Fit) -> tuple[int, bool]:
    return found.blanks, not found.headers
