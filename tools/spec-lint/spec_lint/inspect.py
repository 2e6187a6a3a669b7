"""Holds one spec that compiles to the rules."""

from __future__ import annotations

from collections.abc import Iterable

from spec_lint.rule import Found, Rule
from spec_lint.subject import Subject


def inspect(subject: Subject, rules: Iterable[Rule]) -> list[Found]:
    """The findings of the rules; one code at one place is one finding."""
    found = [rule.found(finding) for rule in rules for finding in rule.check(subject)]
    return list({(one.diagnostic.position, one.diagnostic.code): one for one in reversed(found)}.values())[::-1]
