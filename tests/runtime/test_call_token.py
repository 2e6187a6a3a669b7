"""Logins: one for many, shared, renewed once, kept encrypted, and worthless with other credentials."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_engine
from engine.connections.service import Change, ConnectionService
from engine.model import Command
from engine.runtime.clock import SystemClock
from engine.settings import Settings
from tests.support.scene import TENANT, Scene, Stillstand, running
from tests.support.specs import CONNECTED, HOST, PASSWORD, action, login_spec
from tests.support.upstream import Reply, Seen, answer


@dataclass
class Provider:
    """Gives tokens t1, t2, … and accepts those that it has not revoked."""

    logins: int = 0
    expires: Any = 3600
    delay: float = 0.0
    password: str = PASSWORD
    same: bool = False
    """Every login gives the one token."""
    good: set[str] = field(default_factory=set)
    more: dict[str, Any] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == "/login":
            self.logins += 1
            if seen.json()["password"] != self.password:
                return answer({"message": "wrong user or password"}, 400)
            token = "the-only-token" if self.same else f"token-number-{self.logins}"
            self.good.add(token)
            made = answer({"token": token, "expires": self.expires, **self.more})
            return Reply(made.status, made.headers, made.body, delay=self.delay)
        if seen.headers.get("authorization", "").removeprefix("Bearer ") not in self.good:
            return answer({"message": "token refused"}, 401)
        return answer({"ok": True})


async def test_twenty_calls_at_once_log_in_once(tmp_path: Path) -> None:
    provider = Provider(delay=0.05)
    async with running(tmp_path, login_spec(), provider, clock=SystemClock(), **CONNECTED) as scene:
        done = await asyncio.gather(*(scene.call() for _ in range(20)))
        assert all(one.success for one in done)
        assert provider.logins == 1


async def second_engine(scene: Scene, tmp_path: Path) -> Any:
    """Another process's engine on the same data."""
    return await open_engine(
        Settings(data_dir=tmp_path / "data"),
        catalog=scene.engine.catalog,
        clock=scene.engine.clock,
        upstreams=dict.fromkeys(scene.engine.catalog.integrations, scene.upstream.origin),
    )


async def test_a_second_engine_on_the_same_data_uses_the_same_token(tmp_path: Path) -> None:
    provider = Provider(delay=0.05)
    async with running(tmp_path, login_spec(), provider, clock=SystemClock(), **CONNECTED) as scene:
        other = await second_engine(scene, tmp_path)
        command = Command(TENANT, "quote", {}, connection_id=scene.connection.connection_id)
        done = await asyncio.gather(*(engine.execute(command) for engine in [scene.engine, other] * 5))
        await other.close()
        assert all(one.success for one in done)
        assert provider.logins == 1


async def test_a_refused_token_is_renewed_once_and_the_call_made_again(tmp_path: Path) -> None:
    provider = Provider()
    async with running(tmp_path, login_spec(), provider, **CONNECTED) as scene:
        assert (await scene.call()).success
        provider.good.clear()
        assert (await scene.call()).success
        assert provider.logins == 2
        assert [seen.path for seen in scene.upstream.seen] == ["/login", "/quote", "/quote", "/login", "/quote"]


async def test_a_write_whose_token_was_refused_is_made_again_too(tmp_path: Path) -> None:
    provider = Provider()
    async with running(tmp_path, login_spec(action("book", "write")), provider, **CONNECTED) as scene:
        await scene.call("book")
        provider.good.clear()
        assert (await scene.call("book")).success


async def test_a_token_that_is_refused_again_ends_the_call(tmp_path: Path) -> None:
    def never(seen: Seen) -> Reply:
        return answer({"token": "t"}) if seen.path == "/login" else answer({"message": "no"}, 401)

    async with running(tmp_path, login_spec(), never, **CONNECTED) as scene:
        assert await scene.code() == "AUTH_FAILED"
        assert [seen.path for seen in scene.upstream.seen] == ["/login", "/quote", "/login", "/quote"]


async def test_many_calls_with_a_refused_token_renew_it_once(tmp_path: Path) -> None:
    provider = Provider(delay=0.05)
    async with running(tmp_path, login_spec(), provider, clock=SystemClock(), **CONNECTED) as scene:
        await scene.call()
        provider.good.clear()
        done = await asyncio.gather(*(scene.call() for _ in range(10)))
        assert all(one.success for one in done)
        assert provider.logins == 2


async def test_a_new_token_may_read_as_the_refused_one(tmp_path: Path) -> None:
    """A provider that opens the same session again: who waited for the login goes on with it."""
    provider = Provider(delay=0.05, same=True)
    async with running(tmp_path, login_spec(), provider, clock=SystemClock(), **CONNECTED) as scene:
        await scene.call()
        provider.good.clear()
        done = await asyncio.gather(*(scene.call() for _ in range(10)))
        assert all(one.success for one in done)
        assert provider.logins == 2


async def test_a_refusal_that_arrives_late_does_not_throw_away_the_new_token(tmp_path: Path) -> None:
    provider = Provider()

    def slow(seen: Seen) -> Reply:
        made = provider(seen)
        late = seen.path == "/late" and made.status == 401
        return Reply(made.status, made.headers, made.body, delay=0.3 if late else 0)

    made = login_spec(action(), action("late"))
    async with running(tmp_path, made, slow, clock=SystemClock(), **CONNECTED) as scene:
        await scene.call()
        provider.good.clear()
        done = await asyncio.gather(scene.call("late"), scene.call())
        assert all(one.success for one in done)
        assert provider.logins == 2


async def test_who_waited_for_a_refused_login_does_not_try_it_again(tmp_path: Path) -> None:
    provider = Provider(password="another", delay=0.05)

    def slow(seen: Seen) -> Reply:
        made = provider(seen)
        return Reply(made.status, made.headers, made.body, delay=0.05)

    async with running(tmp_path, login_spec(), slow, clock=SystemClock(), **CONNECTED) as scene:
        codes = await asyncio.gather(*(scene.code() for _ in range(10)))
        assert codes == ["AUTH_FAILED"] * 10
        assert provider.logins == 1


async def test_a_token_is_renewed_before_it_runs_out(tmp_path: Path) -> None:
    clock, provider = Stillstand(), Provider(expires=3600)
    async with running(tmp_path, login_spec(), provider, clock=clock, **CONNECTED) as scene:
        await scene.call()
        clock.passed += 3500
        await scene.call()
        assert provider.logins == 1
        clock.passed += 50
        await scene.call()
        assert provider.logins == 2


async def test_a_short_token_is_used_for_half_its_life(tmp_path: Path) -> None:
    clock, provider = Stillstand(), Provider(expires=20)
    async with running(tmp_path, login_spec(), provider, clock=clock, **CONNECTED) as scene:
        await scene.call()
        clock.passed += 9
        await scene.call()
        assert provider.logins == 1


async def test_a_token_without_an_end_is_good_until_it_is_refused(tmp_path: Path) -> None:
    clock, provider = Stillstand(), Provider(expires=None)
    async with running(tmp_path, login_spec(), provider, clock=clock, **CONNECTED) as scene:
        await scene.call()
        clock.passed += 86_400 * 100
        await scene.call()
        assert provider.logins == 1


@pytest.mark.parametrize("token", [{"expiresIn": "body.expires"}, {"expiresAt": "body.expires"}])
async def test_an_end_that_can_not_be_read_is_an_answer_that_makes_no_sense(
    tmp_path: Path, token: dict[str, str]
) -> None:
    provider = Provider(expires="soon")
    made = login_spec(token={"access": "body.token", **token})
    async with running(tmp_path, made, provider, **CONNECTED) as scene:
        assert await scene.code() == "INVALID_RESPONSE"
        assert provider.logins == 1


async def test_an_end_with_an_offset_is_understood(tmp_path: Path) -> None:
    clock, provider = Stillstand(), Provider(expires="2026-05-01T10:46:40+07:00")  # two hours after the start
    made = login_spec(token={"access": "body.token", "expiresAt": "body.expires"})
    async with running(tmp_path, made, provider, clock=clock, **CONNECTED) as scene:
        await scene.call()
        clock.passed += 7000
        await scene.call()
        assert provider.logins == 1
        clock.passed += 200
        await scene.call()
        assert provider.logins == 2


async def test_a_refused_login_is_auth_failed_and_puts_the_connection_in_error(tmp_path: Path) -> None:
    provider = Provider(password="another")
    async with running(tmp_path, login_spec(), provider, **CONNECTED) as scene:
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("AUTH_FAILED", False)
        assert done.error.message == "the sign-in was refused: the provider refused the input (HTTP 400)"
        stored = await scene.stored()
        assert (stored.status, stored.last_error) == ("error", done.error.message)
        assert provider.logins == 1


async def test_a_login_that_is_down_does_not_blame_the_credentials(tmp_path: Path) -> None:
    async with running(tmp_path, login_spec(action("book", "write")), lambda _: answer({}, 503), **CONNECTED) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("PROVIDER_UNAVAILABLE", True)
        assert (await scene.stored()).status == "active"


async def test_a_login_without_a_token_is_auth_failed(tmp_path: Path) -> None:
    async with running(tmp_path, login_spec(), lambda _: answer({"error": "no"}), **CONNECTED) as scene:
        assert await scene.code() == "AUTH_FAILED"


async def test_what_a_login_tells_of_the_account_becomes_config(tmp_path: Path) -> None:
    provider = Provider(more={"region": "eu", "session": "session-secret-1"})
    made = login_spec(capture={"region": "body.region", "session": "body.session"})
    async with running(tmp_path, made, provider, **CONNECTED) as scene:
        assert (await scene.call()).success
        stored = await scene.stored()
        assert stored.config == {"user": "lan", "region": "eu"}
        secret_of = await scene.engine.store.secrets.get(TENANT, stored.connection_id, "credentials")
        assert secret_of is not None
        assert secret_of.value == {"password": PASSWORD, "session": "session-secret-1"}
        assert (await scene.call()).success
        assert provider.logins == 1


async def test_a_captured_host_is_used_by_the_same_call(tmp_path: Path) -> None:
    provider = Provider(more={"region": "eu"})
    made = login_spec(capture={"region": "body.region"})
    made["servers"] = {"default": "https://{{ config.region }}.acme.example", "login": f"https://{HOST}"}
    made["hosts"] = [HOST, "*.acme.example"]
    made["auth"][0]["obtain"]["steps"][0]["request"]["server"] = "login"
    async with running(tmp_path, made, provider, **CONNECTED) as scene:
        assert (await scene.call()).success
        assert [seen.headers["x-upstream-host"] for seen in scene.upstream.seen] == [HOST, "eu.acme.example"]


async def test_a_login_that_succeeds_after_an_error_makes_the_connection_active(tmp_path: Path) -> None:
    """Although the login itself has just changed the connection's record."""
    provider, clock = Provider(password="another", more={"region": "eu"}), Stillstand()
    made = login_spec(capture={"region": "body.region"})
    async with running(tmp_path, made, provider, clock=clock, **CONNECTED) as scene:
        await scene.call()
        assert (await scene.stored()).status == "error"
        provider.password = PASSWORD
        clock.passed += 6
        await scene.call()
        stored = await scene.stored()
        assert (stored.status, stored.last_error, stored.config["region"]) == ("active", None, "eu")


async def test_what_was_refused_a_moment_ago_is_not_tried_again_until_it_is_changed(tmp_path: Path) -> None:
    """Accounts lock after a few wrong passwords, and callers that repeat are many."""
    provider, clock = Provider(password="another"), Stillstand()
    async with running(tmp_path, login_spec(), provider, clock=clock, **CONNECTED) as scene:
        for _ in range(3):
            assert await scene.code() == "AUTH_FAILED"
        assert provider.logins == 1
        clock.passed += 6
        assert await scene.code() == "AUTH_FAILED"
        assert provider.logins == 2
        right = Change(credentials={"password": "another"})
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, right)
        assert (await scene.call()).success


async def test_changed_credentials_make_the_stored_token_worthless(tmp_path: Path) -> None:
    provider = Provider()
    async with running(tmp_path, login_spec(), provider, **CONNECTED) as scene:
        await scene.call()
        provider.password = "an0ther-password"
        service = ConnectionService(scene.engine)
        change = Change(credentials={"password": "an0ther-password"})
        await service.update(TENANT, scene.connection.connection_id, change)
        assert (await scene.call()).success
        assert provider.logins == 2


async def test_a_change_of_name_keeps_the_token(tmp_path: Path) -> None:
    provider = Provider()
    async with running(tmp_path, login_spec(), provider, **CONNECTED) as scene:
        await scene.call()
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, Change(name="Other"))
        assert (await scene.call()).success
        assert provider.logins == 1


async def test_a_login_of_two_steps_hands_over_what_the_first_found(tmp_path: Path) -> None:
    made = login_spec()
    steps = made["auth"][0]["obtain"]["steps"]
    steps[0]["outputs"] = {"short": "body.token"}
    owner = {"method": "POST", "path": "/owner", "headers": {"X-Short": "{{ steps.login.outputs.short }}"}}
    steps.append({"stepId": "owner", "effect": "read", "request": owner})

    def provider(seen: Seen) -> Reply:
        if seen.path == "/owner":
            return answer({"token": "long-" + seen.headers["x-short"]})
        return answer({"token": "short-token"} if seen.path == "/login" else {"with": seen.headers["authorization"]})

    async with running(tmp_path, made, provider, **CONNECTED) as scene:
        assert (await scene.call()).success
        assert scene.upstream.seen[-1].headers["authorization"] == "Bearer long-short-token"


async def test_a_login_uses_up_no_call_of_the_action(tmp_path: Path) -> None:
    async with running(tmp_path, login_spec(action(rateLimit=1)), Provider(), **CONNECTED) as scene:
        assert (await scene.call()).success
        assert await scene.code() == "RATE_LIMITED"


async def test_the_answers_signature_is_asked_of_the_action_not_of_the_login(tmp_path: Path) -> None:
    proof = {"scheme": "equals", "key": "right", "given": "headers.proof"}
    made = login_spec()
    made["verifyAnswer"] = [proof]
    provider = Provider()

    def proving(seen: Seen) -> Reply:
        made = provider(seen)
        proved = {} if seen.path == "/login" else {"proof": "right"}
        return Reply(made.status, {**made.headers, **proved}, made.body)

    async with running(tmp_path, made, proving, **CONNECTED) as scene:
        assert (await scene.call()).success


async def test_a_token_is_stored_encrypted(tmp_path: Path) -> None:
    async with running(tmp_path, login_spec(), Provider(), **CONNECTED) as scene:
        await scene.call()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
    assert b"token-number-1" not in stored
    assert PASSWORD.encode() not in stored
