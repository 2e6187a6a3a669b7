"""What a broken keyword of the language's schema means, in an author's words. Pure: breaches in, findings out.

The hint is the schema's own `errorMessage` where it has one, else its description. No value is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.compiled.structure import Breach, Node, Path, Structure
from engine.diagnostics import nearest, unknown
from engine.frozen import frozen

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object (name: value)",
    "array": "a list",
    "null": "null",
}
_ORDER = list(_TYPES)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_LONGEST_NAME = 100


@frozen
class Finding:
    """One finding; `place` leads to the value, to the key itself, or to the object that lacks `missing`."""

    code: str
    message: str
    place: Path
    hint: str = ""
    key: str = ""
    """The key that is wrong; empty for findings about values."""
    suggested: str = ""
    """The key that was probably meant."""
    missing: str = ""
    is_misplaced: bool = False
    is_conditional: bool = False

    @property
    def around(self) -> Path:
        """The object that holds the key."""
        return self.place[:-1]


# --- keys ----------------------------------------------------------------------------------------------------------


def about_key(breach: Breach, key: str, structure: Structure) -> Finding:
    """A key that the language does not know here."""
    known = _known(breach.levels[-1])
    place = (*breach.path, key)
    if breach.triggered_by is not None:
        allowed = sorted(set(breach.levels[-1][-1].get("properties", ())) - {breach.triggered_by})
        suggested = nearest(key, allowed) or ""
        if suggested:
            return _misspelt(key, suggested, place)
        message = f"{_quoted(key)} can't stand beside {_quoted(breach.triggered_by)}"
        hint = f"beside it: {', '.join(allowed) or 'nothing'}"
        return Finding("SPEC006", message, place, hint, key=key, is_misplaced=True)
    suggested = nearest(key, known) or ""
    message, hint = unknown("key", key, known)
    if not suggested:
        elsewhere = _below(breach.levels[-1], key, structure) or _above(breach, key)
        hint = f"{elsewhere}; {hint}" if elsewhere else hint
    return Finding("SPEC001", message, place, hint, key=key, suggested=suggested, is_misplaced=True)


def _misspelt(key: str, meant: str, place: Path) -> Finding:
    message, hint = f"unknown key {_quoted(key)}", f'did you mean "{meant}"?'
    return Finding("SPEC001", message, place, hint, key=key, suggested=meant, is_misplaced=True)


def _known(nodes: Iterable[Node]) -> list[str]:
    """The keys that may stand at a place."""
    return sorted({str(key) for node in nodes for key in node.get("properties", ())})


def _below(nodes: Iterable[Node], key: str, structure: Structure) -> str:
    """A key that stands beside the object it belongs into."""
    for node in nodes:
        for name, child in node.get("properties", {}).items():
            closed = [n for n in structure.resolve(child) if n.get("additionalProperties") is False]
            if any(key in n.get("properties", {}) for n in closed):
                return f"it goes into {_quoted(name)}"
    return ""


def _above(breach: Breach, key: str) -> str:
    """A key that stands inside the object it belongs beside."""
    if not breach.path or key not in _known(breach.levels[-2]):
        return ""
    return f"it goes one level up, beside {_quoted(str(breach.path[-1]))}" if isinstance(breach.path[-1], str) else ""


def about_missing(breach: Breach, value: Mapping[str, Any], structure: Structure) -> Finding:
    """A key that must be there. One that is there under a wrong name is reported at that name."""
    missing = str(breach.params["property"])
    nodes = breach.levels[-1]
    known = {*_known(nodes), missing}
    for key in value:
        if key not in known and nearest(key, known) == missing:
            return _misspelt(key, missing, (*breach.path, key))
    message = f"{_quoted(missing)} is missing"
    if breach.path:
        message += f" in {_name(breach.path)}"
    if breach.triggered_by:
        message += f": {_quoted(breach.triggered_by)} needs it"
    hint = _described([n["properties"][missing] for n in nodes if missing in n.get("properties", {})], structure)
    return Finding("SPEC002", message, breach.path, hint, missing=missing, is_conditional=breach.is_conditional)


def _described(nodes: Iterable[Any], structure: Structure) -> str:
    for node in nodes:
        for resolved in structure.resolve(node):
            if "description" in resolved:
                return str(resolved["description"])
    return ""


# --- values --------------------------------------------------------------------------------------------------------


def about_value(breach: Breach, value: Any) -> Finding:
    """A value of the wrong type, spelling or size; or a key that is forbidden beside others."""
    nodes, place = breach.levels[-1], breach.path
    name = _name(place)
    if breach.keyword == "enum" and not breach.params["options"]:  # a key that no value makes right
        key = str(place[-1])
        return Finding("SPEC006", f"{_quoted(key)} can't stand here", place, _advice(nodes), key=key, is_misplaced=True)
    if breach.keyword == "not":
        return Finding("SPEC004", f"{name} can't be this value", place, _advice(nodes))
    if breach.keyword == "propertyNames":
        key = str(breach.params["name"])
        advice = str(nodes[-1]["propertyNames"].get("errorMessage", ""))
        return Finding("SPEC008", f"{_quoted(key)} is not spelt as names are here", (*place, key), advice, key=key)
    if breach.keyword == "type":
        return _wrong_type(breach, value, name)
    if breach.keyword in ("enum", "const"):
        return _not_listed(breach, value, name)
    if breach.keyword == "pattern":
        hint = _advice(nodes) or f"it must match {breach.params['pattern']}"
        respelt = _respelt(value, str(breach.params["pattern"]))
        hint = f'did you mean "{respelt}"? {hint}' if respelt else hint
        return Finding("SPEC005", f"{name} is not written as it must be", place, hint)
    say = _SIZES[breach.keyword]
    return Finding("SPEC007", f"{name} must {say(breach.params)}", place, _advice(nodes))


def _wrong_type(breach: Breach, value: Any, name: str) -> Finding:
    wanted = sorted((str(t) for t in breach.params["types"]), key=_ORDER.index)
    message = f"{name} must be {' or '.join(_TYPES[t] for t in wanted)}, not {_type_of(value)}"
    only = [node["const"] for node in breach.levels[-1] if "const" in node]
    hint = f"the only value: {_spelt(only[0])}" if only else _advice(breach.levels[-1])
    return Finding("SPEC003", message, breach.path, hint)


def _respelt(value: Any, pattern: str) -> str:
    """The same words as snake_case or kebab-case, where that is what a name must be."""
    words = _WORDS.findall(value) if isinstance(value, str) and len(value) <= _LONGEST_NAME else []
    made = (glue.join(words).lower() for glue in ("_", "-"))
    return next((one for one in made if words and re.fullmatch(pattern, one)), "")


def _not_listed(breach: Breach, value: Any, name: str) -> Finding:
    options = breach.params["options"] if breach.keyword == "enum" else [breach.params["expected_value"]]
    shown = ", ".join(_spelt(option) for option in options)
    texts = [option for option in options if isinstance(option, str)]
    near = nearest(value, texts) if isinstance(value, str) else None
    hint = f'did you mean "{near}"? allowed: {shown}' if near else f"allowed: {shown}"
    return Finding("SPEC004", f"{name} can't be this value", breach.path, hint)


def _advice(nodes: Iterable[Node]) -> str:
    """The innermost `errorMessage`, else the outermost description: it speaks about this very place."""
    listed = list(nodes)
    for node in reversed(listed):
        if "errorMessage" in node:
            return str(node["errorMessage"])
    return next((str(node["description"]) for node in listed if "description" in node), "")


_SIZES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "minimum": lambda p: f"be at least {p['limit']}",
    "maximum": lambda p: f"be at most {p['limit']}",
    "exclusiveMinimum": lambda p: f"be more than {p['limit']}",
    "minLength": lambda p: f"have at least {p['limit']} characters" if p["limit"] > 1 else "not be empty",
    "maxLength": lambda p: f"have at most {p['limit']} characters",
    "minItems": lambda p: f"have at least {p['limit']} entries" if p["limit"] > 1 else "not be empty",
    "maxItems": lambda p: f"have at most {p['limit']} entries",
    "minProperties": lambda p: f"have at least {p['limit']} keys" if p["limit"] > 1 else "not be empty",
    "uniqueItems": lambda _: "not hold the same entry twice",
}
"""Every keyword of size that the language's schemas use."""


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else "a number"


def _spelt(option: Any) -> str:
    if isinstance(option, bool):
        return "true" if option else "false"
    return str(option)


def _name(path: Path) -> str:
    """`"weight"`, `entry 2 of "errors"`, `the file`."""
    if not path:
        return "the file"
    last = path[-1]
    if isinstance(last, str):
        return _quoted(last)
    outer = next((step for step in reversed(path) if isinstance(step, str)), None)
    return f"entry {last + 1}" + (f" of {_quoted(outer)}" if outer else "")


def _quoted(text: str) -> str:
    return f'"{text[:80]}"'
