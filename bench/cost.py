"""What the service uses on AWS in a month, and what that costs: `python -m bench.cost --calls 1e8 --price NAME=MONEY`.

`FIGURES` are what `tests/aws/test_cost.py` counts. Prices are the reader's: they differ between regions and change, so
none is built in. A month has 30 days.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from engine.diagnostics import unknown
from engine.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one call, message or look. `reads`, `writes`: request units of DynamoDB; `secrets`: fetches; bytes kept in
    tables and indexes for 30 days, and bytes written to the log of the process.
    """

    reads: float
    writes: float
    secrets: int
    stored: int
    logged: int


FIGURES: Final[Mapping[str, tuple[str, Figure]]] = {
    "call": ("a call, read or write, without a key", Figure(5, 3, 0, 1170, 645)),
    "keyed": ("a call with an Idempotency-Key", Figure(5, 6, 0, 1170, 645)),
    "replayed": ("the same key again: the first answer", Figure(2, 1, 0, 0, 0)),
    "refused": ("a call whose input is refused", Figure(1, 2, 0, 1200, 285)),
    "message": ("a provider's message, stored as an event", Figure(2, 8, 0, 665, 240)),
    "delivered": ("that event, delivered to one subscriber", Figure(18, 21, 0, 330, 385)),
    "look": ("a look for something to deliver, in vain", Figure(4, 0, 0, 0, 0)),
    "account": ("more, when a process has not used the account for 5 minutes", Figure(0, 0, 1, 0, 0)),
}

PRICES: Final[Mapping[str, str]] = {
    "dynamodb.read": "read request unit",
    "dynamodb.write": "write request unit",
    "dynamodb.stored": "GB kept for a month",
    "secrets.call": "call of Secrets Manager",
    "secrets.kept": "secret kept for a month",
    "logs.written": "GB written to the log",
    "queue.request": "request to the queue: sent, received, deleted",
    "gateway.request": "request to the HTTP API",
    "lambda.request": "invocation",
    "lambda.gb_second": "GB of memory for a second",
}
"""What AWS has a price for, and the unit that the price is of."""

_GB: Final = 1e9
_SPANS: Final = 30 * 24 * 12
"""Of five minutes, for which a process keeps an account."""
_MINUTES: Final = 30 * 24 * 60


@dataclass(frozen=True, slots=True)
class Month:
    """`keyed`, `replayed`, `refused`: parts of the calls; `messages`: of providers, for each call.

    `processes`: that run on average; `seconds` of an invocation, with `memory` in GB.
    """

    calls: float = 1e6
    keyed: float = 0.3
    replayed: float = 0.01
    refused: float = 0.02
    messages: float = 0.2
    subscribers: float = 1.0
    connections: float = 1000.0
    processes: float = 2.0
    seconds: float = 0.5
    memory: float = 1.0

    def times(self) -> dict[str, float]:
        """How often each of `FIGURES` happens."""
        plain = self.calls * (1 - self.keyed - self.replayed - self.refused)
        messages = self.calls * self.messages
        return {
            "call": plain,
            "keyed": self.calls * self.keyed,
            "replayed": self.calls * self.replayed,
            "refused": self.calls * self.refused,
            "message": messages,
            "delivered": messages * self.subscribers,
            "look": float(_MINUTES),
            "account": min(self.calls, self.connections * self.processes * _SPANS),
        }

    def units(self) -> dict[str, float]:
        """By the names of `PRICES`."""
        times = self.times()

        def total(part: str) -> float:
            return float(sum(getattr(figure, part) * times[name] for name, (_, figure) in FIGURES.items()))

        requests = self.calls * (1 + self.messages)
        rounds = times["delivered"] + times["look"]
        return {
            "dynamodb.read": total("reads"),
            "dynamodb.write": total("writes"),
            "dynamodb.stored": total("stored") / _GB,
            "secrets.call": total("secrets"),
            "secrets.kept": self.connections + 1,
            "logs.written": total("logged") / _GB,
            "queue.request": 3 * times["message"],
            "gateway.request": requests,
            "lambda.request": requests + rounds,
            "lambda.gb_second": (requests + rounds) * self.seconds * self.memory,
        }


def figures_table() -> str:
    """As it stands in docs/operating.md."""
    head = "| what | reads | writes | secrets | bytes kept | bytes logged |\n|---|--:|--:|--:|--:|--:|"
    rows = (
        f"| {text} | {one.reads:g} | {one.writes:g} | {one.secrets} | {one.stored:,} | {one.logged:,} |"
        for text, one in FIGURES.values()
    )
    return "\n".join((head, *rows))


def units_table(*months: Month) -> str:
    """As it stands in docs/operating.md."""
    head = f"| price | of one | {' | '.join(f'{month.calls:,.0f} calls' for month in months)} |\n|---|---|"
    units = [month.units() for month in months]
    rows = (
        f"| `{name}` | {unit} | {' | '.join(_number(one[name]) for one in units)} |" for name, unit in PRICES.items()
    )
    return "\n".join((head + "--:|" * len(months), *rows))


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def costs(month: Month, prices: Mapping[str, float]) -> dict[str, float]:
    """Of what has a price. Raises `SettingsError` for a name that nothing has."""
    for name in prices:
        if name not in PRICES:
            what, hint = unknown("price", name, PRICES)
            raise SettingsError(f"{what} ({hint})")
    units = month.units()
    return {name: units[name] * price for name, price in prices.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each price, and the sum of those that were given."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description="A month on AWS.")
    for one in fields(Month):
        parser.add_argument(f"--{one.name}", type=float, default=one.default, help=f"({one.default:g})")
    parser.add_argument("--price", action="append", default=[], metavar="NAME=MONEY", help=f"{', '.join(PRICES)}")
    given = vars(parser.parse_args(arguments))
    texts = given.pop("price")
    try:
        prices = {name: float(money) for name, _, money in (text.partition("=") for text in texts)}
        found = costs(Month(**given), prices)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"bench.cost: {error}\n")
        return 2
    for name, amount in Month(**given).units().items():
        sys.stdout.write(f"{name:<18}{_number(amount):>18}  {_money(found.get(name))}\n")
    missing = [name for name in PRICES if name not in prices]
    sys.stdout.write(f"{'sum':<36}  {_money(sum(found.values()))}\n")
    sys.stdout.write(f"without a price: {', '.join(missing)}\n" if missing else "")
    return 0


def _money(amount: float | None) -> str:
    return "-" if amount is None else f"{amount:,.2f}"


if __name__ == "__main__":
    sys.exit(main())
