"""`?q={{ input.q | percent }}` is encoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from engine.compiled import nodes
from engine.compiled.words import Word
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Expression, Template

_ENCODINGS = frozenset({"base64", "hex", "html", "json", "percent"})
_AROUND = frozenset({"request", "apply"})
_ENCODED = frozenset({"path", "query", "form"})


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions:
            name = _twice(expression.tree)
            if name:
                yield _finding(subject, template, _last(expression, name), f"{name} is applied to what it has made")
            elif _is_encoded(template) and _is_percent(expression.tree):
                message = "values are encoded at this place, so the % of this filter become %25"
                yield _finding(subject, template, _last(expression, "percent"), message)


def _twice(tree: nodes.Expr) -> str | None:
    """The encoding that is applied to itself."""
    for part in (tree, *tree.find_all(nodes.Filter)):
        inner = part.node if isinstance(part, nodes.Filter) else None
        if isinstance(part, nodes.Filter) and isinstance(inner, nodes.Filter) and part.name == inner.name in _ENCODINGS:
            return part.name
    return None


def _is_percent(tree: nodes.Expr) -> bool:
    return isinstance(tree, nodes.Filter) and tree.name == "percent"


def _is_encoded(template: Template) -> bool:
    path = template.path
    return any(around in _AROUND and key in _ENCODED for around, key in pairwise(path))


def _last(expression: Expression, name: str) -> Word:
    return next(word for word in reversed(expression.words) if word.text == name)


def _finding(subject: Subject, template: Template, word: Word, message: str) -> Finding:
    length = word.end - word.start
    return subject.at(template.path, message, hint=f"leave out | {word.text}", offset=word.start, length=length)


RULE = Rule("TPL005", "A value is encoded twice.", "error", check)
