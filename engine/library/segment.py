"""One value in one segment of a path."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from engine.library.function import LibraryError, text_of

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SLASHES = re.compile(r"[/\\]")


def path_segment(value: Any) -> str:
    """Percent-encoded, so that a value can't leave its place.

    Empty text, `.` and `..` (also between slashes of the value, which some servers decode first), control characters,
    null, lists and objects are refused with `LibraryError`.
    """
    text = text_of("path", value)
    if not text:
        raise LibraryError("path: an empty value can't stand in a path")
    if _CONTROL.search(text):
        raise LibraryError("path: control characters can't stand in a path")
    if "." in text and any(part in {".", ".."} for part in _SLASHES.split(text)):
        raise LibraryError('path: "." and ".." can\'t stand in a path')
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise LibraryError("path: half of a surrogate pair can't be sent") from None
