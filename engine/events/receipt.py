"""What became of a message from a provider."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from engine.frozen import frozen
from engine.model import Response
from engine.runtime.account import Account
from engine.runtime.message import Message
from engine.telemetry.events import MessageEvent

Outcome = Literal["accepted", "duplicate", "ignored", "handshake", "refused", "failed"]


@frozen
class Receipt:
    """`reason` holds no value of the message; `account` None: nobody knows the address, or it came to an app."""

    outcome: Outcome
    answer: Response
    reason: str = ""
    account: Account | None = field(default=None, repr=False)
    event_ids: tuple[str, ...] = ()
    """The new ones."""
    integration_id: str | None = None
    """Of the app that it came to."""


def noted(receipt: Receipt, message: Message, began: float, ended: float) -> MessageEvent:
    """For the observer; times are epoch seconds."""
    connection = receipt.account.connection if receipt.account is not None else None
    return MessageEvent(
        tenant_id=connection.tenant_id if connection is not None else None,
        integration_id=connection.integration_id if connection is not None else receipt.integration_id,
        connection_id=connection.connection_id if connection is not None else None,
        at=began,
        latency_ms=(ended - began) * 1000,
        outcome=receipt.outcome,
        reason=receipt.reason,
        event_count=len(receipt.event_ids),
        http_status=receipt.answer.status,
        received_bytes=len(message.body),
    )
