"""The row that a call leaves in the execution log: masked by field, by name and by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.errors import CallError
from engine.library import exact
from engine.model import Command, Connection, Execution, ExecutionStatus
from engine.redact import Masker, mask_fields
from engine.runtime.tally import Tally

_LARGEST_LOGGED = 64 * 1024
_TOO_LARGE = b'{"$omitted":"larger than 64 kB"}'


def row(  # noqa: PLR0917 - by position: a row has eighteen fields, and naming them costs as much as making it
    command: Command,
    connection: Connection | None,
    execution_id: str,
    created_at: float,
    latency_ms: int,
    shown_input: bytes,
    shown_output: bytes | None,
    error: CallError | None,
    shown_details: bytes | None = None,
    tally: Tally | None = None,
) -> Execution:
    status: ExecutionStatus = "success" if error is None else "timeout" if error.code == "TIMEOUT" else "error"
    return Execution(
        execution_id,
        command.tenant_id,
        connection.connection_id if connection else command.connection_id,
        connection.integration_id if connection else command.integration_id,
        command.action_id,
        shown_input,
        shown_output,
        status,
        error.code if error else None,
        error.message if error else None,
        latency_ms,
        command.caller_service,
        command.caller_ref,
        created_at,
        error.provider_code if error else None,
        tally.http_status if tally else None,
        tally.attempts if tally else 0,
        shown_details,
    )


def without_secrets(command: Command, masker: Masker | None, *, is_known: bool) -> Command:
    """The command as the log may hold it: a caller may have taken a credential for a reference of its own.

    `is_known`: its action is one of the integration's.
    """
    if masker is None or (is_known and command.caller_service is None and command.caller_ref is None):
        return command
    words = (command.action_id, command.caller_service or "", command.caller_ref or "")
    line = "\n".join(words)
    if masker.text(line) is line:
        return command
    action_id, service, ref = (masker.text(word) or None for word in words)
    return replace(command, action_id=action_id or "", caller_service=service, caller_ref=ref)


def shown_details(error: CallError | None, masker: Masker | None) -> bytes | None:
    """What else is known of a failure, as the log may hold it; None where there is nothing."""
    return shown(error.details, mask_fields, masker) if error is not None and error.details else None


def shown(
    value: Any,
    mask: Callable[[Any], Any],
    masker: Masker | None,
    written: bytes | None = None,
    *,
    is_as_written: bool = False,
) -> bytes:
    """A value as the log may hold it: JSON, masked, at most 64 kB.

    `written`: its JSON before a secret was taken out of it; `is_as_written`: there was none.
    """
    try:
        if written is not None and len(written) > _LARGEST_LOGGED:
            return _TOO_LARGE
        masked = mask(value)
        text = written if is_as_written and masked is value and written is not None else exact.dumps(masked)
        if len(text) > _LARGEST_LOGGED:
            return _TOO_LARGE
        # Masking inside written JSON could cut a number or an escape, so a hit masks the data and writes it again.
        if masker is not None and masker.may_hold(text):
            text = exact.dumps(masker.data(masked))
    except ValueError:
        return b"{}"
    return text
