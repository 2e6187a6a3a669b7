"""What a library function is, and how it refuses an argument."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

from engine.errors import EngineError
from engine.frozen import frozen
from engine.library import exact


class LibraryError(EngineError):
    """A function can't do its work. Names the function and the kind of value, never the value."""


@frozen
class Function:
    """One function, called `call(x, *positional, **options)`.

    `positional` names the arguments after the first, in order; the first `required` of them must be given,
    and each may be given by its name too. `options` go by name only. `nullable`: null and wrong types are
    ordinary values for it. `wants_now`: needs the keyword `now` (RFC 3339 text of the call).
    """

    name: str
    call: Callable[..., Any]
    positional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    nullable: bool = False
    wants_now: bool = False
    required: int = 0


def null_out(call: Callable[..., Any]) -> Callable[..., Any]:
    """Null in, null out: null as any positional argument makes the result null."""

    @wraps(call)
    def guarded(x: Any, *args: Any, **options: Any) -> Any:
        if x is None or None in args:
            return None
        return call(x, *args, **options)

    return guarded


def kind(value: Any) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, Decimal, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return "bytes" if isinstance(value, bytes) else type(value).__name__


def refuse(function: str, wanted: str, value: Any) -> LibraryError:
    return LibraryError(f"{function}: needs {wanted}, not {kind(value)}")


def scalar_text(value: Any) -> str | None:
    """Text of a text, number or boolean; None for anything else. Raises ValueError on a number out of bounds."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return exact.plain(value)
    return exact.plain(exact.from_float(value)) if isinstance(value, float) else None


def text_of(function: str, value: Any) -> str:
    """The text that `function` was given; numbers and booleans read as their text."""
    if type(value) is str:
        return value
    try:
        text = scalar_text(value)
    except ValueError as error:
        raise LibraryError(f"{function}: {error}") from None
    if text is None:
        raise refuse(function, "text", value)
    return text


def bytes_of(function: str, value: Any) -> bytes:
    """UTF-8 of a text (or number, boolean); bytes as they are."""
    if isinstance(value, bytes):
        return value
    try:
        return text_of(function, value).encode()
    except UnicodeEncodeError:
        raise LibraryError(f"{function}: the text holds half of a surrogate pair") from None


def choice(function: str, option: str, value: Any, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of `allowed`. The allowed words are named in the error."""
    if isinstance(value, str) and value in allowed:
        return value
    raise LibraryError(f"{function}: {option} must be one of {', '.join(allowed)}")
