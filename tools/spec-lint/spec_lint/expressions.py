"""Parts of the expressions of templates."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import nodes
from engine.compiled.expressions import plain_path


def results(tree: nodes.Expr) -> Iterator[nodes.Expr]:
    """The parts whose value can become the value of the expression, or a piece of its text."""
    if isinstance(tree, nodes.CondExpr):
        yield from results(tree.expr1)
        yield from results(tree.expr2) if tree.expr2 is not None else ()
    elif isinstance(tree, nodes.Concat):
        for child in tree.nodes:
            yield from results(child)
    elif isinstance(tree, nodes.Filter) and tree.name == "default" and tree.node is not None:
        yield from results(tree.node)
        for argument in tree.args:
            yield from results(argument)
    elif isinstance(tree, nodes.Add | nodes.Or):
        yield from results(tree.left)
        yield from results(tree.right)
    else:
        yield tree


def name_of(tree: nodes.Node) -> tuple[str, ...] | None:
    """The dotted name that a part is, if it is nothing else."""
    path = plain_path(tree) if isinstance(tree, nodes.Expr) else None
    return tuple(map(str, path)) if path else None


def literal_argument(tree: nodes.Filter, number: int, name: str) -> object:
    """The value of a filter's argument, where it is written out; None where it is not."""
    given = [*tree.args[number : number + 1], *(pair.value for pair in tree.kwargs if pair.key == name)]
    return given[0].value if given and isinstance(given[0], nodes.Const) else None
