"""`@frozen` and `@slotted` make what the standard dataclasses make, and the engine's values are made with them."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from functools import partial
from itertools import product
from typing import Any

import pytest

from engine.frozen import frozen, slotted
from tests.house.source import python_files, text


def _declared(decorator: Callable[[type], type]) -> Any:
    class Value:
        """Of every kind of field."""

        a: str
        b: int = 3
        c: dict[str, int] = field(default_factory=dict, repr=False)
        d: int = field(default=0, compare=False)
        e: list[int] = field(init=False, default_factory=lambda: [7], repr=False, compare=False)

        def __post_init__(self) -> None:
            if self.b < 0:
                raise ValueError("b is below 0")

    return decorator(Value)


PAIRS = {
    "frozen": (_declared(dataclass(frozen=True, slots=True)), _declared(frozen)),
    "slotted": (_declared(dataclass(slots=True)), _declared(slotted)),
}
GIVEN: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("x",), {}), (("x", 4), {}), (("x", 4, {"k": 1}, 5), {}), ((), {"a": "x", "d": 1}), (("x",), {"c": {}}),
    ((), {}), (("x", 1, {}, 2, 3), {}), (("x",), {"a": "y"}), (("x",), {"z": 1}), (("x",), {"e": []}), (("x", -1), {}),
]  # fmt: skip


def told(work: Callable[[], Any]) -> Any:
    """What comes of it, or what it raises."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever the standard one raises
        return type(error), str(error)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("times", [1, 200], ids=["the first", "one of many"])
def test_a_value_is_made_shown_compared_and_refused_as_the_standard_one(kind: str, times: int) -> None:
    ours, standard = (told_of(one, times) for one in reversed(PAIRS[kind]))
    assert ours == standard


def told_of(kind: Any, times: int) -> list[Any]:
    for _ in range(times):
        kind("x")
    made = [told(partial(kind, *given, **named)) for given, named in GIVEN]
    values = [one for one in made if isinstance(one, kind)]
    found: list[Any] = [told(partial(repr, one)) for one in made]
    found += [left == right for left, right in product(values, values)]
    found += [told(partial(hash, one)) == told(partial(hash, copy.copy(one))) for one in values]
    found += [(repr(replace(one, a="new")), copy.deepcopy(one) == one, one != "x", one.e) for one in values]
    found += [
        told(partial(hash, kind("x"))),
        told(partial(setattr, values[0], "a", 1)),
        told(partial(delattr, values[0], "d")),
    ]
    found += [[(one.name, one.type) for one in fields(kind)], kind.__slots__, kind.__match_args__, kind.__doc__]
    return found


def _derived(decorator: Callable[[type], type]) -> Any:
    class Value:
        """Has a field that nothing sets, unless it does so itself."""

        a: float
        b: float = field(init=False, compare=False)

        def __post_init__(self) -> None:
            if self.a > 0:
                object.__setattr__(self, "b", self.a * 2)

    return decorator(Value)


@pytest.mark.parametrize("times", [1, 200], ids=["the first", "one of many"])
def test_a_field_without_a_value_and_a_single_one_are_as_in_the_standard_one(times: int) -> None:
    nan = float("nan")

    def told_of(kind: Any) -> list[Any]:
        made = [told(partial(kind, 1.5)) for _ in range(times)][-1]
        same = kind(nan) == kind(nan), {kind(nan): 1}.get(kind(nan))
        return [repr(made), same, *(told(work) for work in (kind(-1.0).__repr__, lambda: kind(-1.0).b, kind))]

    assert told_of(_derived(frozen)) == told_of(_derived(dataclass(frozen=True, slots=True)))


@frozen
class Kept:
    a: int
    b: tuple[str, ...] = ()


def test_frozen_values_are_frozen_hashed_and_pickled() -> None:
    value = Kept(1, ("x",))
    with pytest.raises(FrozenInstanceError):
        value.a = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(value)) == value
    assert {value: 1}[Kept(1, ("x",))] == 1
    assert Kept.__doc__ == "Kept"


def test_a_class_keeps_the_methods_that_it_has() -> None:
    @frozen
    class Own:
        """Says what it likes."""

        a: int

        def __repr__(self) -> str:
            return "own"

    assert repr(Own(1)) == "own"
    assert Own(1) == Own(1)


def test_the_engine_declares_no_value_in_the_dear_way() -> None:
    """Each costs a first call more than a thousandth."""
    dear = re.compile(r"^ *@dataclass\(.*slots=True", re.MULTILINE)
    assert [path.name for path in python_files("engine") if dear.search(text(path))] == []
