"""Does a connection wait for somebody's consent?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Integration, Method
from engine.compiled.scope import Scope
from engine.connections.ports import Tokens
from engine.runtime.account import Account
from engine.runtime.inputs import truth


def consenting(integration: Integration, given: Mapping[str, Any]) -> Method | None:
    """The method that a consent makes hold: no earlier one holds with what was `given` (config and credentials)."""
    scope = Scope({"config": {n: v for n, v in given.items() if n not in integration.form.credentials}})
    for method in integration.methods:
        if method.when is not None and not truth(method.when, scope):
            continue
        is_complete = not lacking(method, given)
        if method.consent is not None and (is_complete or method.consent.exchange is None):
            return method
        if is_complete or method.when is not None:
            return None
    return None


def lacking(method: Method, given: Mapping[str, Any]) -> list[str]:
    return [name for name in method.needs if given.get(name) in (None, "")]


def needs_consent(integration: Integration, given: Mapping[str, Any]) -> bool:
    """Of a connection that is new."""
    method = consenting(integration, given)
    if method is None or method.consent is None:
        return False
    return method.consent.exchange is not None or bool(lacking(method, given))


async def waits(account: Account, tokens: Tokens) -> bool:
    """A consent was not given yet, or what it gave is of no use any more."""
    given = {**account.config, **account.credentials}
    method = consenting(account.integration, given)
    if method is None or not needs_consent(account.integration, given):
        return False
    return method.consent is None or method.consent.exchange is None or not await tokens.has_grant(account, method)
