"""What names exist at a place of a spec, so that a name that can't exist is found when the spec loads.

A `Shape` says which keys a value can have; `Names` holds one for each root, with the tables and functions that
expressions may call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from engine.compiled.fault import Fault, Path
from engine.compiled.misnomers import unknown_function
from engine.compiled.words import Span
from engine.diagnostics import unknown
from engine.frozen import frozen
from engine.library import LIBRARY
from engine.library.function import Function
from engine.library.tables import Table


class Shape(NamedTuple):
    """`fields` None = any key; `is_open`: any key besides them too. `sure`: the value is always there. `element`: what
    a list holds.
    """

    fields: Mapping[str, Shape] | None = None
    sure: bool = False
    element: Shape | None = None
    is_open: bool = False


ANY = Shape()
SURE = Shape(sure=True)


def keys(*names: str, sure: bool = True) -> Shape:
    """An object with exactly these keys, each of any shape."""
    return Shape({name: Shape(sure=sure) for name in names}, sure=True)


def shape_of(schema: Mapping[str, Any], *, sure: bool = False) -> Shape:
    """The shape that a JSON Schema promises (local `$ref`s are resolved before)."""
    items = schema.get("items")
    element = shape_of(items, sure=True) if isinstance(items, dict) else None
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return Shape(None, sure, element)
    required = schema.get("required", ())
    fields = {
        name: shape_of(sub, sure=name in required or "default" in sub) if isinstance(sub, dict) else ANY
        for name, sub in properties.items()
    }
    return Shape(fields, sure, element, is_open=schema.get("additionalProperties", False) is not False)


@frozen
class Names:
    """Everything that expressions at one place may name."""

    roots: Mapping[str, Shape]
    tables: Mapping[str, Table] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=lambda: LIBRARY)
    place: str = "here"
    advice: Mapping[str, str] = field(default_factory=dict)
    """What to say of a dotted name (or root) that is looked for here and stands elsewhere."""

    def adding(self, **roots: Shape) -> Names:
        return self._with({**self.roots, **roots})

    def without(self, *roots: str) -> Names:
        return self._with({k: v for k, v in self.roots.items() if k not in roots})

    def _with(self, roots: Mapping[str, Shape]) -> Names:
        return Names(roots, self.tables, self.functions, self.place, self.advice)

    def check(self, path: Path, spans: Sequence[Span] = ()) -> bool:
        """Raises `Fault` for a name that can't exist; returns whether the value is surely there.

        `spans` say where the steps of the path stand in the scalar, as far as that is known.
        """
        root = str(path[0])
        shape = self.roots.get(root)
        if shape is None:
            message, hint = unknown("name", root, self.roots)
            hint = f"{self.advice[root]}; {hint}" if root in self.advice else hint
            raise _misnamed("NAME001", f"{message} {self.place}", hint, spans[:1])
        sure = shape.sure
        for depth, step in enumerate(path[1:], 1):
            known = shape.fields
            if known is not None and step in known:
                shape = known[step]  # type: ignore[index]  # no number is a field
            else:
                shape = self._step(shape, step, path[:depth], spans[: depth + 1])
            sure = sure and shape.sure
        return sure

    def _step(self, shape: Shape, step: str | int, parent: Path, spans: Sequence[Span]) -> Shape:
        if isinstance(step, int):
            return shape.element._replace(sure=False) if shape.element else ANY
        if shape.fields is None:
            return ANY
        if step not in shape.fields and shape.is_open:
            return ANY
        if step not in shape.fields:
            dotted = ".".join(str(p) for p in parent)
            message, hint = unknown("name", f"{dotted}.{step}", [f"{dotted}.{name}" for name in shape.fields])
            hint = self.advice.get(f"{dotted}.{step}", hint)
            raise _misnamed("NAME002", message, hint, spans)
        return shape.fields[step]

    def element(self, path: Path) -> Shape:
        """What the list at a path holds, where that is declared."""
        shape = self.roots.get(str(path[0]), ANY)
        for step in path[1:]:
            shape = (shape.fields or {}).get(str(step), ANY)
        return shape.element or ANY

    def function(self, name: str, offset: int = 0) -> Function:
        found = self.functions.get(name)
        if found is None:
            message, hint = unknown_function(name, self.functions)
            raise Fault("NAME003", message, hint, offset, len(name))
        return found

    def check_call(self, function: Function, count: int, named: Sequence[str], span: Span) -> None:
        """Holds a call to what the function takes: `count` arguments behind the first, and those given by name."""

        def fault(message: str, hint: str = "") -> Fault:
            return Fault("EXPR005", f"{function.name} {message}", hint, span[0], max(1, span[1] - span[0]))

        if count > len(function.positional):
            at_most = len(function.positional)
            raise fault(f"takes {at_most} argument{'' if at_most == 1 else 's'}, not {count}")
        known = (*function.positional, *function.options)
        given = list(function.positional[:count])
        for name in named:
            if name not in known:
                raise fault(f"has no option {name[:40]}", f"known: {', '.join(known)}" if known else "it takes none")
            if name in given:
                raise fault(f"is given {name} twice")
            given.append(name)
        missing = [name for name in function.positional[: function.required] if name not in given]
        if missing:
            raise fault(f"needs {', '.join(missing)}")
        if function.wants_now and "call" not in self.roots:
            raise fault(f"needs the time of a call, which is not known {self.place}")

    def table(self, name: object, span: Span) -> Table:
        """`span`: where the name stands, or the function where there is no name."""
        length = max(1, span[1] - span[0])
        if not isinstance(name, str):
            message = "the table must be given by its name, as a literal"
            raise Fault("NAME004", message, "lookup('name')", span[0], length)
        found = self.tables.get(name)
        if found is None:
            message, hint = unknown("table", name, self.tables)
            raise Fault("NAME004", message, hint, span[0], length)
        return found


def is_sure_path(path: Path, names: Names) -> bool:
    """Is the value at a path there, whatever the input? Raises `Fault` for a name that can't exist."""
    # What a step lacks is found when it has run: the call then ends, and nothing is sent.
    return path[0] != "absent" and (names.check(path) or path[0] == "steps")


def _misnamed(code: str, message: str, hint: str, spans: Sequence[Span]) -> Fault:
    start, end = (spans[0][0], spans[-1][1]) if spans else (0, 1)
    return Fault(code, message, hint, start, max(1, end - start))


TABLE_FUNCTIONS = frozenset({"lookup", "recode"})
"""Functions whose second argument is the name of a table."""
