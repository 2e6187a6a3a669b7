"""The token endpoint of a provider in a test, with one account: codes, refresh tokens that rotate, faults on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.model import Answer
from engine.runtime.account import Account
from engine.runtime.apps import AppBook
from tests.support.scene import TENANT, Scene, Stillstand, running
from tests.support.specs import ID, consent_spec
from tests.support.upstream import Reply, Seen, answer

OAUTH_APP = {"clientId": "fake-client-0000", "clientSecret": "fake-client-secret-0000"}
CODE = "fake-code-0000"
CALLBACK = {"code": CODE, "redirectUri": "https://integrations.test/oauth/callback", "query": {"code": CODE}}


@dataclass
class Authority:
    """Gives access tokens …-1, …-2, … and takes the newest only; each refresh token works once.

    `answers` says more in token answers (None takes a field away); `fault` answers the next token requests instead.
    """

    rotates: bool = True
    expires_in: Any = 3600
    forgives: bool = False
    """A refresh token that was used already works once more."""
    keeps_old: bool = False
    """Access tokens stay good when there are newer ones."""
    answers: dict[str, Any] = field(default_factory=dict)
    fault: Callable[[Seen], Reply | None] | None = None
    delay: float = 0.0
    given: int = 0
    refreshes: int = 0
    revoked: list[str] = field(default_factory=list)
    refresh: str = "refresh-0000-0"
    forms: list[dict[str, str]] = field(default_factory=list)

    @property
    def access(self) -> str:
        return f"access-0000-{self.given}"

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == "/token":
            return self._token(seen)
        if seen.path == "/revoke":
            self.revoked.append(dict(seen.form())["token"])
            return answer({})
        held = seen.headers.get("authorization", "")
        if held != f"Bearer {self.access}" and not (self.keeps_old and held.startswith("Bearer access-0000-")):
            return answer({"message": "token refused"}, 401)
        return answer({"ok": True, "account": "acme-1"})

    def _token(self, seen: Seen) -> Reply:
        form = dict(seen.form()) if seen.body[:1] != b"{" else seen.json()
        self.forms.append(form)
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
        if self.fault is not None and (made := self.fault(seen)) is not None:
            return made
        return self.grants(form)

    def grants(self, form: dict[str, str]) -> Reply:
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh and not self.forgives:
            return answer({"error": "invalid_grant", "error_description": "the refresh token is used up"}, 400)
        if form["grant_type"] == "authorization_code" and form["code"] != CODE:
            return answer({"error": "invalid_grant", "error_description": "no such code"}, 400)
        self.given += 1
        told: dict[str, Any] = {"access_token": self.access, "expires_in": self.expires_in}
        if self.rotates or self.given == 1:
            self.refresh = f"refresh-0000-{self.given}"
            told["refresh_token"] = self.refresh
        told = {key: value for key, value in {**told, **self.answers}.items() if value is not None}
        made = answer(told)
        return Reply(made.status, made.headers, made.body, delay=self.delay)


async def account_of(scene: Scene) -> Account:
    return await scene.engine.accounts.open(await scene.stored())


async def connect_account(scene: Scene, authority: Authority) -> None:
    """The operator has an app, and a person has consented, without faults; what was sent for it is forgotten."""
    fault, authority.fault = authority.fault, None
    await AppBook(scene.engine.store).put(ID, OAUTH_APP)
    account = await account_of(scene)
    account.app = OAUTH_APP
    await scene.engine.tokens.exchange(account, CALLBACK)
    scene.upstream.seen.clear()
    authority.forms.clear()
    authority.fault = fault


@asynccontextmanager
async def granted(
    tmp_path: Path, authority: Authority, clock: Any = None, made: Any = None, **more: Any
) -> AsyncIterator[Scene]:
    """A connected account. The clock stands still unless another is given."""
    clock = clock or Stillstand()
    async with running(tmp_path, made or consent_spec(), authority, clock=clock, credentials={}, **more) as scene:
        await connect_account(scene, authority)
        yield scene


def clock_of(scene: Scene) -> Stillstand:
    clock = scene.engine.clock
    assert isinstance(clock, Stillstand)
    return clock


def failure(done: Answer) -> tuple[str, bool]:
    assert done.error is not None
    return done.error.code, done.error.retryable


async def kept(scene: Scene) -> dict[str, Any]:
    """The stored token record; empty without one."""
    found = await scene.engine.store.secrets.get(TENANT, scene.connection.connection_id, "token")
    return dict(found.value) if found is not None else {}


def refuses(status: int, error: str = "invalid_grant") -> Any:
    """A fault of the token endpoint."""
    return lambda _seen: answer({"error": error, "error_description": f"said {error}"}, status)
