"""The address at which a connection is told of things by its provider.

A spec may write it into requests (`webhook.url`), where the provider takes the address with each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Webhook

WEBHOOK = "webhook"
"""Name of the secret that holds what was made for the connection; without it nothing is received."""


def url_of(public_url: str, webhook: Webhook, connection_id: str, made: Mapping[str, Any]) -> str:
    """The token is the key at the end of the path, where the proof looks for it there."""
    address = f"{public_url}/webhooks/{connection_id}"
    return f"{address}/{made['token']}" if "key" in webhook.uses and "token" in made else address
