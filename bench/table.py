"""The results of `make bench` as tables: `python -m bench.table` writes them into README.md and docs/performance.md.

The tables stand between `<!-- bench -->` and `<!-- /bench -->` there, and come from `bench/results/latest.json` alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.peers import NAMES
from bench.picture import KINDS, PICTURE, drawn
from bench.rows import WIDTHS, Row
from bench.transports import AREA, matrix

ROOT: Final = Path(__file__).resolve().parents[1]
LATEST: Final = ROOT / "bench" / "results" / "latest.json"
README: Final = ROOT / "README.md"
PAGE: Final = ROOT / "docs" / "performance.md"
_PLACE: Final = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)


def readme(found: Mapping[str, Any]) -> str:
    """CPU per call beside every peer, at both widths, and the rows that have a target; short, for who reads on."""
    names = [line["name"] for line in _by_ratio(found["lines"], 1)]
    peers = [["CPU per call", *map(_label, names)], ["---", *(["---:"] * len(names))]]
    for width, (text, target) in WIDTHS.items():
        lines = _by_ratio(found["lines"], width)
        cells = [_ratio(line) if (line := _named(lines, name)) else "1" for name in names]
        peers.append([f"{text} (must {target.must:g}, goal {target.goal:g})", *cells])
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
    for width, (text, _) in WIDTHS.items():
        parts += [f"### Beside its peers, {text}", "", *_peers(found["lines"], width), ""]
    rows = [Row.from_json(row) for row in found["rows"]]
    for area in dict.fromkeys(row.area for row in rows):
        lines = (matrix if area == AREA else _rows)([row for row in rows if row.area == area])
        parts += [f"### {area}", "", *lines, ""]
    parts += ["### Where each microsecond of a call goes", "", *_profile(found["profile"]), "", _where(found)]
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
    _, target = WIDTHS[width]
    ours = _named(_by_ratio(lines, width), "engine")
    reached = target.reached(ours["ratio"]["median"] if ours else None).replace("missed", "none")
    return f"must {target.must:g}, goal {target.goal:g}, moonshot {target.moonshot:g}. Reached: {reached}."


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


def _profile(found: Mapping[str, Any]) -> list[str]:
    """CPU µs by stage; the last line is the call."""
    stages = found["stages"]
    whole = sum(one["us"] for one in stages)
    rows = [(_stage(one), f"{one['us']:.1f}", f"{one['error']:.1f}", f"{one['us'] / whole:.0%}") for one in stages]
    counted = f"{found['samples']:,} samples of {found['calls']:,} calls; ± is one standard error."
    return [
        f"![CPU of one call by stage](images/{PICTURE.name})",
        "",
        *map(_line, (("stage", "µs", "±", "share"), ("---", "---:", "---:", "---:"), *rows)),
        _line(("**one call over the loopback**", f"{whole:.0f}", "", "")),
        "",
        f"{counted} Of the engine's own work the kernel has {found['kernel']:.0f} µs.",
    ]


def _stage(one: Mapping[str, Any]) -> str:
    return one["stage"] if one["kind"] == "own" else f"{KINDS[one['kind']][0]}: {one['stage']}"


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
    PICTURE.write_text(drawn(found["profile"]["stages"]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
