"""The first cases of a new integration about consent: given, denied, renewed, ended."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from engine.cli.scaffold.plan import Plan

APP: Final = {"clientId": "fake-client-0000", "clientSecret": "fake-client-secret-0000"}
_NOW: Final = "2026-05-01T03:04:05Z"
_STATE: Final = "fake-state-0000"
_VERIFIER: Final = "fake-verifier-000000000000000000000000000000000"
_BACK: Final = "https://integrations.test/oauth/callback"
_RUN_OUT: Final = {"access": "fake-access-0000", "refresh": "fake-refresh-0000", "expiresAt": "2026-05-01T02:00:00Z"}
_IDENTITY: Final = {"client_id": APP["clientId"], "client_secret": APP["clientSecret"]}


def consent_cases(plan: Plan, source: str, renewed: dict[str, Any]) -> list[dict[str, Any]]:
    """`renewed`: a case of the action whose request carries `fake-access-0001`."""
    common = {"source": source, "unconfirmed": True}
    given = {"now": _NOW, "state": _STATE, "codeVerifier": _VERIFIER, "app": APP}
    asked = {"form": {"grant_type": "refresh_token", "refresh_token": _RUN_OUT["refresh"], **_IDENTITY}}
    refused = {"error": "invalid_grant", "error_description": "The refresh token is no longer valid"}
    account = {"now": _NOW, "app": APP, "token": _RUN_OUT}
    ended = {"code": "REAUTH_REQUIRED", "providerCode": "invalid_grant"}
    given_to = {**renewed["given"], **account}
    return [
        {"consent": "an account connects", **common, "given": given, **_connected(plan)},
        {
            "consent": "the person says no", **common, "given": given,
            "callback": {"query": {"error": "access_denied", "state": _STATE}},
            "error": {"code": "REAUTH_REQUIRED", "providerCode": "access_denied"},
        },
        {
            **renewed, "case": "a token that has run out is renewed", "given": given_to,
            "exchanges": [_token_call(plan, asked, 200, _granted(1)), *renewed["exchanges"]],
        },
        {
            "case": "a grant that has ended", "action": plan.action, **common, "given": given_to,
            "exchanges": [_token_call(plan, asked, 400, refused)], "error": ended,
        },
    ]  # fmt: skip


def _connected(plan: Plan) -> dict[str, Any]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": APP["clientId"],
        "redirect_uri": _BACK,
        "scope": "read write",
        "state": _STATE,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    form = {"grant_type": "authorization_code", "code": "fake-code-0000", "redirect_uri": _BACK}
    sent = {"form": {**form, "code_verifier": _VERIFIER, **_IDENTITY}}
    kept = {"access": "fake-access-0000", "refresh": "fake-refresh-0000", "expiresAt": "2026-05-01T04:04:05Z"}
    return {
        "authorize": {"url": f"{plan.base_url}/oauth/authorize", "query": query},
        "callback": {"query": {"code": "fake-code-0000", "state": _STATE}},
        "exchanges": [_token_call(plan, sent, 200, _granted(0))],
        "result": {"status": "active", "token": {**kept, "scope": ["read", "write"]}},
    }


def _token_call(plan: Plan, sent: dict[str, Any], status: int, answer: dict[str, Any]) -> dict[str, Any]:
    expect = {"method": "POST", "url": f"{plan.base_url}/oauth/token", **sent}
    return {"expect": expect, "answer": {"status": status, "json": answer}}


def _granted(number: int) -> dict[str, Any]:
    return {
        "access_token": f"fake-access-000{number}",
        "token_type": "bearer",
        "expires_in": 3600,
        "refresh_token": f"fake-refresh-000{number}",
        "scope": "read write",
    }
