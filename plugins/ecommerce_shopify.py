"""Shopify's token calls: the renewal of a rotating pair, or the one exchange of an old token that never ends.

Both go to the shop's own address as JSON. Shopify answers a repeated call with the same pair (a renewal until the new
pair is used, an exchange for seven days), so one whose answer was lost may be sent again.
"""

from __future__ import annotations

from typing import Any

from engine.plugins import TokenRequest, TokenState, refresher

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"


@refresher("shopify_refresh")
def shopify_refresh(state: TokenState) -> TokenRequest | None:
    """A pair is renewed; a token without a refresh token is swapped for a pair; with neither, consent is needed."""
    if state.refresh:
        return _token_call(state, {"grant_type": "refresh_token", "refresh_token": state.refresh})
    old = state.access or state.credentials.get("permanentToken")
    if not old:
        return None
    tokens = {"subject_token": old, "subject_token_type": _OFFLINE, "requested_token_type": _OFFLINE}
    return _token_call(state, {"grant_type": _EXCHANGE, **tokens, "expiring": "1"})


def _token_call(state: TokenState, what: dict[str, Any]) -> TokenRequest:
    app = {"client_id": state.app.get("clientId"), "client_secret": state.app.get("clientSecret")}
    return TokenRequest(url=f"https://{state.config['shop']}/admin/oauth/access_token", json={**app, **what})
