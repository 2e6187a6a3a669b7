"""The authority of authority.mjs as a process, a person who consents there, and a spec that connects to it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.support.ports import free_port

_HERE = Path(__file__).parent
ID = "crm-authority"
APP = {"clientId": "shop", "clientSecret": "fake-secret-of-shop"}
_HOPS = 12


@dataclass
class Authority:
    """A running authority; what it `told` are counts of what it did."""

    origin: str

    def told(self) -> dict[str, int]:
        found: dict[str, int] = httpx.get(f"{self.origin}/__told", trust_env=False).json()
        return found

    def fail(self, times: int = 1, **how: Any) -> None:
        """The next answers of the token endpoint: `status`, `body`, `delay` in ms, `after` the grant was made."""
        httpx.post(f"{self.origin}/__fault", json={"times": times, **how}, trust_env=False).raise_for_status()

    def settle(self, seconds: int) -> None:
        """How long access tokens live from now on."""
        httpx.post(f"{self.origin}/__settle", json={"seconds": seconds}, trust_env=False).raise_for_status()

    def revoke_all(self) -> None:
        """The person takes back what was granted: every token is worthless from now on."""
        httpx.post(f"{self.origin}/__revoke", trust_env=False).raise_for_status()


@contextmanager
def authority(redirect_uri: str, seconds: int = 3600) -> Iterator[Authority]:
    """Skips the test where node or the package is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (_HERE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("the npm package oidc-provider is not installed: run `npm ci` in tests/oauth")
    port = free_port()
    command = [node, str(_HERE / "authority.mjs"), str(port), redirect_uri, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            assert any(line.strip() == "up" for line in iter(process.stdout.readline, "")), "it did not start"
            yield Authority(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def consent(url: str, *, agrees: bool = True) -> str:
    """A person with a browser of their own: signs in, agrees (or not); the address that the browser is sent back to."""
    with httpx.Client(trust_env=False, timeout=20) as browser:
        page = browser.get(url)
        for _ in range(_HOPS):
            if page.is_redirect:
                to = urljoin(str(page.url), page.headers["location"])
                if "/oauth/callback" in to:
                    return to
                page = browser.get(to)
                continue
            assert page.status_code == 200, page.text
            page = _fill_in(browser, page, agrees=agrees)
    raise AssertionError("the person was never sent back")


def _fill_in(browser: httpx.Client, page: httpx.Response, *, agrees: bool) -> httpx.Response:
    if not agrees:
        abort = re.search(r'href="([^"]*/abort)"', page.text)
        assert abort is not None, page.text
        return browser.get(urljoin(str(page.url), unescape(abort[1])))
    action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
    assert action is not None, page.text
    prompt = "login" if 'name="login"' in page.text else "consent"
    form = {"prompt": prompt, "login": "fake-person", "password": "fake-password"}
    return browser.post(urljoin(str(page.url), unescape(action[1])), data=form)


def spec(**method: Any) -> dict[str, Any]:
    """A spec of the authority: its consent, its tokens, and one read that needs a good token. `method` merges over."""
    host = "https://authority.example.com"
    oauth: Mapping[str, Any] = {
        "method": "oauth",
        "type": "oauth2",
        "scopes": {"request": ["openid", "offline_access", "read"], "granted": "body.scope"},
        "authorize": {"url": f"{host}/auth", "params": {"prompt": "consent"}},
        "exchange": {"request": {"url": f"{host}/token"}},
        "revoke": {"request": {"url": f"{host}/token/revocation"}},
        "errors": [
            {
                "status": 400,
                "when": "body.error == 'invalid_grant'",
                "code": "REAUTH_REQUIRED",
                "message": "body.error_description",
            }
        ],
        "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
    }
    return {
        "specVersion": 1,
        "integrationId": ID,
        "category": "crm",
        "name": "Authority",
        "description": "An authority of the tests that tells whose token it was shown.",
        "provider": "Authority",
        "version": "1.0.0",
        "status": "available",
        "authType": "oauth2",
        "configSchema": {"type": "object", "additionalProperties": False, "properties": {}},
        "app": {
            "type": "object",
            "required": ["clientId", "clientSecret"],
            "properties": {
                "clientId": {"type": "string", "description": "The id of the app at the authority."},
                "clientSecret": {"type": "string", "writeOnly": True, "description": "The secret of the app."},
            },
        },
        "servers": {"default": host},
        "auth": [{**oauth, **method}],
        "test": {"action": "who_am_i"},
        "actions": [
            {
                "actionId": "who_am_i",
                "name": "Who am I",
                "description": "Reads whose token it is. Use it to see that the account is connected.",
                "category": "read",
                "inputSchema": {"type": "object", "additionalProperties": False, "properties": {}},
                "outputSchema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["person"],
                    "properties": {"person": {"type": "string", "description": "The person who consented."}},
                },
                "request": {"method": "GET", "path": "/me"},
                "output": {"person": "body.sub"},
            }
        ],
    }
