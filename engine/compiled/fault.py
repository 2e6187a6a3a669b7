"""What is wrong with one expression: raised while compiling, turned into a `Diagnostic` by whoever knows the place."""

from __future__ import annotations

from collections.abc import Callable

Path = tuple[str | int, ...]


class Fault(Exception):
    """`offset` and `length` mark the culprit inside the text of the scalar; length 0: it is the value as a whole.

    `below` leads on to that scalar, where it is inside of what was compiled; `key`: it is the key that is wrong.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        offset: int = 0,
        length: int = 1,
        *,
        below: Path = (),
        key: bool = False,
    ) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.offset = offset
        self.length = length
        self.below = below
        self.key = key
        super().__init__(message)


Report = Callable[[Path, Fault], None]
"""Takes the path of the node in the spec and what is wrong there."""


class EvaluationError(Exception):
    """An expression met a value that it can't work with. Names functions and inputs, never a value."""

    def __init__(self, message: str, inputs: tuple[str, ...] = ()) -> None:
        self.message = message
        self.inputs = inputs
        super().__init__(message)
