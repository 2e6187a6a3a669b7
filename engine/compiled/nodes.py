"""The trees of expressions: the kinds of nodes that Jinja2 has for them, under its names, without Jinja2.

What an expression means is said in `closures`; here is only what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

N = TypeVar("N", bound="Node")


class Node:
    """`fields` in the order in which they are given and walked. Never changed once it is made."""

    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *values: Any) -> None:
        for name, value in zip(self.fields, values, strict=True):
            setattr(self, name, value)

    def iter_child_nodes(self) -> Iterator[Node]:
        """The nodes right below this one."""
        for name in self.fields:
            value = getattr(self, name)
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, Node):
                    yield one

    def find_all(self, kind: type[N] | tuple[type[N], ...]) -> Iterator[N]:
        """All nodes of this kind below this one."""
        for child in self.iter_child_nodes():
            if isinstance(child, kind):
                yield child
            yield from child.find_all(kind)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(getattr(self, name)) for name in self.fields)})"


class Expr(Node):
    """Has a value."""


class Name(Expr):
    fields = ("name", "ctx")
    name: str
    ctx: str


class Const(Expr):
    fields = ("value",)
    value: Any


class Getattr(Expr):
    fields = ("node", "attr", "ctx")
    node: Expr
    attr: str
    ctx: str


class Getitem(Expr):
    fields = ("node", "arg", "ctx")
    node: Expr
    arg: Expr
    ctx: str


class Slice(Expr):
    fields = ("start", "stop", "step")


class Call(Expr):
    fields = ("node", "args", "kwargs", "dyn_args", "dyn_kwargs")
    node: Expr
    args: list[Expr]
    kwargs: list[Keyword]
    dyn_args: Expr | None
    dyn_kwargs: Expr | None


class Applied(Expr):
    """`node` is None for the blocks of templates alone, which are not part of the language."""

    fields = ("node", "name", "args", "kwargs", "dyn_args", "dyn_kwargs")
    node: Expr | None
    name: str
    args: list[Expr]
    kwargs: list[Keyword]
    dyn_args: Expr | None
    dyn_kwargs: Expr | None


class Filter(Applied):
    """`node | name(args)`."""


class Test(Applied):
    """`node is name(args)`."""

    node: Expr


class Keyword(Node):
    fields = ("key", "value")
    key: str
    value: Expr


class CondExpr(Expr):
    fields = ("test", "expr1", "expr2")
    test: Expr
    expr1: Expr
    expr2: Expr | None


class Compare(Expr):
    fields = ("expr", "ops")
    expr: Expr
    ops: list[Operand]


class Operand(Node):
    fields = ("op", "expr")
    op: str
    expr: Expr


class Concat(Expr):
    fields = ("nodes",)
    nodes: list[Expr]


class List(Expr):
    fields = ("items",)
    items: list[Expr]


class Tuple(Expr):
    fields = ("items", "ctx")
    items: list[Expr]
    ctx: str


class Dict(Expr):
    fields = ("items",)
    items: list[Pair]


class Pair(Node):
    fields = ("key", "value")
    key: Expr
    value: Expr


class UnaryExpr(Expr):
    fields = ("node",)
    node: Expr


class Not(UnaryExpr):
    pass


class Neg(UnaryExpr):
    pass


class Pos(UnaryExpr):
    pass


class BinExpr(Expr):
    fields = ("left", "right")
    left: Expr
    right: Expr


class And(BinExpr):
    pass


class Or(BinExpr):
    pass


class Add(BinExpr):
    pass


class Sub(BinExpr):
    pass


class Mul(BinExpr):
    pass


class Div(BinExpr):
    pass


class FloorDiv(BinExpr):
    pass


class Mod(BinExpr):
    pass


class Pow(BinExpr):
    pass
