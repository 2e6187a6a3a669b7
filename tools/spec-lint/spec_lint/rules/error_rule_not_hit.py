"""An error rule, or a row of one, that has never met an answer."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.fault import Path
from spec_lint.places import value_at
from spec_lint.recorded import recorded_at
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case with the provider's answer; where no action can meet it, say so: # lint: allow COV003 - why"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("rule"):
        if path[-2:-1] == ("codes",):
            row = str(path[-1])
            near = next((one for one in _seen(subject, path[:-2]) if one != row and _folded(one) == _folded(row)), "")
            hint = f"the cases spell it {near}; letters and blanks must be the same" if near else _HINT
            yield subject.at(path, f"no case hits {row}", key=True, hint=hint)
        elif path[-1] == "other":
            yield subject.at(path, "no case hits other", key=True, hint=_HINT)
        else:
            first = next(iter(subject.written(path)))
            yield subject.at((*path, first), "no case hits this rule", key=True, hint=_HINT)


def _seen(subject: Subject, rule: Path) -> Iterator[str]:
    """The codes in the answers of the cases where the rule looks for them."""
    is_common = value_at(subject.spec, (*rule, "by")) == "code"
    places = [(*rule[:2], "answer", "code"), ("answer", "code")] if is_common else [(*rule, "by")]
    for query in subject.queries:
        if query.path in places:
            yield from (str(code) for code in recorded_at(subject, query, query.root))


def _folded(code: str) -> str:
    return code.strip().casefold()


RULE = Rule("COV003", "No case hits the error rule, or a row of it.", "error", check, needs_cases=True)
