"""Where a text of the spec stands: what is around it, and what is declared of the names that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from engine.compiled.query_text import plain_path

_TREES = frozenset({"capture", "data", "details", "input", "output", "outputs", "read", "vars"})
"""Keys whose trees hold names of the author's own."""
_CONDITIONS = frozenset({"accepted", "expect", "failed", "found", "more", "plainHttp", "require", "success", "when"})
_FORMS = {"app": "app", "config": "configSchema", "credentials": "configSchema"}
Schema = Mapping[str, Any]


def value_at(spec: Any, path: Path) -> Any:
    """What stands there; None where a path leads through something that was merged from elsewhere."""
    for step in path:
        if isinstance(spec, Mapping):
            spec = spec.get(str(step))
        elif isinstance(spec, list) and isinstance(step, int) and step < len(spec):
            spec = spec[step]
        else:
            return None
    return spec


def blocks_around(spec: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The mappings on the way to a text, the outermost first, each with its path."""
    for end in range(len(path)):
        block = value_at(spec, path[:end])
        if isinstance(block, Mapping):
            yield path[:end], block


def decides(path: Path) -> bool:
    """Is the value of this query only taken as true or false?"""
    if path[-1] in ("$when", "$where"):
        return True
    return path[-1] in _CONDITIONS and _TREES.isdisjoint(path[:-1])


def schema_of(spec: Mapping[str, Any], path: Path, name: tuple[str, ...]) -> Schema | None:
    """The JSON Schema that a name of the input or of a form (`config.x`, `app.x`), or an element of a loop over it, was
    declared with; `path` is where it is read. None where nothing is declared."""
    loop = _loop_of(spec, path, name[0])
    if loop is not None:
        listed = plain_path(str(loop[1]["$each"]))
        found = schema_of(spec, loop[0], listed) if listed else None
        return _below(found.get("items"), name[1:]) if found is not None else None
    form = _FORMS.get(name[0])
    if form is not None:
        return _below(spec.get(form), name[1:])
    if name[0] == "input" and path[0] == "actions":
        return _below(value_at(spec, (*path[:2], "inputSchema")), name[1:])
    return None


def _below(schema: Any, names: tuple[str, ...]) -> Schema | None:
    for name in names:
        schema = schema.get("properties", {}).get(name) if isinstance(schema, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _loop_of(spec: Any, path: Path, name: str) -> tuple[Path, Mapping[str, Any]] | None:
    """The innermost loop whose elements have this name there."""
    for at, block in reversed([*blocks_around(spec, path)]):
        if "$each" in block and block.get("$as", "item") == name and path[len(at)] != "$each":
            return at, block
    return None
