"""Which names a spec reads, so that what nobody reads can be told.

A read of a value is a read of all that is below it; asking whether it is there (`!a`, `$when: a`) is a read of itself
only. Elements of lists count as the list: `input.items[].name` and, inside a loop, `item.name` read input.items.name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.compiled.fault import Path
from engine.compiled.query_text import plain_path
from spec_lint.places import blocks_around, decides
from spec_lint.queries import Node, Query
from spec_lint.templates import Template

if TYPE_CHECKING:
    from spec_lint.subject import Subject

Name = tuple[str, ...]
_Names = frozenset[Name]
_NONE: _Names = frozenset()
_SAME = frozenset({"find", "list", "not_null", "reverse", "sort", "sort_by", "max_by", "min_by", "to_array", "values"})
"""Functions that hand elements on, so that what is read of their result is read of their first argument."""
_ASKING = frozenset({"keys", "length", "type"})
"""Functions that look at a value, and not into it."""


@dataclass
class Reads:
    """The names that are read at one place or at several."""

    whole: set[Name] = field(default_factory=set)
    """Read with all that is below."""
    asked: set[Name] = field(default_factory=set)
    """Only looked at."""

    def has(self, name: Name) -> bool:
        """Is the value at `name`, or anything below or around it, read?"""
        around = any(name[:end] in self.whole for end in range(1, len(name) + 1))
        return around or any(one[: len(name)] == name for one in (*self.whole, *self.asked))

    def add(self, other: Reads) -> None:
        self.whole |= other.whole
        self.asked |= other.asked


def reads_of(subject: Subject) -> Iterator[tuple[Path, Reads]]:
    """Every query and template with what it reads."""
    for template in subject.templates:
        yield template.path, _of_template(subject.resolved, template)
    for query in subject.queries:
        yield query.path, _of_query(subject.resolved, query)


def _of_template(spec: Mapping[str, Any], template: Template) -> Reads:
    reads = Reads()
    for expression in template.expressions:
        for path in expression.paths:
            reads.whole |= _unlooped(spec, template.path, path)
    return reads


def _of_query(spec: Mapping[str, Any], query: Query) -> Reads:
    reader = _Reader(spec, query.path)
    found = reader.names(query.root, None)
    # What a loop reads of the elements of a plain list is said inside it.
    is_looped = query.path[-1] == "$each" and plain_path(query.text) is not None
    (reader.reads.asked if is_looped or decides(query.path) else reader.reads.whole).update(found)
    return reader.reads


def _unlooped(spec: Mapping[str, Any], path: Path, name: Name) -> _Names:
    """The name, with the list in place of the loop's word for its element."""
    loops = [(at, block) for at, block in blocks_around(spec, path) if "$each" in block and path[len(at)] != "$each"]
    for at, block in reversed(loops):
        if block.get("$as", "item") == name[0]:
            listed = plain_path(str(block["$each"]))
            if listed is None:
                return _NONE
            return frozenset((*one, *name[1:]) for one in _unlooped(spec, at, listed))
    return frozenset({name})


class _Reader:
    """Walks one query. `current` are the names that the value before a dot stands for; None at the root."""

    def __init__(self, spec: Mapping[str, Any], path: Path) -> None:
        self.reads = Reads()
        self._spec = spec
        self._path = path

    def names(self, node: Node, current: _Names | None) -> _Names:
        """What the value of a part stands for."""
        if node.kind == "field":
            return self._field(node.value, current)
        if node.kind in ("identity", "current"):
            return current or _NONE
        method = _METHODS.get(node.kind)
        if method is not None:
            return method(self, node, current)
        self._use(node.children, current)
        return _NONE

    def _field(self, name: str, current: _Names | None) -> _Names:
        if current is None:
            return _unlooped(self._spec, self._path, (name,))
        return frozenset((*one, name) for one in current)

    def _use(self, nodes: Iterable[Node], current: _Names | None) -> None:
        for node in nodes:
            self.reads.whole |= self.names(node, current)

    def _ask(self, node: Node, current: _Names | None) -> None:
        self.reads.asked |= self.names(node, current)

    def _chain(self, node: Node, current: _Names | None) -> _Names:
        found: _Names | None = current
        for child in node.children:
            found = self.names(child, found) if child.kind not in ("index", "slice") else found
        return found or _NONE

    def _filter(self, node: Node, current: _Names | None) -> _Names:
        left, right, condition = node.children
        elements = self.names(left, current)
        self._ask(condition, elements)
        return self.names(right, elements)

    def _several(self, node: Node, current: _Names | None) -> _Names:
        return _NONE.union(*(self.names(child, current) for child in node.children))

    def _and(self, node: Node, current: _Names | None) -> _Names:
        self._ask(node.children[0], current)
        return self.names(node.children[1], current)

    def _not(self, node: Node, current: _Names | None) -> _Names:
        self._ask(node.children[0], current)
        return _NONE

    def _call(self, node: Node, current: _Names | None) -> _Names:
        if not node.children:
            return _NONE
        if node.value in _ASKING:
            self._ask(node.children[0], current)
            return _NONE
        given = [child for child in node.children if child.kind != "expref"]
        elements = self.names(given[0], current)
        for child in node.children:
            if child.kind == "expref":
                self._use(child.children, elements)
        self._use(given[1:], current)
        if node.value in _SAME:
            return elements
        self.reads.whole |= elements
        return _NONE


_METHODS = {
    **dict.fromkeys(("subexpression", "index_expression", "pipe", "projection", "value_projection"), _Reader._chain),
    **dict.fromkeys(("or_expression", "multi_select_list", "multi_select_dict", "key_val_pair"), _Reader._several),
    "flatten": _Reader._chain,
    "slice": lambda _reader, _node, current: current or _NONE,
    "index": lambda _reader, _node, current: current or _NONE,
    "filter_projection": _Reader._filter,
    "and_expression": _Reader._and,
    "not_expression": _Reader._not,
    "function_expression": _Reader._call,
}
