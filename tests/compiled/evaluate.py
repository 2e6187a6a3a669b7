"""Compiles and evaluates single expressions against plain roots."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.fault import Fault
from engine.compiled.names import ANY, Names
from engine.compiled.query import compile_query
from engine.compiled.scope import Scope
from engine.compiled.template import compile_template
from engine.compiled.tree import Leaves, compile_tree
from engine.library import exact
from engine.library.tables import Table

TABLES = {
    "size": Table(map={"s": "small", "l": "large", "1": "one"}),
    "word": Table(map={"a": "b"}, other="other", has_other=True),
}
ROOTS = ("input", "config", "vars", "body", "call", "doc")


def names(**shapes: Any) -> Names:
    """Names whose roots are open: any field may be there."""
    return Names({**dict.fromkeys(ROOTS, ANY), **shapes}, TABLES, place="in a test")


def plain(value: Any) -> Any:
    """The value as the product reads it: fractions as decimals."""
    return exact.loads(exact.dumps(_decimals(value)))


def _decimals(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_decimals(item) for item in value]
    if isinstance(value, dict):
        return {key: _decimals(item) for key, item in value.items()}
    return value


def scope(roots: Mapping[str, Any]) -> Scope:
    return Scope({"call": {"now": "2026-05-01T03:04:05Z"}, **roots})


def template(text: str, known: Names | None = None, **roots: Any) -> Any:
    return compile_template(text, known or names())(scope(roots))


def query(text: str, known: Names | None = None, **roots: Any) -> Any:
    return compile_query(text, known or names())(scope(roots))


def fault_of(compiled: Any, text: str, known: Names | None = None) -> tuple[str, str, str, str]:
    """Code, the marked characters, message and hint of the fault that compiling this text raises."""
    try:
        compiled(text, known or names())
    except Fault as fault:
        return fault.code, text[fault.offset : fault.offset + fault.length], fault.message, fault.hint
    raise AssertionError(f"compiled without a fault: {text}")


def fault_or_none(compiled: Any, text: str, known: Names | None = None) -> Fault | None:
    try:
        compiled(text, known or names())
    except Fault as fault:
        return fault
    return None


def tree(
    node: Any,
    *,
    queries: bool = False,
    is_root: bool = False,
    schema: Mapping[str, Any] | None = None,
    escapes: Mapping[str, Any] | None = None,
    **roots: Any,
) -> Any:
    evaluate, found = compiled_tree(node, queries=queries, is_root=is_root, schema=schema, escapes=escapes)
    assert found == []
    return evaluate(scope(roots))


def compiled_tree(node: Any, *, is_root: bool = False, known: Names | None = None, **leaves: Any) -> tuple[Any, Any]:
    """The closure, and the findings as `(path, code, message, hint)`."""
    found: list[tuple[Any, str, str, str]] = []

    def report(path: Any, fault: Fault) -> None:
        found.append((path, fault.code, fault.message, fault.hint))

    evaluate = compile_tree(node, Leaves(known or names(), report, **leaves), (), is_root=is_root)
    return evaluate, found
