"""Writes fixes into files, each only after it was shown to change nothing else.

A fix is tried on the text; the changed text is read and compiled again. It stays when the finding is gone, no new one
came, and every value of the file is what it was, but for the one that the fix says it changes. Of several fixes the
one stays that leaves the fewest findings, the first of equal ones.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic, Position
from engine.spec.source import Source, read
from spec_lint.fixes import fixes, path_at
from spec_lint.rule import Fix, Found

Problems = Callable[[str, bytes], Sequence[Diagnostic]]
"""What compiling says about the text of a file."""

_PLACEHOLDER = "x"


def mend(found: Sequence[Found], problems: Problems) -> int:
    """Mends what can be mended in the files of these findings. How many findings were mended."""
    by_file: dict[str, list[Found]] = {}
    for one in found:
        by_file.setdefault(one.diagnostic.position.file, []).append(one)
    return sum(_mend_file(file, here, problems) for file, here in by_file.items())


def _mend_file(file: str, found: Sequence[Found], problems: Problems) -> int:
    try:
        before = Path(file).read_bytes()
        text = before.decode()
    except (OSError, UnicodeDecodeError):
        return 0  # that is a finding, and none of those that can be mended
    count = 0
    known = problems(file, before)
    while found:
        changed, mended = text, 0
        # From the end on, so that the places of the findings before stay what they are.
        for one in sorted(found, key=lambda one: _order(one.diagnostic.position), reverse=True):
            tried = _tried(file, changed, one, known, problems)
            if tried:
                changed, known = min(tried, key=lambda result: len(result[1]))
                mended += 1
        text, count = changed, count + mended
        # What is mended can have hidden what follows it in the file.
        found = [Found(one) for one in known] if mended else []
    if count:
        _replace(Path(file), text.encode())
    return count


def _tried(
    file: str, text: str, one: Found, known: Sequence[Diagnostic], problems: Problems
) -> list[tuple[str, Sequence[Diagnostic]]]:
    """The texts that fixes of one finding make, as far as they may stay, with what compiling says about each."""
    source = read(file, text)[0]
    made = []
    for fix in fixes(one, text, source):
        changed = _changed(text, fix)
        left = problems(file, changed.encode())
        is_step = _is_better(one.diagnostic, known, left) if source else _is_further(one.diagnostic, left)
        if is_step and _is_safe(text, changed, fix, source):
            made.append((changed, left))
    return made


def _order(position: Position) -> tuple[int, int]:
    return position.line, position.column


def _changed(text: str, fix: Fix) -> str:
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: fix.position.line - 1]) + fix.position.column - 1
    return text[:start] + fix.text + text[start + fix.length :]


def _is_better(mended: Diagnostic, before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """No finding came, and the compiler's own one that was mended is gone."""
    old, new = Counter(one.code for one in before), Counter(one.code for one in after)
    return new <= old and (mended.code not in old or new[mended.code] < old[mended.code])


def _is_further(mended: Diagnostic, after: Sequence[Diagnostic]) -> bool:
    """Where the old text could not be read to its end: now it is read beyond the place that was mended."""
    place = _order(mended.position)
    return not any(one.code.startswith("YAML") and _order(one.position) <= place for one in after)


def _is_safe(text: str, changed: str, fix: Fix, source: Source | None) -> bool:
    """Does the changed text say what the old one said, but for what the fix says?"""
    after, found = read(fix.position.file, changed)
    if source is not None:
        return after is not None and _same(_expected(source, fix), after.value)
    # An unquoted template can hide all that follows. A word in its place shows the rest of the old text.
    old, old_found = read(fix.position.file, _changed(text, Fix(fix.position, fix.length, _PLACEHOLDER)))
    if old is None or after is None:
        return old is after and [d.code for d in old_found] == [d.code for d in found]
    path = path_at(old, fix.position)
    template = text.split("\n")[fix.position.line - 1][fix.position.column - 1 :][: fix.length]
    return path is not None and _same(_with(old.value, path, template), after.value)


def _expected(source: Source, fix: Fix) -> Any:
    return source.value if fix.path is None else _with(source.value, fix.path, fix.value)


def _with(value: Any, path: Sequence[str | int], new: Any) -> Any:
    whole = [deepcopy(value)]
    around: Any = whole
    last: str | int = 0
    for step in path:
        around, last = around[last], step
    around[last] = new
    return whole[0]


def _same(a: Any, b: Any) -> bool:
    """Equal, also in type and order: to Python 1 is true."""
    return repr(a) == repr(b)


def _replace(path: Path, content: bytes) -> None:
    """All or nothing, also when the disk is full; the file keeps its mode."""
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
