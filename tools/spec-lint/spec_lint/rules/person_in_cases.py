"""Phone numbers and e-mail addresses in cases that may be somebody's."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.secrecy import personal
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for text in subject.case_texts:
        for start, end, what in personal(text.text):
            yield Finding(
                f"this {what} may be somebody's",
                text.at(start),
                end - start,
                "write one that nobody has: 0900000001, ayse@example.com",
            )


RULE = Rule("SEC003", "A case holds personal data that look real.", "warning", check, needs_cases=True)
