"""A line of the benchmark's table: ours, what it is held against, and how far that is from where it should be."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.measure import MIN_ROUNDS, Comparison


@dataclass(frozen=True, slots=True)
class Target:
    """Ratios to stay below."""

    must: float | None = None
    goal: float | None = None
    moonshot: float | None = None

    def reached(self, ratio: float | None) -> str:
        """`moonshot`, `goal`, `must`, `missed`, or nothing where nothing was set."""
        if ratio is None or self.must is None:
            return ""
        for name, limit in (("moonshot", self.moonshot), ("goal", self.goal), ("must", self.must)):
            if limit is not None and ratio <= limit:
                return name
        return "missed"


WIDTHS: Final[Mapping[int, tuple[str, Target]]] = {
    1: ("one after the other", Target(must=1.0, goal=0.5, moonshot=0.25)),
    32: ("32 in flight", Target(must=2.0, goal=1.2, moonshot=1.0)),
}
"""Calls under way; how near the engine is to come to what a developer would write by hand."""


def sized(calls: int, scale: float) -> int:
    """How many calls a turn has."""
    return max(round(calls * scale), 1)


@dataclass(frozen=True, slots=True)
class Row:
    """`ours` and `baseline` in `unit`; `ratio` = ours / baseline, median of rounds; `spread`: its quartiles.

    `control` is the baseline against itself (A/A), in the same rounds. None where there is nothing of the kind, for
    example for memory in use. `area` is the heading of the table that the row stands in; `against` names the baseline.
    """

    area: str
    name: str
    against: str
    ours: float
    baseline: float | None = None
    ratio: float | None = None
    control: float | None = None
    spread: tuple[float, float] | None = None
    unit: str = "µs"
    must: float | None = None
    goal: float | None = None
    moonshot: float | None = None
    note: str = ""

    @classmethod
    def compared(
        cls, area: str, name: str, against: str, found: Comparison, target: Target | None = None, note: str = ""
    ) -> Row:
        """From what `bench.measure.compare` found: CPU µs per call."""
        limits = target or Target()
        return cls(
            area,
            name,
            against,
            ours=found.candidate.median,
            baseline=found.baseline.median,
            ratio=found.ratio.median,
            control=found.control.median,
            spread=(found.ratio.low, found.ratio.high),
            must=limits.must,
            goal=limits.goal,
            moonshot=limits.moonshot,
            note=note,
        )

    @property
    def reached(self) -> str:
        return Target(self.must, self.goal, self.moonshot).reached(self.ratio)

    @property
    def line(self) -> str:
        """For who waits for the next one."""
        found = f"{self.ours:.3g} {self.unit}"
        if self.ratio is not None:
            found = f"{self.ratio:.3f}, against {self.against} {self.reached}".rstrip()
        return f"{self.area}: {self.name}: {found}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Row:
        spread = found["spread"]
        known = {name: value for name, value in found.items() if name != "part"}
        return cls(**{**known, "spread": None if spread is None else (spread[0], spread[1])})


def told(rows: Callable[..., Iterable[Row]], about: str | None) -> int:
    """The command of a part: measures it and prints a line for each row. `about`: its docstring."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help="more rounds, steadier medians")
    parser.add_argument("--scale", type=float, default=1.0, help="calls per turn, specs and executions, times this")
    options = parser.parse_args()
    for row in rows(rounds=options.rounds, scale=options.scale):
        print(row.line, flush=True)
    return 0
