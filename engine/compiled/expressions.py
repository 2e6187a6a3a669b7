"""The expressions of templates as Jinja2 parses them: what they read, whether their value is surely there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import jinja2
from jinja2 import nodes

from engine.compiled.fault import Fault, Path
from engine.compiled.names import Names
from engine.compiled.words import Word

_JINJA = jinja2.Environment(autoescape=False)  # noqa: S701 - parses only, renders nothing
_PATH = re.compile(
    r"\s*(?!(?:and|else|false|False|if|in|is|none|None|not|or|true|True)\b)[A-Za-z_][A-Za-z0-9_]*"
    r"(?:\.[A-Za-z_][A-Za-z0-9_]*){0,50}\s*"
)
_DEEPEST = 64
_MAYBE_NULL = frozenset({"after", "before", "find", "jwt_expiry", "kv", "link", "messages", "nonzero", "parse_json"})
"""Functions that may find nothing in a value that is there."""


class Part:
    """One expression of a template: its text and where it begins in the scalar."""

    __slots__ = ("offset", "text")

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset


def parse(part: Part) -> nodes.Expr:
    """Raises `Fault` for what is no expression."""
    if _PATH.fullmatch(part.text):
        return _path(part.text.strip().split("."))
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
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    expression = output.nodes[0]
    if isinstance(expression, nodes.TemplateData):
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    _check_depth(expression, part)
    return expression


def _path(names: list[str]) -> nodes.Expr:
    """What Jinja would make of a path: most expressions are one, and its lexer is slow."""
    node: nodes.Expr = nodes.Name(names[0], "load")
    for name in names[1:]:
        node = nodes.Getattr(node, name, "load")
    return node


def _reason(error: jinja2.TemplateSyntaxError) -> str:
    """Jinja's sentence in the language's words: its expressions end with `}}`."""
    return (error.message or "").replace("end of print statement", "}}").rstrip(".") or "this is not an expression"


def _too_deep(part: Part) -> Fault:
    return Fault("EXPR007", f"the expression is nested more than {_DEEPEST} deep", "", part.offset, len(part.text))


def _check_depth(expression: nodes.Node, part: Part) -> None:
    level: list[nodes.Node] = [expression]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    raise _too_deep(part)


def words_of(part: Part) -> Iterator[Word]:
    at = part.offset - 3
    for _, kind, text in _JINJA.lexer.tokeniter("{{ " + part.text + " }}", None):
        if kind not in ("whitespace", "variable_begin", "variable_end"):
            yield Word(text[1:-1] if kind == "string" else text, at, at + len(text))
        at += len(text)


def fractions(part: Part) -> Iterator[str]:
    for _, kind, text in _JINJA.lexer.tokeniter("{{ " + part.text + " }}", None):
        if kind == "float":
            yield text.replace("_", "")


def paths(node: nodes.Node) -> Iterator[tuple[str, ...]]:
    """The dotted names that an expression reads, in order."""
    path = plain_path(node) if isinstance(node, nodes.Expr) else None
    if path is not None:
        yield tuple(str(step) for step in path)
        return
    for child in node.iter_child_nodes():
        yield from paths(child)


def is_sure(node: nodes.Node, names: Names) -> bool:
    """Is the value there, whatever the input? Raises `Fault` for a name that can't exist."""
    if isinstance(node, nodes.Const | nodes.Test):
        return True
    if isinstance(node, nodes.Filter):
        if node.node is None or (node.name == "default" and not node.args):
            return False
        if node.name == "default":
            return is_sure(node.node, names) or is_sure(node.args[0], names)
        return node.name not in _MAYBE_NULL and all(is_sure(child, names) for child in node.iter_child_nodes())
    if isinstance(node, nodes.CondExpr):
        return node.expr2 is not None and is_sure(node.expr1, names) and is_sure(node.expr2, names)
    if isinstance(node, nodes.Expr) and (path := plain_path(node)) is not None:
        # What a step lacks is found when it has run: the call then ends, and nothing is sent.
        return path[0] != "absent" and (names.check(path) or path[0] == "steps")
    return all(is_sure(child, names) for child in node.iter_child_nodes())


def plain_path(node: nodes.Expr) -> Path | None:
    """`a.b.c`, `a['b']` or `a[0]` as its steps; None for anything else."""
    steps: list[str | int] = []
    while True:
        if isinstance(node, nodes.Getattr):
            steps.append(node.attr)
            node = node.node
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            if not isinstance(node.arg.value, str | int) or isinstance(node.arg.value, bool):
                return None
            steps.append(node.arg.value)
            node = node.node
        elif isinstance(node, nodes.Name):
            return (node.name, *reversed(steps))
        else:
            return None
