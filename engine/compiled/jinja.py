"""Jinja2, whose grammar the language has: it reads what `grammar` leaves, and tells words and mistakes.

The only module that imports it; a process whose expressions are all plain never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jinja2

from engine.compiled import nodes
from engine.compiled.fault import Fault
from engine.compiled.parts import Part
from engine.compiled.words import Word

_JINJA = jinja2.Environment(autoescape=False)  # noqa: S701 - parses only, renders nothing
_DEEPEST = 64


def parsed(part: Part) -> nodes.Expr:
    """Raises `Fault` for what is no expression."""
    length = max(1, len(part.text))
    try:
        # The blanks keep Jinja from reading `{{-` as its mark for stripping white space.
        body = _JINJA.parse("{{ " + part.text + " }}").body
    except jinja2.TemplateSyntaxError as error:
        message = f"can't read the expression: {_reason(error)}"
        raise Fault("EXPR001", message, "", part.offset, length) from None
    except RecursionError:
        raise _too_deep(part) from None
    except (ValueError, SyntaxError):  # numbers that Python refuses to read
        raise Fault("EXPR001", "the expression holds a number that can't be read", "", part.offset, length) from None
    output = body[0] if len(body) == 1 else None
    if not isinstance(output, jinja2.nodes.Output) or len(output.nodes) != 1:
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    expression = output.nodes[0]
    if isinstance(expression, jinja2.nodes.TemplateData):
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    return _own(expression, part, 0)  # type: ignore[no-any-return]


def _own(value: Any, part: Part, depth: int) -> Any:
    """A node of Jinja's as one of ours. Raises `Fault` for what is nested too deeply."""
    if isinstance(value, list):
        return [_own(one, part, depth) for one in value]
    if not isinstance(value, jinja2.nodes.Node):
        return value
    if depth == _DEEPEST:
        raise _too_deep(part)
    kind = getattr(nodes, type(value).__name__)
    return kind(*(_own(getattr(value, name), part, depth + 1) for name in kind.fields))


def _too_deep(part: Part) -> Fault:
    return Fault("EXPR007", f"the expression is nested more than {_DEEPEST} deep", "", part.offset, len(part.text))


def _reason(error: jinja2.TemplateSyntaxError) -> str:
    """Jinja's sentence in the language's words: its expressions end with `}}`."""
    return (error.message or "").replace("end of print statement", "}}").rstrip(".") or "this is not an expression"


def words_of(part: Part) -> Iterator[Word]:
    """Names, signs and literals in order, with their places in the scalar; texts without their quotes."""
    at = part.offset - 3
    for _, kind, text in _JINJA.lexer.tokeniter("{{ " + part.text + " }}", None):
        if kind not in ("whitespace", "variable_begin", "variable_end"):
            yield Word(text[1:-1] if kind == "string" else text, at, at + len(text))
        at += len(text)


def fractions(part: Part) -> Iterator[str]:
    """Its fractions as they are written."""
    for _, kind, text in _JINJA.lexer.tokeniter("{{ " + part.text + " }}", None):
        if kind == "float":
            yield text.replace("_", "")
