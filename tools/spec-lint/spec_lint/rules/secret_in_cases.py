"""Credentials in cases that are no recognisable fakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cases.model import AnyCase, Case
from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.secrecy import known_secrets, random_token
from spec_lint.subject import Subject

_HINT = "write a fake that everybody sees: fake-acme-key-0000; a published sample is suppressed with its source"


def check(subject: Subject) -> Iterator[Finding]:
    for text in subject.case_texts:
        for start, end in known_secrets(text.text):
            yield Finding("this looks like a real secret", text.at(start), end - start, _HINT)
    seen: set[tuple[str, str]] = set()
    for case, path, name, value in _credentials(subject):
        if random_token(value) and (case.position.file, value) not in seen:
            seen.add((case.position.file, value))
            yield subject.at_case(case, f"{name} looks like a real secret", path=(*path, name), hint=_HINT)


def _credentials(subject: Subject) -> Iterator[tuple[AnyCase, Path, str, str]]:
    """Everything secret that cases are given; a value that comes again counts where it comes first."""
    given: list[tuple[AnyCase, Path, Mapping[str, Any]]] = [
        (case, ("calls", number, "given") if len(case.turns) > 1 else ("given",), turn.given)
        for case in subject.cases
        for number, turn in enumerate(case.turns)
    ]
    others: tuple[AnyCase, ...] = (*subject.webhook_cases, *subject.consents, *subject.errands)
    given += [(other, ("given",), other.given) for other in others if not isinstance(other, Case)]
    for case, path, values in given:
        for kind in ("credentials", "token", "app"):
            for name, value in (values.get(kind) or {}).items():
                if isinstance(value, str):
                    yield case, (*path, kind), name, value


RULE = Rule("SEC002", "A case holds credentials that look real.", "error", check, needs_cases=True)
