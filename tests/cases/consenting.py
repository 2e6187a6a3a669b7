"""A made-up shop system with consent: a signed callback, rotating refresh tokens, one webhook URL for all shops."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from tests.support.specs import action, fields, secret, setting, spec

SHOP = "first.shops.example"
NOW = "2026-05-01T03:04:05Z"
STATE = "fake-state-0000"
VERIFIER = "fake-verifier-000000000000000000000000000000000"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
APP = {"clientId": "fake-client-0000", "clientSecret": "fake-client-secret-0000"}
BACK = "https://integrations.test/oauth/callback"
TOKEN_URL = f"https://{SHOP}/oauth/token"
GIVEN: dict[str, Any] = {"now": NOW, "state": STATE, "codeVerifier": VERIFIER, "app": APP, "config": {"shop": SHOP}}
HELD = {"access": "fake-access-0000", "refresh": "fake-refresh-0000", "expiresAt": "2026-05-01T02:00:00Z"}

METHOD: dict[str, Any] = {
    "method": "oauth",
    "type": "oauth2",
    "scopes": {"request": ["read_orders", "write_orders"]},
    "authorize": {"url": "https://{{ config.shop }}/oauth/authorize"},
    "callback": {
        "verify": [
            {
                "scheme": "hmac-sha256",
                "text": "{{ request.query | pairs(skip=['hmac']) }}",
                "key": "{{ app.clientSecret }}",
                "given": "query.hmac",
                "timestamp": {"value": "query.timestamp", "toleranceSeconds": 90},
            }
        ],
        "checks": [{"require": "query.shop == config.shop", "message": "another shop answered"}],
    },
    "exchange": {"request": {"url": "https://{{ config.shop }}/oauth/token"}},
    "revoke": {"request": {"url": "https://{{ config.shop }}/oauth/revoke"}},
    "token": {"refreshExpiresIn": "body.refresh_token_expires_in"},
    "capture": {"shopId": "text(body.shop_id)"},
    "errors": [{"status": 400, "when": "body.error == 'invalid_grant'", "code": "REAUTH_REQUIRED"}],
    "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
}


def shop_spec(**of_method: Any) -> dict[str, Any]:
    """The spec; `of_method` replaces keys of its auth method, None removes one."""
    method = {name: value for name, value in {**METHOD, **of_method}.items() if value is not None}
    return spec(
        action(),
        app=fields(("clientId", "clientSecret"), clientId=setting(), clientSecret=secret()),
        configSchema=fields(("shop",), shop=setting(), shopId=setting(readOnly=True)),
        servers={"default": "https://{{ config.shop }}"},
        hosts=["*.shops.example"],
        authType="oauth2",
        auth=[method],
    )


def telling_spec() -> dict[str, Any]:
    """The same system, that is asked to tell us of a shop and says until when."""
    asked = {"id": "{{ webhook.channelId }}", "to": "{{ webhook.url }}", "key": "{{ webhook.token }}"}
    webhooks = {
        "scope": "connection",
        "verify": [{"scheme": "equals", "given": 'headers."x-shop-key"', "key": "{{ webhook.token }}"}],
        "events": [{"type": "order.created", "dedupe": ["body.id"], "data": {"orderId": "text(body.id)"}}],
        "subscribe": {
            "create": {
                "request": {"method": "POST", "path": "/watches", "json": asked},
                "capture": {"watchId": "text(body.watch)"},
                "expiresAt": "from_time(body.until, 'unix')",
            },
            "delete": {"request": {"method": "DELETE", "path": "/watches/{{ webhook.captured.watchId }}"}},
        },
    }
    return {**shop_spec(), "webhooks": webhooks}


WATCHED = {"url": "https://integrations.test/webhooks/c1", "token": "fake-key-0000", "channelId": "1000001"}


def errand_case(does: str = "subscribe", **parts: Any) -> dict[str, Any]:
    """A good errand; `parts` replace its keys."""
    expect: dict[str, Any] = {
        "subscribe": ("POST", "/watches", {"json": {"id": "1000001", "to": WATCHED["url"], "key": "fake-key-0000"}}),
        "unsubscribe": ("DELETE", "/watches/7", {}),
        "revoke": ("POST", "/oauth/revoke", {"form": {"token": "fake-access-0000"}, "match": "subset"}),
        "test": ("GET", "/quote", {}),
    }
    method, path, sent = expect[does]
    answer = {"watch": 7, "until": 1777691045} if does == "subscribe" else {}
    made = {
        "errand": f"{does} it",
        "source": "made up",
        "does": does,
        "given": {
            "now": NOW,
            "app": APP,
            "config": {"shop": SHOP},
            "token": {"access": "fake-access-0000"},
            "webhook": {**WATCHED, "captured": {"watchId": "7"}},
        },
        "exchanges": [
            {
                "expect": {"method": method, "url": f"https://{SHOP}{path}", **sent},
                "answer": {"status": 200, "json": answer},
            }
        ],
        "result": {"captured": {"watchId": "7"}, "expiresAt": "2026-05-02T03:04:05Z"} if does == "subscribe" else {},
        **parts,
    }
    return {name: value for name, value in made.items() if value is not None}


def signed(query: Mapping[str, str], key: str = APP["clientSecret"]) -> dict[str, str]:
    text = "&".join(f"{name}={query[name]}" for name in sorted(query))
    return {**query, "hmac": hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()}


def token_answer(number: int = 0) -> dict[str, Any]:
    return {
        "access_token": f"fake-access-000{number}",
        "token_type": "bearer",
        "expires_in": 3600,
        "refresh_token": f"fake-refresh-000{number}",
        "refresh_token_expires_in": 7_776_000,
        "scope": "read_orders write_orders",
        "shop_id": 17,
    }


def posted(url: str, form: Mapping[str, str], status: int = 200, answer: Any = None) -> dict[str, Any]:
    """A request with a form, and its JSON answer."""
    return {
        "expect": {"method": "POST", "url": url, "form": dict(form)},
        "answer": {"status": status, "json": {} if answer is None else answer},
    }


def consent_case(name: str = "a shop connects", **parts: Any) -> dict[str, Any]:
    """A good consent of the shop; `parts` replace its keys."""
    query = {"code": "fake-code-0000", "shop": SHOP, "state": STATE, "timestamp": "1777604640"}
    asked = {
        "response_type": "code",
        "client_id": APP["clientId"],
        "redirect_uri": BACK,
        "scope": "read_orders write_orders",
        "state": STATE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    form = {
        "grant_type": "authorization_code",
        "code": "fake-code-0000",
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        "client_id": APP["clientId"],
        "client_secret": APP["clientSecret"],
    }
    made = {
        "consent": name,
        "source": "made up",
        "given": GIVEN,
        "authorize": {"url": f"https://{SHOP}/oauth/authorize", "query": asked},
        "callback": {"query": signed(query)},
        "exchanges": [posted(TOKEN_URL, form, answer=token_answer())],
        "result": {
            "config": {"shopId": "17"},
            "token": {
                "access": "fake-access-0000",
                "refresh": "fake-refresh-0000",
                "expiresAt": "2026-05-01T04:04:05Z",
                "refreshExpiresAt": "2026-07-30T03:04:05Z",
                "scope": ["read_orders", "write_orders"],
            },
        },
        "tamper": [{"query": {"code": "fake-code-0001"}}, {"drop": "hmac"}, {"now": "+91s"}],
        **parts,
    }
    return {name: value for name, value in made.items() if value is not None}


def denied_case() -> dict[str, Any]:
    query = {"error": "access_denied", "shop": SHOP, "state": STATE, "timestamp": "1777604640"}
    error = {"code": "REAUTH_REQUIRED", "providerCode": "access_denied"}
    return consent_case(
        "nobody consents", callback={"query": signed(query)}, exchanges=None, result=None, error=error, tamper=None
    )


def refreshing(status: int = 200, answer: Any = None, refresh: str = "fake-refresh-0000") -> dict[str, Any]:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "client_id": APP["clientId"],
        "client_secret": APP["clientSecret"],
    }
    return posted(TOKEN_URL, form, status, token_answer(1) if answer is None else answer)


def quoting(number: int, status: int = 200) -> dict[str, Any]:
    """A call with the token of that number."""
    headers = {"Authorization": f"Bearer fake-access-000{number}"}
    return {
        "expect": {"method": "GET", "url": f"https://{SHOP}/quote", "headers": headers},
        "answer": {"status": status, "json": {"n": number} if status < 400 else {"error": "token is over"}},
    }
