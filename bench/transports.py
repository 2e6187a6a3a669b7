"""What lies under the transport interface, beside what could: one prepared request through each of them.

    python -m bench.transports [--rounds 9] [--scale 1.0]

Each works in a process of its own and is asked for status, headers and the whole body, no more. Every turn of theirs
stands between two turns of ours; a ratio is ours / theirs, so below 1 ours takes less CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

from bench.certificate import certified
from bench.jobs import FEE, LONG
from bench.measure import MIN_ROUNDS, Figure
from bench.peers import PEERS
from bench.rows import WIDTHS, Row, told
from bench.upstream import upstream
from bench.worker import Took, working

AREA: Final = "Under the transport interface, ours / theirs"
ITSELF: Final = "itself"
CLIENTS: Final[Mapping[str, str]] = {
    "aiohttp_session": "aiohttp",
    "httpx_aiohttp_transport": "httpx-aiohttp, its transport alone",
    "httpx2_client": "httpx2.AsyncClient",
    "httpx2_transport": "httpx2, its transport alone",
    "pyreqwest_client": "pyreqwest",
    "pycurl_easy": "pycurl, in threads",
    "urllib3_pool": "urllib3, in threads",
}
_OWN: Final = "own"
_SECONDS: Final = 0.04
"""About how long a turn takes."""


class Runs(Protocol):
    """A contestant's process (`bench.worker.Worker`)."""

    def run(self, calls: int) -> Took: ...


def rows(*, rounds: int = MIN_ROUNDS, scale: float = 1.0) -> Iterator[Row]:
    """A row for each client at each job and width, and one of ours beside itself; turns grow with `scale`."""
    with certified() as tls:
        for job, name, files in ((FEE, "612 bytes", None), (LONG, "112 kB", None), (FEE, "612 bytes over TLS", tls)):
            with upstream(job, files) as origin:
                for width, (text, _) in WIDTHS.items():
                    yield from measured(origin, f"{name}, {text}", width, CLIENTS, rounds, _SECONDS * scale)


def measured(
    origin: str, name: str, width: int, clients: Mapping[str, str], rounds: int, seconds: float
) -> Iterator[Row]:
    """Ours beside itself and beside these, in turns of about `seconds`. `clients`: modules and their names."""
    with ExitStack() as stack:

        def hired(module: str) -> Runs:
            python = Path(sys.executable) if module == _OWN else PEERS
            return stack.enter_context(working(python, f"wire.{module}", origin, width))

        others = {ITSELF: hired(_OWN), **{text: hired(module) for module, text in clients.items()}}
        yield from beside(hired(_OWN), others, name, rounds=rounds, seconds=seconds, least=2 * width)


def beside(
    own: Runs, others: Mapping[str, Runs], name: str, *, rounds: int, seconds: float, least: int
) -> Iterator[Row]:
    """`least`: so many calls at least in a turn."""
    own_calls = _calls(own, seconds, least)
    calls = {against: _calls(other, seconds, least) for against, other in others.items()}
    took: dict[str, list[tuple[float, float]]] = {against: [] for against in others}
    before = own.run(own_calls)
    for _ in range(rounds):
        for against, other in others.items():
            theirs = other.run(calls[against])
            after = own.run(own_calls)
            took[against].append(((before.cpu + after.cpu) / 2, theirs.cpu))
            before = after
    for against, turns in took.items():
        yield _row(name, against, turns)


def _row(name: str, against: str, turns: list[tuple[float, float]]) -> Row:
    ratio = Figure.of([ours / theirs for ours, theirs in turns])
    ours, theirs = (Figure.of(list(side)).median for side in zip(*turns, strict=True))
    return Row(AREA, name, against, ours, theirs, ratio.median, spread=(ratio.low, ratio.high))


def _calls(worker: Runs, seconds: float, least: int) -> int:
    """As many as take about that long, after a warm-up."""
    pilot = max(least, 40)
    worker.run(pilot)
    return max(round(seconds * 1e6 / worker.run(pilot).wall), least)


def matrix(rows: Sequence[Row]) -> list[str]:
    """As Markdown: a line for each client, a column for each job and width; the last line is what ours takes."""
    names = list(dict.fromkeys(row.name for row in rows))
    found = {(row.against, row.name): row for row in rows}
    lines = [
        ["against", *names],
        ["---", *["---:"] * len(names)],
        *(
            [one, *(f"{found[one, name].ratio:.2f}" for name in names)]
            for one in dict.fromkeys(row.against for row in rows)
        ),
        ["**ours**, µs", *(f"{found[ITSELF, name].ours:.0f}" for name in names)],
    ]
    return [f"| {' | '.join(cells)} |" for cells in lines]


if __name__ == "__main__":
    sys.exit(told(rows, __doc__))
