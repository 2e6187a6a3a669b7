"""Families of figures in the text format 0.0.4 that Prometheus scrapes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Counts(Protocol):
    """A histogram: counts per bucket (the last above all bounds), and the sum of what was counted."""

    @property
    def counts(self) -> Sequence[int]: ...

    @property
    def total(self) -> float: ...


def counter(name: str, meaning: str, labels: Labels, values: Mapping[Labels, int]) -> str:
    return _family(name, "counter", meaning, _plain(name, labels, values))


def gauge(name: str, meaning: str, labels: Labels, values: Mapping[Labels, int]) -> str:
    return _family(name, "gauge", meaning, _plain(name, labels, values))


def histogram(name: str, meaning: str, bounds: Sequence[float], values: Mapping[str, Counts]) -> str:
    """A histogram by integration; the buckets of the text are cumulative."""
    return _family(name, "histogram", meaning, _buckets(name, bounds, values))


def _family(name: str, kind: str, meaning: str, lines: Iterable[str]) -> str:
    return "\n".join((f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *lines, ""))


def _plain(name: str, labels: Labels, values: Mapping[Labels, int]) -> Iterator[str]:
    for found in sorted(values):
        yield f"{name}{_labels(zip(labels, found, strict=True))} {values[found]}"


def _buckets(name: str, bounds: Sequence[float], values: Mapping[str, Counts]) -> Iterator[str]:
    for integration in sorted(values):
        one, seen = values[integration], 0
        for bound, count in zip((*map(repr, bounds), "+Inf"), one.counts, strict=True):
            seen += count
            yield f"{name}_bucket{_labels([('integration', integration), ('le', bound)])} {seen}"
        own = _labels([("integration", integration)])
        yield f"{name}_sum{own} {one.total!r}"
        yield f"{name}_count{own} {seen}"


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{{{written}}}" if written else ""
