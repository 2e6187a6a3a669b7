"""One call as bars, a stage each: `python -m bench.table` draws docs/images/one-call.svg from the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "images" / "one-call.svg"
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "own": ("the engine's own work", "#4f8cc9"),
    "beside": ("beside it, in threads", "#8a6fc0"),
    "wire": ("the wire, over the loopback", "#d08f4a"),
}
"""What a stage is part of: in words, and its colour."""
_WIDTH, _LEFT, _ROOM, _LINE, _HEAD = 860, 400, 360, 24, 84


def drawn(stages: Sequence[Mapping[str, Any]]) -> str:
    """The whole call as one bar, its stages below; a thin line is twice the standard error to either side."""
    height = _HEAD + len(stages) * _LINE + 24
    longest = max(one["us"] + 2 * one["error"] for one in stages)
    body = [f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#1e1e1e"/>', *_whole(stages)]
    for number, one in enumerate(stages):
        body += _bar(_HEAD + number * _LINE, one, _ROOM / longest)
    style = "text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#d4d4d4}.e{text-anchor:end}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="CPU of one call by stage, in microseconds">\n'
        f"<style>{style}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _whole(stages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One bar of three parts, and under it what they are."""
    parts = {kind: max(sum(one["us"] for one in stages if one["kind"] == kind), 0.0) for kind in KINDS}
    room, x = _WIDTH - 48, 24.0
    for kind, us in parts.items():
        words, colour = KINDS[kind]
        width = room * us / sum(parts.values())
        yield f'<rect x="{x:.1f}" y="20" width="{width:.1f}" height="22" fill="{colour}"/>'
        x += width
    for number, (kind, us) in enumerate(parts.items()):
        words, colour = KINDS[kind]
        left = 24 + number * room / len(parts)
        yield f'<rect x="{left:.1f}" y="52" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{left + 18:.1f}" y="63">{escape(words)}: {us:.0f} µs</text>'


def _bar(top: int, one: Mapping[str, Any], scale: float) -> Iterator[str]:
    us, error = max(one["us"], 0.0), 2 * one["error"]
    middle, end = top + 10, _LEFT + us * scale
    low, high = _LEFT + max(us - error, 0.0) * scale, _LEFT + (us + error) * scale
    yield f'<text x="{_LEFT - 10}" y="{top + 15}" class="e">{escape(one["stage"])}</text>'
    yield f'<rect x="{_LEFT}" y="{top + 2}" width="{us * scale:.1f}" height="16" fill="{KINDS[one["kind"]][1]}"/>'
    yield f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#d4d4d4"/>'
    yield f'<text x="{max(end, high) + 8:.1f}" y="{top + 15}">{us:.1f}</text>'
