"""Money as a number with a fraction."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import BOTH, properties
from spec_lint.subject import Subject

_MONEY = frozenset(
    ["amount", "balance", "cost", "discount", "fee", "freight", "price", "subtotal", "surcharge", "tax", "total"]
)


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, *BOTH):
        if "number" in field.types and field.words[-1:] != () and field.words[-1] in _MONEY:
            yield subject.at(
                (*field.path, "type"),
                f"{field.name} is money, and callers read a number with a fraction as a float",
                hint="integer in the smallest unit (VND has none), or text with a pattern such as ^[0-9]+\\.[0-9]{2}$",
            )


RULE = Rule("TOOL021", "Money is a number with a fraction.", "warning", check)
