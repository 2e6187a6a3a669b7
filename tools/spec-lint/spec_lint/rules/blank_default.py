"""`default('')` in a query sends `note=` where nothing was given."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from engine.compiled import nodes
from spec_lint.expressions import literal_argument
from spec_lint.places import value_at
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Template

_AROUND = frozenset({"request", "apply", "http"})


def check(subject: Subject) -> Iterator[Finding]:
    drops_blank = value_at(subject.resolved, ("http", "encode", "query", "blank")) == "drop"
    for template in subject.templates:
        place = _place(template)
        if place is None or (place == "query" and drops_blank) or not _is_blank_default(template):
            continue
        word = next(word for word in reversed(template.expressions[0].words) if word.text == "default")
        yield subject.at(
            template.path,
            f"without a value this sends an empty {'header' if place == 'headers' else 'parameter'}, not none",
            hint="leave the default away: what is absent is not sent",
            offset=word.start,
            length=word.end - word.start,
        )


def _place(template: Template) -> str | None:
    """`query` or `headers`, where it is one of a request."""
    path = template.path
    for around, key in pairwise(path):
        if around in _AROUND and key in ("query", "headers"):
            return str(key)
    return None


def _is_blank_default(template: Template) -> bool:
    if len(template.pieces) != 1 or not template.expressions:
        return False
    tree = template.expressions[0].tree
    return isinstance(tree, nodes.Filter) and tree.name == "default" and literal_argument(tree, 0, "value") == ""


RULE = Rule("TPL003", "An optional value that is absent is sent as an empty text.", "warning", check)
