"""What a migration has found and done. Nothing in it is a secret: ids, counts and digests of what is no secret."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.frozen import frozen
from engine.migration.rows import Row

SHOWN: Final = 100
_MODULUS: Final = 1 << 256


@dataclass
class Sum:
    """How many rows, and the sum of their digests, which does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def add(self, one: Row) -> None:
        self.rows += 1
        self.digest = (self.digest + int.from_bytes(one.digest)) % _MODULUS


@frozen
class Difference:
    """`what`: is missing, differs, or is only in the target."""

    tenant: str
    kind: str
    row: str
    what: str

    def __str__(self) -> str:
        of = f"{self.tenant}: " if self.tenant else ""
        return f"{of}{self.kind}: {self.row} {self.what}"


@dataclass
class Part:
    """One kind of one tenant, verified. `older`: rows that only the target has still."""

    source: Sum = field(default_factory=Sum)
    target: Sum = field(default_factory=Sum)
    older: int = 0

    @property
    def is_equal(self) -> bool:
        return self.source == self.target


@dataclass
class Progress:
    """Changes while it runs; `on_change` is called then. `rows` were looked at, `moved` of them written."""

    step: str = "moving"
    tenants: int = 0
    tenants_done: int = 0
    rows: int = 0
    moved: int = 0
    on_change: Callable[[Progress], None] = lambda _: None

    def begin(self, step: str, tenants: int) -> None:
        self.step, self.tenants, self.tenants_done, self.rows = step, tenants, 0, 0
        self.on_change(self)

    def count(self, *, rows: int = 0, moved: int = 0, tenants: int = 0) -> None:
        self.rows += rows
        self.moved += moved
        self.tenants_done += tenants
        self.on_change(self)


@dataclass
class Report:
    """`parts` by (tenant, kind); of `differences` the first `SHOWN` are kept, `differing` counts all."""

    parts: dict[tuple[str, str], Part] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    differing: int = 0
    refused: list[str] = field(default_factory=list)
    """What the target can't hold, and why."""

    @property
    def is_equal(self) -> bool:
        return not self.differing and all(part.is_equal for part in self.parts.values())

    def differ(self, difference: Difference) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(difference)

    def totals(self) -> dict[str, tuple[int, int, int]]:
        """By kind: rows of the source, those of them in the target, rows that only the target has still."""
        found: dict[str, tuple[int, int, int]] = {}
        for (_, kind), part in self.parts.items():
            known = found.get(kind, (0, 0, 0))
            found[kind] = (known[0] + part.source.rows, known[1] + part.target.rows, known[2] + part.older)
        return found

    def unequal(self) -> dict[str, list[str]]:
        """Tenants by the kinds in which their counts or digests differ."""
        found: dict[str, list[str]] = defaultdict(list)
        for (tenant, kind), part in self.parts.items():
            if not part.is_equal:
                found[kind].append(tenant)
        return found
