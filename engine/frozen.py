"""Values as `@dataclass(frozen=True, slots=True)` makes them, without what that costs at every start.

The standard one writes six methods of each class as text and compiles them while its module is imported: a quarter of
all that a process does which makes one call. Here all classes share one form of each, and `__init__`, which has to be
quick, is written for a class of which many values are made. Fields, defaults, `replace`, equality, text and errors are
the standard ones. Not known here are ClassVars, fields that go by name only or say `hash=`, and an `__eq__` of the
class's own without a `__hash__`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, Final, NoReturn, TypeVar, cast, dataclass_transform

T = TypeVar("T")
_FEW: Final = 50
"""To write an `__init__` takes as long as to make so many values without."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """As `@dataclass(frozen=True, slots=True)`."""
    return _with(cls, _FROZEN)


@dataclass_transform(field_specifiers=(field,))
def slotted(cls: type[T]) -> type[T]:
    """As `@dataclass(slots=True)`: its fields can be set, so it has no hash."""
    return _with(cls, _OPEN)


def _with(cls: type[T], methods: Mapping[str, Any]) -> type[T]:
    """What the class says itself stays."""
    own, annotations = cls.__dict__, cls.__annotations__
    cls.__doc__ = cls.__doc__ or cls.__name__  # else it is told of its parameters, which takes longer than all the rest
    cls.__annotations__ = dict.fromkeys(annotations, object)  # as texts each is searched for a ClassVar
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made.__annotations__ = annotations
    for name, kind in annotations.items():
        made.__dataclass_fields__[name].type = kind
    for name, method in {"__init__": _late_init(made), **methods}.items():
        if name not in own:
            setattr(made, name, method)
    return cast("type[T]", made)


# ---------------------------------------------------------------- what each class has


def _late_init(cls: Any) -> Callable[..., None]:
    """Makes the first values of the class, then gives it an `__init__` of its own."""
    made = 0

    def init(self: Any, *given: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        if made > _FEW or not _filled(self, given, named):
            cls.__init__ = written = _init_of(cls)  # its errors are the standard ones
            written(self, *given, **named)

    return init


def _filled(self: Any, given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Sets all fields; False where what is given does not fit them."""
    told = fields(self)
    names = [one.name for one in told if one.init]
    values = dict(zip(names, given, strict=False))
    if len(given) > len(names) or not values.keys().isdisjoint(named) or not named.keys() <= set(names):
        return False
    values |= named
    for one in told:
        if one.name not in values:
            if one.default is MISSING and one.default_factory is MISSING:
                if one.init:
                    return False
                continue  # `__post_init__` sets it
            values[one.name] = one.default if one.default_factory is MISSING else one.default_factory()
        object.__setattr__(self, one.name, values[one.name])
    if hasattr(self, "__post_init__"):
        self.__post_init__()
    return True


def _init_of(cls: Any) -> Callable[..., None]:
    """As the standard one writes it."""
    put = "_set(self, {0!r}, {1})" if cls.__setattr__ is _no_setting else "self.{0} = {1}"
    known: dict[str, Any] = {"_set": object.__setattr__, "_absent": MISSING}
    parameters, body = ["self"], []
    for one in fields(cls):
        known |= {f"_default_{one.name}": one.default, f"_make_{one.name}": one.default_factory}
        if one.init:
            parameters.append(_parameter(one))
        elif one.default is MISSING and one.default_factory is MISSING:
            continue
        body.append(put.format(one.name, _value(one)))
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    head = f"def __init__({', '.join(parameters)}):"
    exec("\n ".join((head, *body, "return")), known)  # noqa: S102 - the names of fields of our own classes
    written: Callable[..., None] = known["__init__"]
    written.__qualname__ = f"{cls.__qualname__}.__init__"  # which errors name
    return written


def _parameter(one: Field[Any]) -> str:
    if one.default_factory is not MISSING:
        return f"{one.name}=_absent"
    return one.name if one.default is MISSING else f"{one.name}=_default_{one.name}"


def _value(one: Field[Any]) -> str:
    if one.default_factory is MISSING:
        return one.name if one.init else f"_default_{one.name}"
    return f"_make_{one.name}() if {one.name} is _absent else {one.name}" if one.init else f"_make_{one.name}()"


# ---------------------------------------------------------------- what all share


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({shown})"


def _equals(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = _compared(self.__class__)
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(_compared(self.__class__)(self))


@cache
def _compared(cls: Any) -> Callable[[Any], Any]:
    """What two values of the class must have in common to be equal."""
    names = [one.name for one in fields(cls) if one.compare]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple([getattr(self, name) for name in names])  # a tuple too: in one, NaN equals itself


def _no_setting(_self: Any, name: str, _value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_deleting(_self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    """For copies and pickles, which would set fields."""
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


_OPEN: Final[Mapping[str, Any]] = {"__repr__": _repr, "__eq__": _equals, "__hash__": None}
_FROZEN: Final[Mapping[str, Any]] = {
    **_OPEN,
    "__hash__": _hash,
    "__setattr__": _no_setting,
    "__delattr__": _no_deleting,
    "__getstate__": _state,
    "__setstate__": _restore,
}
