"""How far each client has played the cases of several calls, so that the sandbox remembers what was done.

After `create` of a case "create, status, cancel, status" the same client's `status` is answered by the second call,
after `cancel` by the fourth. A chain goes on by one call or stays where it is; what skips a call is no continuation,
for the parcel that nobody cancelled must not read as cancelled. At its end a chain stays in its last state until its
first call is played again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import count

from engine.cases.model import Case
from engine.cases.origins import Origins

_REMEMBERED = 1024  # chains that are being played

Client = tuple[str, ...]
"""The values of the headers that tell accounts apart."""


def telling(case: Case, origins: Sequence[Origins]) -> frozenset[str]:
    """Names of the headers, in lower case, that all requests of a case tell their account by.

    Signatures and times are another each time; a login that has none of these headers is nobody's.
    """
    named = [
        names
        for turn, made in zip(case.turns, origins, strict=True)
        for exchange in turn.exchanges
        if (names := steady(exchange.expect, made))
    ]
    return frozenset.intersection(*named) if named else frozenset()


def steady(expect: Mapping[str, object], origins: Origins) -> frozenset[str]:
    """The names of the expected headers whose values stay the same from request to request."""
    headers = expect.get("headers", {})
    assert isinstance(headers, Mapping)  # the schema of cases says so
    return frozenset(name.lower() for name, value in headers.items() if not origins.is_fresh(value))


class Chains:
    """A bounded memory of (client, case) → the call that was last answered."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[Client, int], tuple[int, int]] = OrderedDict()
        self._moments = count(1)

    def pull(self, case: Case, number: int, client: Client) -> tuple[int, int, int]:
        """How strongly a chain asks for its call of that number to be played next; smaller is stronger.

        Of several chains the one that this client played last, and going on before staying.
        """
        at, moment = self._at.get((client, id(case)), (-2, 0))
        return (0, -moment, int(number == at)) if number in (at, at + 1) and len(case.turns) > 1 else (1, 0, 0)

    def note(self, played: Sequence[tuple[Case, int, Client]]) -> None:
        """These calls were answered, by one answer."""
        moment = next(self._moments)
        for case, number, client in played:
            if len(case.turns) > 1:
                self._at[client, id(case)] = number, moment
                self._at.move_to_end((client, id(case)))
        while len(self._at) > _REMEMBERED:
            self._at.popitem(last=False)

    def __len__(self) -> int:
        return len(self._at)
