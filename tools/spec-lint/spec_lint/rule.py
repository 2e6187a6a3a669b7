"""What a rule is: one sentence, one pure function over a spec that compiles, and the findings that it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.compiled.fault import Path
from engine.diagnostics import Diagnostic, Position

if TYPE_CHECKING:
    from spec_lint.subject import Subject

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that mends a finding: `length` characters from `position` on become `text`.

    The value at `path` is `value` afterwards (no path: all values are what they were), and nothing else in the file
    means anything else: that is checked before the file is written.
    """

    position: Position
    length: int
    text: str
    path: Path | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found; `Subject.at` makes it. The rule's code and severity are added when it is reported."""

    message: str
    position: Position
    length: int = 1
    hint: str = ""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of lint; each stands in a file of its own as `RULE`."""

    code: str
    what: str
    """One sentence that says what is wrong; the title of the code's page."""
    severity: Severity
    check: Callable[[Subject], Iterator[Finding]]
    """Pure. It sees specs that compile without an error, so the structure of what it reads is right."""
    needs_cases: bool = False
    """It looks at `subject.cases`, so it rests while they are not read or a file of them has a finding."""

    def found(self, finding: Finding) -> Found:
        code, severity = self.code, self.severity
        made = Diagnostic(code, finding.message, finding.position, finding.length, finding.hint, severity)
        return Found(made, finding.fix)


@dataclass(frozen=True, slots=True)
class Found:
    """One finding as it is reported, and how it is mended where the rule knows that."""

    diagnostic: Diagnostic
    fix: Fix | None = None
