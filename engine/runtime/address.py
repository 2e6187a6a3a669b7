"""The address at which a connection is told of things by its provider.

A spec may write it into requests (`webhook.url`), where the provider takes the address with each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Webhook

WEBHOOK = "webhook"
"""Name of the secret that holds what was made for the connection; without it nothing is received."""
CLOSED = "closed"
"""In it, where the address is that of an app: the connection wants nothing of what comes there."""


def app_url(public_url: str, integration_id: str) -> str:
    """Where all messages to an app come in (`scope: app`)."""
    return f"{public_url}/webhooks/apps/{integration_id}"


def url_of(public_url: str, webhook: Webhook, connection_id: str, made: Mapping[str, Any]) -> str:
    """The token is the key at the end of the path, where the proof looks for it there."""
    address = f"{public_url}/webhooks/{connection_id}"
    return f"{address}/{made['token']}" if "key" in webhook.uses and "token" in made else address
