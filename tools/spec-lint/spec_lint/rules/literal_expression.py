"""`orderId: input.orderId` in a request sends the words input.orderId."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.compiled.fault import Fault
from engine.compiled.query_text import plain_path
from spec_lint.rule import Finding, Fix, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Template

_STATEMENT = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SINGLE = re.compile(r"\$?\{\s*([a-z]+)\.[\w.]+\s*\}|<%.*?%>")
_ONE_WORD = re.compile(r"\{(\w+)\}|:(\w+)")
_PLACEHOLDER = re.compile(r"\{\w+\}|(?<=/):[a-zA-Z]\w*")


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        found = _found(template) if template.is_literal else None
        if found is not None:
            start, end = found
            yield subject.at(
                template.path,
                f"{template.text[start:end]} is sent as it stands here: a text without {{{{ }}}} is literal",
                hint=f"write an expression: {{{{ {_meant(template.text[start:end])} }}}}",
                offset=start,
                length=end - start,
                fix=_fix_of(subject, template),
            )


def _found(template: Template) -> tuple[int, int] | None:
    text = template.text
    if _is_name(template):
        return 0, len(text)
    if template.path[-2:] == ("request", "path") and (hit := _PLACEHOLDER.search(text)):
        return hit.span()
    hit = _STATEMENT.search(text) or _SINGLE.search(text)
    if hit and (hit.re is _STATEMENT or hit[1] is None or hit[1] in template.names.roots):
        return hit.span()
    return None


def _meant(placeholder: str) -> str:
    """`{orderId}` and `:orderId` are most often an input."""
    hit = _ONE_WORD.fullmatch(placeholder)
    return f"input.{hit[1] or hit[2]}" if hit else "…"


def _is_name(template: Template) -> bool:
    """Is the text just a name that exists at its place?"""
    path = plain_path(template.text)
    if path is None or len(path) < 2 or path[0] == "index" or path[0] not in template.names.roots:
        return False
    try:
        template.names.check(path)
    except Fault:
        return False
    return True


def _fix_of(subject: Subject, template: Template) -> Fix | None:
    return subject.rewriting(template.path, f"{{{{ {template.text} }}}}") if _is_name(template) else None


RULE = Rule("TPL002", "A text that looks like an expression is sent as it stands.", "error", check)
