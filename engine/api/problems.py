"""Failures as bodies: always the same five keys, which oRPC clients decode into an error.

    {"defined": false, "code": "BAD_REQUEST", "status": 400, "message": "…", "data": {"issues": [{"message", "path"}]}}

No body repeats a value that was sent; the log line of an unexpected error holds where it happened, never its text,
because foreign exceptions like to quote what they choked on.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import Any

from engine.api.wire import Reply
from engine.errors import (
    HTTP_STATUS,
    CallNotLogged,
    HttpCode,
    Issue,
    RequestError,
    StorageCorrupt,
    StorageUnavailable,
    VersionConflict,
)
from engine.library import exact

_log = logging.getLogger("integrations.api")

RETRY_AFTER_SECONDS = 1
_SENT = "the call has reached the provider already: look there before you repeat it"


def problem(code: HttpCode, message: str, issues: Iterable[Issue] = (), headers: Any = ()) -> Reply:
    """The reply for a failure; `data` holds the issues of a 400 and is empty otherwise."""
    status = HTTP_STATUS[code]
    data: dict[str, Any] = {}
    if status == 400:
        data["issues"] = [{"message": issue.message, "path": list(issue.path)} for issue in issues]
    body = {"defined": False, "code": code, "status": status, "message": message, "data": data}
    return Reply(exact.dumps(body), status, headers=tuple(headers))


def reply_to(error: Exception, request_id: str, challenge: bytes = b"Bearer") -> Reply:
    """Every failure becomes its reply here; what nobody expected is logged under the request's id.

    `challenge`: how a caller can prove who it is (`WWW-Authenticate`).
    """
    if isinstance(error, RequestError):
        headers = [(b"www-authenticate", challenge)] if error.code == "UNAUTHORIZED" else []
        return problem(error.code, str(error), error.issues, headers)
    if isinstance(error, StorageUnavailable):
        _log.error("request %s: the store is not available (%s)", request_id, type(error).__name__)
        if isinstance(error, CallNotLogged):  # no Retry-After: a repeat might do it twice
            return problem("SERVICE_UNAVAILABLE", f"the store is not available now, and {_SENT}")
        retry = [(b"retry-after", str(RETRY_AFTER_SECONDS).encode())]
        return problem("SERVICE_UNAVAILABLE", "the store is not available now; nothing was written", headers=retry)
    if isinstance(error, VersionConflict):
        return problem("CONFLICT", "it was changed by somebody else at the same time; read it again and retry")
    _log.error("request %s failed unexpectedly: %s", request_id, _where(error))
    what = "a stored record can't be read" if isinstance(error, StorageCorrupt) else "something unexpected went wrong"
    return problem("INTERNAL_SERVER_ERROR", f"{what}; the X-Request-Id of this answer finds it in the log")


def _where(error: BaseException) -> str:
    """Types and places of an exception and its causes, without their messages."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < 5:
        frames = traceback.extract_tb(seen.__traceback__)
        places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:])
        lines.append(f"{type(seen).__name__} at {places or 'unknown place'}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " | caused by ".join(lines)
