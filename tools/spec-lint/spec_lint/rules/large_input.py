"""An input that is larger than OpenAI's strict mode takes."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.schemas import Part, below
from spec_lint.subject import Subject

_DEEPEST = 10  # objects and lists inside each other
_FIELDS = 5000
_VALUES = 1000  # of all enums together
_CHARACTERS = 120_000  # names and values of enums together
_LONG_ENUM, _LONG_ENUM_CHARACTERS = 250, 15_000


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        found = [*below(action["inputSchema"], (*path, "inputSchema"))]
        for at, message in (*_sums(found, (*path, "inputSchema")), *_lengths(found)):
            hint = "a model finds such values with an action of its own: list_services, search_products"
            yield subject.at(at, message, key=True, hint=hint)
        deep = next((part for part in found if _depth(part) > _DEEPEST), None)
        if deep is not None:
            message = f"this stands deeper than {_DEEPEST} levels of objects and lists"
            yield subject.at(deep.path, message, key=isinstance(deep.path[-1], str), hint="make the input flatter")


def _depth(part: Part) -> int:
    """Levels of nesting that are open at a part which nests itself."""
    return len(part.above) + bool(part.types & {"array", "object"})


def _sums(found: list[Part], root: Path) -> Iterator[tuple[Path, str]]:
    names = [part.name for part in found if part.name is not None]
    values = [str(value) for part in found for value in part.schema.get("enum", ())]
    if len(names) > _FIELDS:
        yield root, f"{len(names)} fields are more than the {_FIELDS} that OpenAI takes"
    if len(values) > _VALUES:
        yield root, f"{len(values)} values of enums are more than the {_VALUES} that OpenAI takes"
    if sum(map(len, (*names, *values))) > _CHARACTERS:
        yield root, f"names and values of enums have more than the {_CHARACTERS} characters that OpenAI takes"


def _lengths(found: list[Part]) -> Iterator[tuple[Path, str]]:
    for part in found:
        values = [str(value) for value in part.schema.get("enum", ())]
        if len(values) > _LONG_ENUM and sum(map(len, values)) > _LONG_ENUM_CHARACTERS:
            path = (*part.path, "enum")
            yield path, f"over {_LONG_ENUM} values may have {_LONG_ENUM_CHARACTERS} characters together with OpenAI"


RULE = Rule("TOOL015", "An input is larger than the vendors of language models take.", "error", check)
