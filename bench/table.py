"""The results of `make bench` as tables: `python -m bench.table` writes them into README.md and docs/performance.md.

They stand between `<!-- bench -->` and `<!-- /bench -->` there, and come from `bench/results/latest.json` alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.peers import NAMES
from bench.rows import Row

ROOT: Final = Path(__file__).resolve().parents[1]
LATEST: Final = ROOT / "bench" / "results" / "latest.json"
README: Final = ROOT / "README.md"
PAGE: Final = ROOT / "docs" / "performance.md"
_PLACE: Final = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
_WIDTHS: Final[Mapping[int, tuple[str, Mapping[str, float]]]] = {
    1: ("one after the other", {"moonshot": 0.25, "goal": 0.5, "must": 1.0}),
    32: ("32 in flight", {"moonshot": 1.0, "goal": 1.2, "must": 2.0}),
}


def readme(found: Mapping[str, Any]) -> str:
    """CPU per call beside every peer, at both widths, and the rows that have a target; short, for who reads on."""
    names = [line["name"] for line in _by_ratio(found["lines"], 1)]
    peers = [["CPU per call", *map(_label, names)], ["---", *(["---:"] * len(names))]]
    for width, (text, limits) in _WIDTHS.items():
        lines = _by_ratio(found["lines"], width)
        cells = [_ratio(line) if (line := _named(lines, name)) else "1" for name in names]
        peers.append([f"{text} (must {limits['must']:g}, goal {limits['goal']:g})", *cells])
    rows = [row for row in map(Row.from_json, found["rows"]) if row.must is not None and _is_telling(row)]
    others = [
        ["", *(_SHORT.get(row.area, row.area) + f": {row.name}" for row in rows)],
        ["---", *(["---:"] * len(rows))],
        ["ratio", *(_number(row.ratio) for row in rows)],
        ["must / goal", *(f"{row.must:g} / {row.goal:g}" for row in rows)],
    ]
    return "\n".join([*map(_line, peers), "", *map(_line, others)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_LOG: Final = "The log of calls"
_SHORT: Final = {"Own work, the answer from memory": "own work", "Serving `POST /execute` over HTTP": "serving"}


def _is_telling(row: Row) -> bool:
    """Of the log, which has many rows, what every call does, beside the most."""
    return row.area != _LOG or row.name == "one call more, beside 1,000,000"


def page(found: Mapping[str, Any]) -> str:
    """Everything that was measured."""
    parts = []
    for width, (text, _) in _WIDTHS.items():
        parts += [f"### Beside its peers, {text}", "", *_peers(found["lines"], width), ""]
    rows = [Row.from_json(row) for row in found["rows"]]
    for area in dict.fromkeys(row.area for row in rows):
        parts += [f"### {area}", "", *_rows([row for row in rows if row.area == area]), ""]
    parts += ["### Where the time of one call goes", "", *_profile(found["profile"]), "", _where(found)]
    return "\n".join(parts) + "\n"


def _by_ratio(lines: Sequence[Mapping[str, Any]], width: int) -> list[Mapping[str, Any]]:
    return sorted((line for line in lines if line["width"] == width), key=lambda line: line["ratio"]["median"])


def _named(lines: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return next((line for line in lines if line["name"] == name), None)


def _label(name: str) -> str:
    return "the baseline against itself" if name == "control" else NAMES[name]


def _ratio(line: Mapping[str, Any]) -> str:
    return f"{line['ratio']['median']:.2f}"


def _peers(lines: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    rows = ["| who | ratio | quartiles | µs | calls/s |", "|---|---:|---:|---:|---:|"]
    for line in _by_ratio(lines, width):
        ratio, cpu, rate = line["ratio"], line["cpu"]["median"], line["rate"]["median"]
        spread = f"{ratio['low']:.2f}-{ratio['high']:.2f}"
        rows.append(f"| {_label(line['name'])} | {ratio['median']:.2f} | {spread} | {cpu:.0f} | {rate:,.0f} |")
    return [*rows, "", f"Targets: {_targets(lines, width)}"]


def _targets(lines: Sequence[Mapping[str, Any]], width: int) -> str:
    _, limits = _WIDTHS[width]
    ours = _named(_by_ratio(lines, width), "engine")
    reached = next((name for name, limit in limits.items() if ours and ours["ratio"]["median"] <= limit), "none")
    targets = ", ".join(f"{name} {limit:g}" for name, limit in reversed(list(limits.items())))
    return f"{targets}. Reached: {reached}."


def _rows(rows: Sequence[Row]) -> list[str]:
    head = "| what | against | ratio | A/A | ours | theirs | must / goal / moonshot | reached |"
    lines = [head, "|---|---|---:|---:|---:|---:|---:|---|"]
    for row in rows:
        name = row.name + (f" ({row.note})" if row.note else "")
        cells = (
            name,
            row.against,
            _number(row.ratio),
            _number(row.control),
            f"{_amount(row.ours)} {row.unit}",
            f"{_amount(row.baseline)} {row.unit}" if row.baseline is not None else "",
            " / ".join(f"{limit:g}" for limit in (row.must, row.goal, row.moonshot) if limit is not None),
            row.reached,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value >= 0.095 else f"{value:.4f}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _profile(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["| stage | share |", "|---|---:|", *(f"| {one['stage']} | {one['share']:.0%} |" for one in stages)]


def _where(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"Measured with `make bench`: Python {found['python']}, {found['cpu']}, {found['cores']} cores; {versions}."


def written(text: str, table: str) -> str:
    """The text with the table in its place. Raises ValueError where there is none."""
    if not _PLACE.search(text):
        raise ValueError("the text has no place for the table: <!-- bench --> and <!-- /bench -->")
    return _PLACE.sub(lambda _: "\n" + table + "\n", text)


def main() -> int:
    found = json.loads(LATEST.read_text(encoding="utf-8"))
    for file, table in ((README, readme(found)), (PAGE, page(found))):
        file.write_text(written(file.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
