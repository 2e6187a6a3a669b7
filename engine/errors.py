"""Every error the engine raises, in one tree.

    EngineError
    ├── SpecError            a spec can't be compiled: carries all diagnostics (the author must act)
    ├── SettingsError        the operator's settings are wrong: master key, data dir, flags (the operator must act)
    ├── RequestError         a request that never became a call; the API answers it as an HTTP problem
    ├── CallError            what went wrong *in* a call; becomes `error` of the answer, HTTP 200
    ├── TransportError       the wire
    │   ├── ConnectFailed    nothing was sent: connect, DNS, TLS (a write may be sent again)
    │   ├── AnswerLost       sent, but no whole answer came back
    │   ├── CallTimedOut     sent, no answer in time
    │   └── AnswerTooLarge   the answer passed the size cap
    ├── LibraryError         a function of the language can't do its work (engine.library.function)
    ├── PluginError          a plugin can't be loaded or run (engine.plugins)
    └── StorageError         the store can't do its work
        ├── StorageUnavailable   full disk, read-only, locked for too long: nothing was written
        │   └── CallNotLogged    … after a write had left for the provider
        ├── StorageCorrupt       a record can't be read or decrypted
        └── VersionConflict      somebody else changed the record first

No message of these repeats a value that a caller sent or a secret; they name fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from engine.frozen import frozen

if TYPE_CHECKING:
    from engine.diagnostics import Diagnostic

Code = Literal[
    "INVALID_INPUT",
    "ACTION_NOT_FOUND",
    "CONNECTION_INACTIVE",
    "AUTH_FAILED",
    "REAUTH_REQUIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "CONFLICT",
    "REJECTED",
    "RATE_LIMITED",
    "CIRCUIT_OPEN",
    "PROVIDER_UNAVAILABLE",
    "TIMEOUT",
    "OUTCOME_UNKNOWN",
    "INVALID_RESPONSE",
    "PAYLOAD_TOO_LARGE",
    "INTERNAL",
]

CODES: tuple[str, ...] = Code.__args__  # type: ignore[attr-defined]

RETRYABLE: frozenset[str] = frozenset({"RATE_LIMITED", "CIRCUIT_OPEN", "PROVIDER_UNAVAILABLE", "TIMEOUT"})
"""Codes for which the caller may simply try again later, unless a rule says otherwise."""

HttpCode = Literal[
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_SUPPORTED",
    "CONFLICT",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "TOO_MANY_REQUESTS",
    "INTERNAL_SERVER_ERROR",
    "SERVICE_UNAVAILABLE",
]

HTTP_STATUS: Mapping[str, int] = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_SUPPORTED": 405,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
}


@frozen
class Issue:
    """One thing wrong with a value that came in: what, and where (`("to", "items", 0)`)."""

    message: str
    path: tuple[str | int, ...] = ()


class EngineError(Exception):
    """Root of the tree."""


class SpecError(EngineError):
    """One or more specs can't be compiled; `diagnostics` holds every finding."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("\n".join(str(d) for d in diagnostics))


class SettingsError(EngineError):
    """The operator's settings can't be used; the message says which and what to do."""


class RequestError(EngineError):
    """A request that never became a call. `code` decides the HTTP status (`HTTP_STATUS`)."""

    def __init__(self, code: HttpCode, message: str, issues: tuple[Issue, ...] = ()) -> None:
        self.code = code
        self.issues = issues
        super().__init__(message)

    @property
    def status(self) -> int:
        return HTTP_STATUS[self.code]


class CallError(EngineError):
    """What went wrong in a call.

    `retryable`: the *caller* may try again. `not_processed`: the provider surely did nothing, so the
    engine itself may send a write again. `renew`: the credentials in use were refused, a fresh token may help.
    `declared`: a rule of the spec says so, not only the HTTP status.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        provider_code: str | None = None,
        details: Mapping[str, Any] | None = None,
        not_processed: bool = False,
        renew: bool = False,
    ) -> None:
        self.code: Code = code
        self.message = message
        self.retryable = code in RETRYABLE if retryable is None else retryable
        self.retry_after_ms = retry_after_ms
        self.provider_code = provider_code
        self.details = dict(details) if details else {}
        self.not_processed = not_processed
        self.renew = renew
        self.declared = False
        super().__init__(f"{code}: {message}")


class TransportError(EngineError):
    """The wire failed; the message never holds a URL's query or a header."""


class ConnectFailed(TransportError):
    """Connect, DNS or TLS failed: the request provably did not leave."""


class AnswerLost(TransportError):
    """The request left (or may have), and no whole answer came back."""


class CallTimedOut(TransportError):
    """The request left, and no whole answer came in time."""


class AnswerTooLarge(TransportError):
    """The answer is larger than the cap; reading stopped there."""


class StorageError(EngineError):
    """The store can't do its work."""


class StorageUnavailable(StorageError):
    """Full disk, read-only file, lock held for too long, service down: nothing was written."""


class CallNotLogged(StorageUnavailable):
    """A write has left for the provider, and its row or answer could not be stored: look before it is repeated."""


class StorageCorrupt(StorageError):
    """A record can't be read or decrypted (wrong master key, changed bytes)."""


class VersionConflict(StorageError):
    """The record was changed by somebody else since it was read."""
