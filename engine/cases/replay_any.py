"""Replays a case of whatever kind."""

from __future__ import annotations

from engine.cases.model import AnyCase, ConsentCase, ErrandCase, WebhookCase
from engine.cases.replay import replay
from engine.cases.replay_consent import replay_consent
from engine.cases.replay_errand import replay_errand
from engine.cases.replay_webhook import replay_webhook
from engine.catalog import Catalog


async def replay_any(case: AnyCase, catalog: Catalog) -> list[str]:
    """What the engine did differently; empty when it reproduces the case. Each case has a store of its own."""
    if isinstance(case, WebhookCase):
        return await replay_webhook(case, catalog)
    if isinstance(case, ConsentCase):
        return await replay_consent(case, catalog)
    if isinstance(case, ErrandCase):
        return await replay_errand(case, catalog)
    return await replay(case, catalog)
