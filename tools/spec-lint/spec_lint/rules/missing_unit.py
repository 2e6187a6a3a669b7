"""A quantity whose unit nobody tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import BOTH, Part, properties
from spec_lint.subject import Subject

_MONEY = (
    r"AED|AUD|BRL|CAD|CHF|CNY|EUR|GBP|HKD|IDR|INR|JPY|KHR|KRW|LAK|MYR|NZD|PHP|SEK|SGD|THB|TWD|USD|VND"
    r"|(?i:currenc(?:y|ies)|dongs?|đồng|dollars?|euros?|cents?|(?:minor|smallest|sub-?) ?units?|percent)|%|₫|\$|€"
)
_MASS = r"(?i:g|kg|lbs?|oz|(?:kilo|milli)?gram(?:me)?s?|pounds?|ounces?|ton(?:ne)?s?)"
_LENGTH = r"(?i:[cmk]?m|ft|inch(?:es)?|feet|miles?|(?:centi|milli|kilo)?met(?:re|er)s?)"
_TIME = r"(?i:ms|s|(?:milli)?seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
_VOLUME = r"(?i:[cm]?l|(?:milli)?lit(?:re|er)s?|cubic|[cdm]?m3|[cdm]?m³)"
_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("amount", "balance", "cost", "fee", "price", "subtotal", "surcharge"), _MONEY),
    "weight": _MASS,
    **dict.fromkeys(("depth", "distance", "height", "length", "width"), _LENGTH),
    **dict.fromkeys(("duration", "timeout", "ttl"), _TIME),
    "volume": _VOLUME,
}
"""Units by the last word of a field's name."""
_COUNTED = r"(?i:how many|number of|count|pieces|characters|pixels|px|days|points)"


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, *BOTH):
        kind = next(iter(field.words[-1:]), "")
        if kind in _UNITS and field.is_number and not _tells(subject, field, f"{_UNITS[kind]}|{_COUNTED}"):
            has_text = bool(field.description)
            yield subject.at(
                (*field.path, "description") if has_text else field.path,
                f"nothing says in which unit {field.name} is",
                key=not has_text,
                hint="name the unit in the description: whole VND, cents, grams, centimetres, seconds",
            )


def _tells(subject: Subject, field: Part, units: str) -> bool:
    """Does its own description name a unit, one around it, or the action's?"""
    action = subject.resolved["actions"][field.path[1]]
    around = [str(schema.get("description", "")) for schema in field.above]
    written = re.compile(rf"(?<![^\W\d])(?:{units})(?!\w)")
    return any(written.search(text) for text in (field.description, *around, action["description"]))


RULE = Rule("TOOL005", "Nothing says in which unit a quantity is.", "warning", check)
