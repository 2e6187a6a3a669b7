"""Signatures of Standard Webhooks (https://www.standardwebhooks.com), symmetric: `v1`. Pure, but for new secrets."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable

from engine.model import Pairs

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """What a subscriber verifies with: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> Pairs:
    """The headers that go with the body: one signature for each secret. `timestamp`: epoch seconds of the attempt."""
    content = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return (
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", " ".join(_signature(key, content) for key in keys)),
    )


def _signature(key: str, content: bytes) -> str:
    mac = hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), content, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"
