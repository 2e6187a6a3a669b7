"""The one table of all codes: what compiling says, what the rules say, and what the linter says about itself.

YAML SPEC NAME EXPR CASE    compiling (engine/diagnostics.py); always errors, never suppressed
QRY  queries                TPL  templates            ERR  rules about errors
SEC  secrets and hosts      TOOL what an LLM sees     USE  names that nothing uses
COV  coverage by cases      LINT comments for the linter (spec_lint/suppress.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.diagnostics import CODES, unknown
from spec_lint.rule import Severity
from spec_lint.rules import RULES

RETIRED: frozenset[str] = frozenset()
"""Codes that once meant something; none of them is given again."""


_OWN: Mapping[str, tuple[str, Severity]] = {
    "LINT001": ("A suppression does not say why.", "error"),
    "LINT002": ("A suppression names a code that does not exist.", "error"),
    "LINT003": ("A suppression suppresses nothing.", "warning"),
    "LINT004": ("A suppression names a code that can't be suppressed.", "error"),
    "LINT005": ("A comment for the linter can't be read.", "error"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One code: its sentence, and whether a rule gives it (which an author may suppress with a reason)."""

    what: str
    severity: Severity
    is_rule: bool


def _entries() -> Iterator[tuple[str, Entry]]:
    yield from ((code, Entry(what, "error", False)) for code, what in CODES.items())
    yield from ((code, Entry(what, severity, False)) for code, (what, severity) in _OWN.items())
    yield from ((rule.code, Entry(rule.what, rule.severity, True)) for rule in RULES)


def _table() -> Mapping[str, Entry]:
    made: dict[str, Entry] = {}
    for code, entry in _entries():
        assert code not in made, f"{code} stands twice"
        assert code not in RETIRED, f"{code} is retired"
        made[code] = entry
    return made


TABLE: Mapping[str, Entry] = _table()
"""Every code that `spec-lint` can give."""


class UnknownCode(Exception):
    """No such code; the message names the nearest one."""


def entry_of(code: str, *, families: bool = False) -> Entry | None:
    """What stands in the table; None for a family such as QRY where that may be named too. Raises `UnknownCode`."""
    if families and code in {known.rstrip("0123456789") for known in TABLE}:
        return None
    if code not in TABLE:
        message, hint = unknown("code", code, TABLE)
        raise UnknownCode(f"{message} ({hint})")
    return TABLE[code]
