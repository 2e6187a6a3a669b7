"""The expressions of templates as trees: what they read, whether their value is surely there."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import grammar, nodes
from engine.compiled.fault import Path
from engine.compiled.names import Names, is_sure_path
from engine.compiled.parts import Part

_MAYBE_NULL = frozenset({"after", "before", "find", "jwt_expiry", "kv", "link", "messages", "nonzero", "parse_json"})
"""Functions that may find nothing in a value that is there."""


def parse(part: Part) -> nodes.Expr:
    """Raises `Fault` for what is no expression."""
    if part.tree is None:
        part.tree = _path(part.path) if part.path is not None else grammar.read(part.text) or _read_by_jinja(part)
    return part.tree  # type: ignore[no-any-return]


def _read_by_jinja(part: Part) -> nodes.Expr:
    from engine.compiled.jinja import parsed

    return parsed(part)


def _path(names: tuple[str, ...]) -> nodes.Expr:
    """What Jinja would make of a path: most expressions are one, and its lexer is slow."""
    node: nodes.Expr = nodes.Name(names[0], "load")
    for name in names[1:]:
        node = nodes.Getattr(node, name, "load")
    return node


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
        return is_sure_path(path, names)
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
