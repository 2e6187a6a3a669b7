"""Draws docs/images/editor.svg from what the language server answers. Run `python -m tests.editor.picture`."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

from engine.locations import schemas_dir
from tests.editor.language_server import Editor, editing

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "editor.svg"
_WIDTH, _LINE, _CHAR, _LEFT = 860, 21, 8.43, 62
_SHOWN = 9

COMPLETION = """\
actions:
  - actionId: create_order
    category: write
    description: Books one parcel; the freight is charged at once.
    idempotency: ¦"""

HOVER = """\
errors:
  - by: code
    codes: {SHOP_NOT_FOUND: INVALID_INPUT}
  - status: 409
    code: CONFLICT
    not¦Processed: true"""

MISTAKES = """\
actions:
  - actionId: create_order
    category: wirte
    desciption: Books one parcel; it costs freight.
    rateLimit: "100\""""


def draw(editor: Editor, folder: Path) -> str:
    """The picture: completion, hover and diagnostics, one below the other."""
    panels = [_completion(editor, folder), _hover(editor, folder), _mistakes(editor, folder)]
    body, top = [], 10
    for title, lines, overlay, height in panels:
        body += [f'<g transform="translate(0 {top})">', *_window(title, lines, height), *overlay, "</g>"]
        top += height + 16
    style = (
        "text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d4d4d4;white-space:pre}"
        ".k{fill:#9cdcfe}.n{fill:#6e7681}.t{fill:#8b949e;font-size:12px}.d{fill:#c9d1d9;font-size:12.5px}"
        ".e{fill:#f48771;font-size:12.5px}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" xml:space="preserve" role="img" '
        'aria-label="Completion, hover and underlined mistakes in an editor">\n'
        f"<style>{style}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


_Panel = tuple[str, list[str], list[str], int]


def _completion(editor: Editor, folder: Path) -> _Panel:
    text, line, column = _cursor(COMPLETION)
    path = _written(folder, "completion", text)
    editor.open(path)
    items = editor.complete(path, _HEAD.count("\n") + line, column)[:_SHOWN]
    lines = text.split("\n")
    x, y = _LEFT + (column - 1) * _CHAR, 34 + line * _LINE
    overlay = [_box(x, y, 170, len(items) * _LINE + 8)]
    overlay += [_text(x + 10, y + 18 + i * _LINE, item["label"]) for i, item in enumerate(items)]
    return "completion: the values of a key", lines, overlay, 60 + (len(lines) + len(items)) * _LINE


def _hover(editor: Editor, folder: Path) -> _Panel:
    text, line, column = _cursor(HOVER)
    path = _written(folder, "hover", text)
    editor.open(path)
    shown = editor.hover(path, _HEAD.count("\n") + line, column)
    said = [row for part in _plain(shown) for row in textwrap.wrap(part, 88) or [""]]
    lines = text.split("\n")
    x, y = _LEFT + 4 * _CHAR, 34 + line * _LINE
    overlay = [_box(x, y, 690, len(said) * 19 + 12)]
    overlay += [_text(x + 10, y + 20 + i * 19, row, "d") for i, row in enumerate(said)]
    return "hover: what a key means, with an example", lines, overlay, 64 + len(lines) * _LINE + len(said) * 19


def _mistakes(editor: Editor, folder: Path) -> _Panel:
    path = _written(folder, "mistakes", MISTAKES)
    lines = MISTAKES.split("\n")
    above = _HEAD.count("\n")
    overlay = []
    for found in editor.open(path):
        start, end = found["range"]["start"], found["range"]["end"]
        row = start["line"] - above
        if not 0 <= row < len(lines) or "Missing" in found["message"]:
            continue
        x, y = _LEFT + start["character"] * _CHAR, 34 + row * _LINE + 22
        width = (end["character"] - start["character"]) * _CHAR
        waves = "".join(f"q2 {-3 if i % 2 else 3} 4 0" for i in range(max(2, int(width / 4))))
        overlay.append(f'<path d="M{x:.0f} {y} {waves}" stroke="#f14c4c" fill="none"/>')
        overlay.append(_text(_LEFT + (len(lines[row]) + 2) * _CHAR, y - 4, found["message"], "e"))
    return "mistakes are underlined while you type", lines, overlay, 60 + len(lines) * _LINE


_HEAD = """\
# yaml-language-server: $schema=../../schemas/integration.schema.json
specVersion: 1
"""


def _cursor(text: str) -> tuple[str, int, int]:
    """The text without its cursor, and the cursor's line and column in it."""
    before, after = text.split("¦")
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


def _written(folder: Path, name: str, text: str) -> Path:
    path = folder / "specs" / "shipping-acme" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_HEAD + text + "\n", encoding="utf-8")
    return path


def _plain(markdown: str) -> list[str]:
    """The lines of a hover without its marks, from after the title to before the source."""
    lines = markdown.split("\n\nSource:", maxsplit=1)[0].split("\n")[1:]
    kept = [re.sub(r"[`\\]", "", line) for line in lines if not line.startswith("```")]
    return [line for line in kept if line.strip()]


def _window(title: str, lines: list[str], height: int) -> list[str]:
    made = [f'<rect x="10" width="{_WIDTH - 20}" height="{height}" rx="8" fill="#1e1e1e"/>', _text(24, 20, title, "t")]
    for i, line in enumerate(lines):
        y = 34 + i * _LINE + 16
        made.append(_text(28, y, str(i + 1), "n"))
        key = re.match(r"(\s*(?:- )?)([\w$]+:)(.*)", line)
        pieces = [(0, line, "")] if key is None else [(key.start(i), key[i], "k" if i == 2 else "") for i in (1, 2, 3)]
        for start, piece, kind in pieces:
            shown = piece.lstrip()
            if shown:  # each piece has its own place: nobody's font is as wide as ours
                made.append(_text(_LEFT + (start + len(piece) - len(shown)) * _CHAR, y, shown, kind))
    return made


def _box(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width}" height="{height}" rx="3" fill="#252526" stroke="#555"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named}>{escape(text)}</text>'


def main() -> None:
    node = shutil.which("node")
    if node is None:
        sys.exit("node is not installed")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(schemas_dir(), Path(folder) / "schemas")
        with editing(node, Path(folder)) as editor:
            PICTURE.write_text(draw(editor, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
