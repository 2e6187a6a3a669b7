"""An id that is given as a number, and that no action takes as one."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import Part, properties
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    taken = [field.words for field in properties(subject, "inputSchema") if _is_numeric(field)]
    taken = [_singular(words) for words in taken]
    for field in properties(subject, "outputSchema"):
        words = _singular(field.words)
        if words[-1:] == ("id",) and _is_numeric(field) and not _is_taken(words, taken):
            yield subject.at(
                (*field.path, "type"),
                f"{field.name} is given as a number, and no action takes it as one",
                hint="type: string, and text(…) in the output",
            )


def _is_numeric(field: Part) -> bool:
    """A number or a list of numbers."""
    items = field.schema.get("items", {})
    return field.is_number or (field.types == {"array"} and items.get("type") in ("integer", "number"))


def _singular(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words[:-1], words[-1].removesuffix("s")) if words else ()


def _is_taken(words: tuple[str, ...], taken: list[tuple[str, ...]]) -> bool:
    """districtId is what fromDistrictId takes; id alone is what any …Id may take."""
    return any(other[-len(words) :] == words for other in taken)


RULE = Rule("TOOL022", "An id in an output is a number.", "warning", check)
