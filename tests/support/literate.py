"""The pages of the diagnostic codes, read as tests: examples of specs with the findings written below the lines.

A fence says what its block is: ```yaml wrong, ```yaml right and, behind that,

    (nothing)        its top-level keys replace those of the base spec (pages/base.yaml)
    read, write      its keys replace those of the base's first (second) action
    file             it is the whole file
    cases            it is a file of cases: of the block before it where that is a spec, else of the base spec
    escaped          \\x00, \\u200b, \\r and \\t in it stand for bytes and characters

A finding is expected below its line, and such lines are taken out before anything is read:

    #     ^^^^^ QRY001          at these columns
    # at 1-7 SPEC001            at these columns of the line above (where no caret can stand)
    # at 3:1-7 SPEC001          of line 3 of the block
    # elsewhere SPEC002         in a part of the file that is not in the block

`# without hosts` takes that section of the base away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "tools" / "spec-lint" / "spec_lint" / "pages"

_FENCE = re.compile(r"^```yaml (wrong|right)((?: [a-z]+)*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CARETS = re.compile(r"#( *)(\^+) ([A-Z]+[0-9]{3})")
_AT = re.compile(r"# at (?:([0-9]+):)?([0-9]+)-([0-9]+) ([A-Z]+[0-9]{3})")
_ELSEWHERE = re.compile(r"# elsewhere ([A-Z]+[0-9]{3})")
_WITHOUT = re.compile(r"# without (\w+)")
_KEY = re.compile(r"[A-Za-z$_][\w$]*(?=:)|\"[^\"]*\"(?=:)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(r)|(t))")
_ACTIONS = {"read": 0, "write": 1}
KINDS = frozenset({"read", "write", "file", "cases", "escaped"})

Place = tuple[int, int, int] | None
"""Line of the block, first and last column; None: not in the block."""


@dataclass(frozen=True)
class Block:
    """One fenced block, without the lines that say what is expected."""

    is_wrong: bool
    kinds: frozenset[str]
    lines: tuple[str, ...]
    expected: frozenset[tuple[str, Place]]


@dataclass(frozen=True)
class Example:
    """A spec block, a block of cases, or both."""

    spec: Block | None
    cases: Block | None = None

    @property
    def is_wrong(self) -> bool:
        block = self.spec or self.cases
        assert block is not None
        return block.is_wrong


@dataclass(frozen=True)
class Written:
    """A file made of a block; `origins` says which line of the block each of its lines is, and how far it was moved
    to the right."""

    content: bytes
    origins: tuple[tuple[int, int] | None, ...] = field(default=())

    def place(self, line: int, column: int, length: int) -> Place:
        origin = self.origins[line - 1] if 0 < line <= len(self.origins) else None
        return origin and (origin[0], column - origin[1], column - origin[1] + length - 1)


def examples(page: str) -> list[Example]:
    made: list[Example] = []
    for match in _FENCE.finditer(page):
        block = _block(match[1] == "wrong", frozenset(match[2].split()), match[3])
        if "cases" not in block.kinds:
            made.append(Example(block))
        elif made and made[-1].cases is None and made[-1].is_wrong is block.is_wrong:
            made[-1] = Example(made[-1].spec, block)
        else:
            made.append(Example(None, block))
    return made


def _block(is_wrong: bool, kinds: frozenset[str], text: str) -> Block:
    assert kinds <= KINDS, f"not known behind a fence: {sorted(kinds - KINDS)}"
    lines: list[str] = []
    expected: set[tuple[str, Place]] = set()
    for line in text.splitlines():
        found = _expectation(line, len(lines))
        if found:
            expected.add(found)
        else:
            lines.append(line)
    return Block(is_wrong, kinds, tuple(lines), frozenset(expected))


def _expectation(line: str, above: int) -> tuple[str, Place] | None:
    if carets := _CARETS.fullmatch(line):
        start = len(carets[1]) + 2
        return carets[3], (above, start, start + len(carets[2]) - 1)
    if at := _AT.fullmatch(line):
        return at[4], (int(at[1] or above), int(at[2]), int(at[3]))
    if elsewhere := _ELSEWHERE.fullmatch(line):
        return elsewhere[1], None
    assert not re.match(r"# (?:at|elsewhere)\b|# *\^", line), f"an expectation that can't be read: {line}"
    return None


# --- files out of blocks ---


def write(block: Block | None, base: str) -> Written:
    """The base spec (or cases) with the block's sections in place of its own; or the block as the whole file."""
    if block is None:
        return Written(base.encode(), tuple(None for _ in base.splitlines()))
    if block.kinds & {"file", "cases"}:
        text = "".join(f"{line}\n" for line in block.lines).encode()
        return Written(_unescaped(block, text), tuple((number, 0) for number in range(1, len(block.lines) + 1)))
    action = next((_ACTIONS[kind] for kind in block.kinds if kind in _ACTIONS), None)
    composed = list(_composed(base.splitlines(), block.lines, action))
    content = "".join(f"{line}\n" for line, _ in composed).encode()
    return Written(_unescaped(block, content), tuple(origin for _, origin in composed))


def _unescaped(block: Block, content: bytes) -> bytes:
    return _ESCAPE.sub(_character, content) if "escaped" in block.kinds else content


def _character(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].decode())
    return chr(int(match[2], 16)).encode(errors="surrogatepass") if match[2] else b"\r" if match[3] else b"\t"


_Line = tuple[str, tuple[int, int] | None]


def _composed(base: list[str], block: Sequence[str], action: int | None) -> Iterator[_Line]:
    """The lines of the file with their origins."""
    indent = 0 if action is None else 4
    start, end = (0, len(base)) if action is None else _action(base, action)
    own = _sections([(line, (number, indent)) for number, line in enumerate(block, 1)])
    old = _sections([(line[indent:] if line.strip() else line, None) for line in base[start:end]])
    merged = {"": own.pop("", []), **old, **own}
    for line in block:
        if without := _WITHOUT.fullmatch(line):
            merged.pop(without[1], None)
    is_first = action is not None
    yield from ((line, None) for line in base[:start])
    for lines in merged.values():
        for line, origin in lines:
            is_key = is_first and bool(_KEY.match(line))
            yield ("  - " if is_key else " " * indent) + line if line else line, origin
            is_first = is_first and not is_key
    yield from ((line, None) for line in base[end:])


def _action(base: list[str], number: int) -> tuple[int, int]:
    """The lines of one action of the base spec."""
    starts = [i for i, line in enumerate(base) if line.startswith("  - actionId:")]
    return starts[number], [*starts, len(base)][number + 1]


def _sections(lines: Iterable[_Line]) -> dict[str, list[_Line]]:
    """The lines by the key that they belong to; a comment belongs to the key below it."""
    made: dict[str, list[_Line]] = {}
    waiting: list[_Line] = []
    name = ""
    for line in lines:
        key = _KEY.match(line[0])
        if key:
            # A key that stands twice is the example's mistake: both stay.
            name = key[0].strip('"')
            made.setdefault(name, []).extend([*waiting, line])
            waiting = []
        elif line[0].startswith("#") or not (name or line[0].strip()):
            waiting.append(line)
        else:
            made.setdefault(name, []).extend([*waiting, line])
            waiting = []
    made.setdefault(name, []).extend(waiting)
    return made
