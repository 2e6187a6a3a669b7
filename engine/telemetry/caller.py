"""The trace that the caller's request belongs to (W3C Trace Context), for as long as that request is worked on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar

_PARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_LONGEST_STATE = 512

_HEADERS: ContextVar[tuple[bytes, bytes] | None] = ContextVar("caller_trace", default=None)


def remember(headers: Mapping[bytes, bytes]) -> None:
    """Take the trace from a request's headers (names in lower case); a request without one is in none."""
    parent = headers.get(b"traceparent")
    _HEADERS.set(None if parent is None else (parent, headers.get(b"tracestate", b"")))


def trace_id() -> str | None:
    """32 hex digits, or None where the caller sent no `traceparent` or a malformed one."""
    kept = _HEADERS.get()
    if kept is None:
        return None
    found = _PARENT.fullmatch(kept[0])
    return found[1].decode() if found is not None else None


def carrier() -> dict[str, str]:
    """The caller's trace headers as text, empty without a good `traceparent`."""
    kept = _HEADERS.get()
    if kept is None or not _PARENT.fullmatch(kept[0]):
        return {}
    parent, state = kept
    found = {"traceparent": parent.decode("latin-1")}
    if 0 < len(state) <= _LONGEST_STATE:
        found["tracestate"] = state.decode("latin-1")
    return found
