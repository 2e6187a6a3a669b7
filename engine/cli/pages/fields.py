"""A JSON Schema as rows of a table: one row per field, nested ones by their path (`to.name`, `items[].sku`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.cli.pages.markdown import code, plain, table

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
}


def field_table(schema: Mapping[str, Any], *, required: bool = True) -> list[str]:
    """The fields of an object; `required` adds the column that says which must be given."""
    columns = ("Field", "Type", "Required", "Description") if required else ("Field", "Type", "Description")
    rows = []
    for path, sub, is_required in _fields(schema, ""):
        need = ["yes" if is_required else ""] if required else []
        rows.append([code(path), type_of(sub), *need, description_of(sub)])
    return table(columns, rows)


def _fields(schema: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    needed: Sequence[str] = schema.get("required", ())
    for name, sub in schema.get("properties", {}).items():
        path = f"{above}{name}"
        yield path, sub, name in needed
        items = sub.get("items")
        yield from _fields(sub, f"{path}.")
        if isinstance(items, Mapping):
            yield from _fields(items, f"{path}[].")


def type_of(schema: Mapping[str, Any]) -> str:
    """`text, 1 to 40 characters`, `one of …`, `list of objects`."""
    if "const" in schema:
        return f"always {code(schema['const'])}"
    if "enum" in schema and len(schema["enum"]) == 1:
        return f"always {code(schema['enum'][0])}"
    if "enum" in schema:
        return "one of " + ", ".join(map(code, schema["enum"]))
    named = schema.get("type", ())
    names = [named] if isinstance(named, str) else list(named)
    shown = " or ".join(_TYPES.get(name, str(name)) for name in names) or "anything"
    if "array" in names:
        shown = f"list of {_many(schema.get('items', {}))}"
    return ", ".join([shown, *_bounds(schema)])


def _many(items: Mapping[str, Any]) -> str:
    """What a list holds."""
    if "enum" in items:
        return type_of(items)
    named = items.get("type")
    return {"object": "objects", "string": "texts", "integer": "whole numbers"}.get(str(named), type_of(items))


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for least, most, word in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ):
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            yield f"{low:,} to {high:,}{word}"
        elif high is not None:
            yield f"at most {high:,}{word}"
        elif low is not None and (low > 1 or not word):
            yield f"at least {low:,}{word}"
    if "pattern" in schema:
        yield f"matches {code(schema['pattern'])}"
    if "format" in schema:
        yield str(schema["format"])


def description_of(schema: Mapping[str, Any]) -> str:
    """What it is, what it is when it is left out, and whether it is about a person."""
    parts = [plain(schema["description"])] if "description" in schema else []
    if "default" in schema:
        parts.append(f"Left out: {code(schema['default'])}.")
    if schema.get("x-sensitive"):
        parts.append("Personal data, masked in logs.")
    if schema.get("deprecated"):
        parts.append("No longer recommended.")
    return " ".join(parts)
