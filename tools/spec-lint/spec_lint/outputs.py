"""What the outputSchema says about the leaves of an output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.places import Schema, value_at

_NAMED = frozenset({"details", "input", "outputs", "read", "vars"})
"""Keys whose trees hold names of the author's own, `output` perhaps."""


def schema_of_output(spec: Mapping[str, Any], path: Path) -> Schema | None:
    """The schema of the value that the leaf at `path` gives; None where it is no part of an output, or only of a text
    that is put together there."""
    if path[0] != "actions" or "output" not in path:
        return None
    start = path.index("output")
    if not _NAMED.isdisjoint(path[2:start]):
        return None
    return _along(value_at(spec, (*path[:2], "outputSchema")), value_at(spec, path[: start + 1]), path[start + 1 :])


def _along(schema: Any, tree: Any, steps: Path) -> Schema | None:
    """Follows the tree and its schema together."""
    for step in steps:
        if not isinstance(schema, Mapping) or step in ("$each", "$where", "$when", "$text", "$json"):
            return None
        is_loop = step == "$value" and isinstance(tree, Mapping) and "$each" in tree
        if is_loop or (isinstance(step, int) and not _is_branch(tree)):
            schema = schema.get("items")
        elif isinstance(step, str) and not (step.startswith("$") and not step.startswith("$$")):
            schema = (schema.get("properties") or {}).get(step.removeprefix("$"))
        tree = _Branches(tree[step]) if step in ("$cases", "$merge") else tree[step]
    return schema if isinstance(schema, Mapping) else None


class _Branches(list[Any]):
    """The list of `$cases` or `$merge`: its entries stand for the same value."""


def _is_branch(tree: Any) -> bool:
    return isinstance(tree, _Branches)
