"""Counts what AWS bills an operation of the store for: request units of DynamoDB, and fetches of secrets.

DynamoDB itself says what an operation consumed, when it is asked (`ReturnConsumedCapacity`); so do its stand-ins. What
they leave out is added: an index that a transaction writes, and a write whose condition did not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Contended, Refused
from engine.storage.aws.tables import TABLES

_KB = 1024
_READS = frozenset({"get_item", "query", "scan", "batch_get_item"})
_INDEXES = {table.name: table.indexes for table in TABLES}


@dataclass
class Meter:
    """`reads` and `writes` in request units; `secrets` in calls; `operations` by name, table and index."""

    reads: float = 0.0
    writes: float = 0.0
    secrets: int = 0
    operations: Counter[str] = field(default_factory=Counter)

    def dynamodb(self, operation: str, asked: Mapping[str, Any], consumed: Any) -> None:
        units = sum(one["CapacityUnits"] for one in (consumed if isinstance(consumed, list) else [consumed]))
        if operation in _READS:
            self.reads += units
        elif operation == "transact_write_items":
            self.writes += units + sum(map(_of_indexes, asked["TransactItems"]))
        else:
            self.writes += units
        index = asked.get("IndexName", "")
        self.operations[" ".join(filter(None, (operation, asked.get("TableName"), index)))] += 1

    def refused(self, operation: str, asked: Mapping[str, Any]) -> None:
        """The condition was looked at, which costs as much as a small write."""
        self.writes += 2 * len(asked["TransactItems"]) if operation == "transact_write_items" else 1
        self.operations[f"{operation} refused"] += 1


def _of_indexes(write: Mapping[str, Any]) -> float:
    """Of a write that puts an item into its indexes for the first time."""
    put = write.get("Put")
    if put is None:
        return 0.0
    keys = (index.partition for index in _INDEXES[put["TableName"]] if index.partition in put["Item"])
    return float(sum(-(-size(put["Item"]) // _KB) for _ in keys))


def size(item: Mapping[str, Any]) -> int:
    """Bytes of an item as DynamoDB counts them: names and values, of a number about half its digits."""
    return sum(len(name) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    return len(content) // 2 + 2 if kind == "N" else len(content.encode() if kind == "S" else content)


@contextmanager
def metered() -> Iterator[Meter]:
    """Counts what all stores of this process do meanwhile."""
    meter, made = Meter(), Aws._made

    def counted(self: Aws, service: str, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if service != "dynamodb":
            meter.secrets += 1
            meter.operations[operation] += 1
            return made(self, service, operation, asked)
        try:
            answer = made(self, service, operation, {**asked, "ReturnConsumedCapacity": "INDEXES"})
        except (Refused, Contended):
            meter.refused(operation, asked)
            raise
        meter.dynamodb(operation, asked, answer["ConsumedCapacity"])
        return answer

    Aws._made = counted  # type: ignore[method-assign]
    try:
        yield meter
    finally:
        Aws._made = made  # type: ignore[method-assign]
