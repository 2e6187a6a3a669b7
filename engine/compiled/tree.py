"""Trees: the nested blocks of a spec (bodies, headers, outputs) compiled to one closure.

The same directives work in request trees, whose leaves are templates, and in output trees, whose leaves are
queries; `Leaves` says which. What is absent falls: a key, a list element, an object or list that lost everything
it had. The root of a body and of `$json` stays, and so do a literal `{}` and `[]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from engine.compiled.fault import EvaluationError, Fault, Path, Report
from engine.compiled.generated import Entry, object_of
from engine.compiled.names import ANY, SURE, Names, Shape
from engine.compiled.query import compile_query, holds
from engine.compiled.query_text import plain_path
from engine.compiled.template import Escape, compile_template
from engine.compiled.values import Evaluate
from engine.diagnostics import unknown
from engine.frozen import frozen
from engine.library import exact
from engine.library.absent import ABSENT
from engine.library.function import LibraryError, text_of

_PLAIN_TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+)\s*\}\}")
DIRECTIVES = frozenset(
    {
        "$each", "$as", "$where", "$value", "$when", "$cases", "$merge", "$const", "$null", "$json", "$text", "$join",
        "$absent", "$escape",
    }
)  # fmt: skip


class Leaf(NamedTuple):
    """One text as it is compiled: a query or a template, where it stands in the spec, and what it may name."""

    kind: Literal["query", "template"]
    path: Path
    text: str
    names: Names


def _unnoted(_leaf: Leaf) -> None:
    """Nobody wants to know of leaves."""


Watch = Callable[[Path, Evaluate], Evaluate]
"""Takes the path of a query, or of a branch of `$cases`, and its closure; gives the closure that is used."""


@frozen
class Leaves:
    """How the texts of a tree are read, and where findings go."""

    names: Names
    report: Report
    note: Callable[[Leaf], None] = _unnoted
    """Is told of every query and template before it is compiled."""
    watch: Watch | None = None
    """None: nobody wants to know what comes of it."""
    queries: bool = False
    escapes: Mapping[str, Escape] | None = None
    escape: Escape | None = None
    schema: Mapping[str, Any] | None = None
    """Output trees: the JSON Schema of the value. A null falls unless its schema allows null."""


def compile_tree(node: Any, leaves: Leaves, path: Path = (), *, is_root: bool = False) -> Evaluate:
    """`path` is where the node stands in the spec, for findings. Never raises: findings go to `leaves.report`."""
    return _Compiler(leaves, leaves.schema).compile(node, path, is_root)


def nothing(_scope: Any) -> Any:
    return ABSENT


class _Compiler:
    """`schema`: that of the value that is compiled, in place of the one of `leaves`, which is that of the whole."""

    __slots__ = ("leaves", "schema")

    def __init__(self, leaves: Leaves, schema: Mapping[str, Any] | None) -> None:
        self.leaves = leaves
        self.schema = schema

    def _watched(self, path: Path, evaluate: Evaluate) -> Evaluate:
        return evaluate if self.leaves.watch is None else self.leaves.watch(path, evaluate)

    def _below(self, key: str | None) -> _Compiler:
        """For what stands under a key of an object, or (None) in a list."""
        schema = self.schema
        if schema is None:
            return self
        inner = schema.get("items") if key is None else (schema.get("properties") or {}).get(key)
        return _Compiler(self.leaves, inner if isinstance(inner, dict) else None)

    def _without_schema(self) -> _Compiler:
        return self if self.schema is None else _Compiler(self.leaves, None)

    def compile(self, node: Any, path: Path, is_root: bool = False) -> Evaluate:
        if isinstance(node, str):
            return self._leaf(node, path)
        if isinstance(node, list):
            return self._list(node, path, is_root)
        if isinstance(node, dict):
            return self._mapping(node, path, is_root)
        if self.leaves.queries:
            self._fault(path, "EXPR020", "a literal in an output is written {$const: …}")
        return lambda _scope: node

    def _fault(self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False) -> None:
        self.leaves.report(path, Fault(code, message, hint, length=0, key=key))

    def _leaf(self, text: str, path: Path) -> Evaluate:
        leaves = self.leaves
        leaves.note(Leaf("query" if leaves.queries else "template", path, text, leaves.names))
        try:
            if not leaves.queries:
                return compile_template(text, leaves.names, leaves.escape)
            query = self._watched(path, compile_query(text, leaves.names))
        except Fault as fault:
            leaves.report(path, fault)
            return nothing
        if leaves.escape is not None:
            return _escaped(query, leaves.escape)
        if _is_nullable(self.schema):
            return query

        def run(scope: Any) -> Any:
            value = query(scope)
            return ABSENT if value is None else value

        return run

    def _query(self, node: Any, path: Path) -> Evaluate:
        """The text of `$each`, `$where`, `$when`: always a query."""
        self.leaves.note(Leaf("query", path, str(node), self.leaves.names))
        try:
            return self._watched(path, compile_query(str(node), self.leaves.names))
        except Fault as fault:
            self.leaves.report(path, fault)
            return nothing

    def _list(self, node: list[Any], path: Path, is_root: bool) -> Evaluate:
        inside = self._below(None)
        elements = [inside.compile(element, (*path, i)) for i, element in enumerate(node)]
        keeps = is_root or not elements

        def run(scope: Any) -> Any:
            values = [value for element in elements if (value := element(scope)) is not ABSENT]
            return values if values or keeps else ABSENT

        return run

    def _mapping(self, node: Mapping[str, Any], path: Path, is_root: bool) -> Evaluate:
        self._check_directives(node, path)
        inner = self._below_when(node, path, is_root)
        if "$when" not in node:
            return inner
        condition = self._query(node["$when"], (*path, "$when"))
        return lambda scope: inner(scope) if holds(condition(scope)) else ABSENT

    def _check_directives(self, node: Mapping[str, Any], path: Path) -> None:
        for key in node:
            if key.startswith("$") and not key.startswith("$$") and key not in DIRECTIVES:
                # `$se_module` is a provider's key; only what looks like a mistyped directive is reported.
                message, hint = unknown("directive", key, DIRECTIVES)
                if "did you mean" in hint:
                    self._fault((*path, key), "EXPR022", message, hint + "; write $$ for a literal $", key=True)

    def _below_when(self, node: Mapping[str, Any], path: Path, is_root: bool) -> Evaluate:
        if DIRECTIVES.isdisjoint(node):
            return self._object(node, path, is_root)
        for key, method in _KINDS.items():
            if key in node:
                allowed = _BESIDE[key]
                for other in node:
                    if other not in (key, "$when", *allowed):
                        self._fault((*path, other), "EXPR023", f"{other} can't stand beside {key}", key=True)
                return method(self, node, path, is_root)
        if "$value" in node:
            return self.compile(node["$value"], (*path, "$value"), is_root)
        return self._object(node, path, is_root)

    def _object(self, node: Mapping[str, Any], path: Path, is_root: bool) -> Evaluate:
        entries: list[Entry] = []
        for key, value in node.items():
            if key in DIRECTIVES:
                if key != "$when":
                    self._fault((*path, key), "EXPR023", f"{key} has no meaning here", key=True)
                continue
            name = key[1:] if key.startswith("$$") else key
            below = self._below(name)
            entries.append(below._entry(name, value, below.compile(value, (*path, key))))
        return object_of(entries, keeps=is_root or not entries)

    def _entry(self, name: str, node: Any, evaluate: Evaluate) -> Entry:
        leaves = self.leaves
        plain = leaves.escape is None and evaluate is not nothing and not (leaves.queries and leaves.watch)
        path = self._plain_path(node) if plain and isinstance(node, str) else None
        return Entry(name, evaluate, path, leaves.queries, keeps_null=_is_nullable(self.schema))

    def _plain_path(self, text: str) -> tuple[str, ...] | None:
        """The names of a leaf that is nothing but a path of two names or more."""
        if self.leaves.queries:
            path = plain_path(text)
        else:
            found = _PLAIN_TEMPLATE.fullmatch(text)
            path = tuple(found[1].split(".")) if found else None
        return path if path is not None and len(path) > 1 else None

    def _each(self, node: Mapping[str, Any], path: Path, _is_root: bool) -> Evaluate:
        source = self._query(node["$each"], (*path, "$each"))
        name = str(node.get("$as", "item"))
        if "$value" not in node:
            self._fault((*path, "$each"), "EXPR024", "$each needs $value: what becomes of each element")
            return nothing
        names = self.leaves.names.adding(**{name: self._element(node["$each"]), "index": SURE})
        inside = _Compiler(replace(self.leaves, names=names), self._below(None).schema)
        where = inside._query(node["$where"], (*path, "$where")) if "$where" in node else None
        return _loop(source, name, where, inside.compile(node["$value"], (*path, "$value")))

    def _element(self, source: Any) -> Shape:
        """What the list holds, where the query is a plain path to a list that is declared."""
        path = plain_path(source) if isinstance(source, str) else None
        return self.leaves.names.element(path) if path else ANY

    def _cases(self, node: Mapping[str, Any], path: Path, is_root: bool) -> Evaluate:
        branches: list[tuple[Evaluate | None, Evaluate]] = []
        cases = node["$cases"] if isinstance(node["$cases"], list) else []
        for i, case in enumerate(cases):
            here = (*path, "$cases", i)
            if not isinstance(case, Mapping) or "$value" not in case:
                self._fault(here, "EXPR024", "a branch of $cases needs $value")
                continue
            if branches and branches[-1][0] is None:
                self._fault(here, "EXPR025", "this branch is never reached: the one before has no $when")
            when = self._query(case["$when"], (*here, "$when")) if "$when" in case else None
            value = self.compile(case["$value"], (*here, "$value"), is_root)
            branches.append((when, self._watched(here, value)))

        def run(scope: Any) -> Any:
            for when, value in branches:
                if when is None or holds(when(scope)):
                    return value(scope)
            return ABSENT

        return run

    def _merge(self, node: Mapping[str, Any], path: Path, is_root: bool) -> Evaluate:
        parts = node["$merge"] if isinstance(node["$merge"], list) else []
        trees = [self.compile(part, (*path, "$merge", i), is_root) for i, part in enumerate(parts)]

        def run(scope: Any) -> Any:
            merged: dict[str, Any] = {}
            for tree in trees:
                value = tree(scope)
                if isinstance(value, dict):
                    merged.update(value)
                elif value is not ABSENT and value is not None:
                    raise EvaluationError("$merge takes objects only")
            return merged if merged or is_root else ABSENT

        return run

    def _const(self, node: Mapping[str, Any], _path: Path, _is_root: bool) -> Evaluate:
        value = node["$const"]
        return lambda _scope: value

    def _null(self, node: Mapping[str, Any], path: Path, _is_root: bool) -> Evaluate:
        inner = self.compile(node["$null"], (*path, "$null"))

        def run(scope: Any) -> Any:
            value = inner(scope)
            return None if value is ABSENT else value

        return run

    def _json(self, node: Mapping[str, Any], path: Path, _is_root: bool) -> Evaluate:
        inner = self._without_schema().compile(node["$json"], (*path, "$json"), is_root=True)

        def run(scope: Any) -> Any:
            value = inner(scope)
            try:
                return ABSENT if value is ABSENT else exact.dumps(value).decode()
            except ValueError:
                raise EvaluationError("$json can't write what is no JSON value") from None

        return run

    def _text(self, node: Mapping[str, Any], path: Path, _is_root: bool) -> Evaluate:
        inside = self._escaping(node, path)._without_schema()
        parts = node["$text"]
        if isinstance(parts, list):
            trees = [inside.compile(part, (*path, "$text", i)) for i, part in enumerate(parts)]
        else:
            trees = [inside.compile(parts, (*path, "$text"))]
        join = str(node.get("$join", ""))
        absent = node.get("$absent")

        def run(scope: Any) -> Any:
            out = []
            for tree in trees:
                value = tree(scope)
                for one in value if isinstance(value, list) else (value,):  # a list gives its elements, as parts
                    if one is not ABSENT and one is not None:
                        out.append(_spelled(one))
                    elif absent is not None:
                        out.append(str(absent))
            return join.join(out) if out else ABSENT

        return run

    def _escaping(self, node: Mapping[str, Any], path: Path) -> _Compiler:
        if "$escape" not in node:
            return self
        known = self.leaves.escapes or {}
        name = str(node["$escape"])
        if name not in known:
            message, hint = unknown("escape table", name, known)
            self._fault((*path, "$escape"), "NAME005", message, hint)
            return self
        return _Compiler(replace(self.leaves, escape=known[name]), self.schema)

    def _stray(self, node: Mapping[str, Any], path: Path, _is_root: bool) -> Evaluate:
        self._fault(path, "EXPR024", "$escape, $join and $absent belong to $text")
        return nothing


_Kind = Callable[[_Compiler, Mapping[str, Any], Path, bool], Evaluate]
_KINDS: Mapping[str, _Kind] = {
    "$const": _Compiler._const,
    "$each": _Compiler._each,
    "$cases": _Compiler._cases,
    "$merge": _Compiler._merge,
    "$null": _Compiler._null,
    "$json": _Compiler._json,
    "$text": _Compiler._text,
    "$escape": _Compiler._stray,
}
_BESIDE: Mapping[str, frozenset[str]] = {
    "$const": frozenset(),
    "$each": frozenset({"$as", "$where", "$value"}),
    "$cases": frozenset(),
    "$merge": frozenset(),
    "$null": frozenset(),
    "$json": frozenset(),
    "$text": frozenset({"$join", "$absent", "$escape"}),
    "$escape": frozenset(),
}


def _loop(source: Evaluate, name: str, where: Evaluate | None, value: Evaluate) -> Evaluate:
    def run(scope: Any) -> Any:
        found = source(scope)
        if found is None or found is ABSENT:
            return ABSENT
        if not isinstance(found, list):
            raise EvaluationError("$each needs a list")
        inner = scope.child()
        out = []
        for index, element in enumerate(found):
            inner[name] = element
            inner["index"] = index
            if where is not None and not holds(where(inner)):
                continue
            made = value(inner)
            if made is not ABSENT:
                out.append(made)
        return out

    return run


def _escaped(query: Evaluate, escape: Escape) -> Evaluate:
    def run(scope: Any) -> Any:
        value = query(scope)
        return ABSENT if value is None else escape(_spelled(value))

    return run


def _is_nullable(schema: Mapping[str, Any] | None) -> bool:
    if schema is None:
        return False
    types = schema.get("type")
    if types == "null" or (isinstance(types, list) and "null" in types):
        return True
    branches = schema.get("anyOf")
    return isinstance(branches, list) and any(_is_nullable(b) for b in branches if isinstance(b, dict))


def _spelled(value: Any) -> str:
    try:
        return text_of("$text", value)
    except LibraryError as error:
        raise EvaluationError(str(error)) from None
