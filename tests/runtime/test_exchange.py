"""The first token of a consent: what is sent for the code, what is kept of the answer, and what a refusal leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CallError
from tests.support.authority import CALLBACK, OAUTH_APP, Authority, account_of, connect_account, kept
from tests.support.scene import START, TENANT, Scene, running
from tests.support.specs import HOST, action, consent_spec
from tests.support.upstream import Reply, Seen, answer


async def exchange(scene: Scene, **more: Any) -> None:
    account = await account_of(scene)
    account.app = OAUTH_APP
    await scene.engine.tokens.exchange(account, {**CALLBACK, **more})


async def test_the_code_is_swapped_in_the_form_of_the_standard(tmp_path: Path) -> None:
    authority = Authority()
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        await exchange(scene, codeVerifier="fake-verifier-0000")
        assert authority.forms == [
            {
                "grant_type": "authorization_code",
                "code": "fake-code-0000",
                "redirect_uri": "https://integrations.test/oauth/callback",
                "code_verifier": "fake-verifier-0000",
                "client_id": "fake-client-0000",
                "client_secret": "fake-client-secret-0000",
            }
        ]
        assert scene.upstream.seen[0].headers["x-upstream-host"] == HOST


async def test_without_pkce_and_with_basic_authentication_the_form_holds_neither(tmp_path: Path) -> None:
    authority = Authority()
    basic = {"Authorization": "Basic {{ app.clientSecret | base64 }}"}
    made = consent_spec(exchange={"request": {"path": "/token", "headers": basic}})
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await exchange(scene)
        assert set(authority.forms[0]) == {"grant_type", "code", "redirect_uri"}


async def test_a_body_of_its_own_takes_the_place_of_the_form(tmp_path: Path) -> None:
    authority = Authority()
    body = {"grant_type": "authorization_code", "code": "{{ callback.query.code }}", "shop": "{{ config.shop }}"}
    made = consent_spec(exchange={"request": {"path": "/token", "json": body}})
    async with running(tmp_path, made, authority, config={"shop": "lan"}, credentials={}) as scene:
        await exchange(scene)
        assert authority.forms == [{"grant_type": "authorization_code", "code": "fake-code-0000", "shop": "lan"}]


async def test_what_is_kept_of_the_answer_is_stored_before_the_first_call(tmp_path: Path) -> None:
    authority = Authority(answers={"scope": "read  write", "refresh_token_expires_in": 7200})
    made = consent_spec(
        token={"refreshExpiresIn": "body.refresh_token_expires_in"}, scopes={"request": ["read", "write"]}
    )
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await exchange(scene)
        record = await kept(scene)
        assert {name: record[name] for name in ("access", "refresh", "scope", "method", "obtainedAt")} == {
            "access": "access-0000-1",
            "refresh": "refresh-0000-1",
            "scope": ["read", "write"],
            "method": "oauth",
            "obtainedAt": int(START),
        }
        assert record["expiresAt"] == "2026-05-01T02:46:40Z"
        assert record["refreshExpiresAt"] == "2026-05-01T03:46:40Z"
        assert (await scene.call()).success


@pytest.mark.parametrize(
    ("said", "expires"),
    [
        (3600, "2026-05-01T02:46:40Z"),
        ("3600", "2026-05-01T02:46:40Z"),
        ("3600.0", "2026-05-01T02:46:40Z"),
        (None, None),
        (0, None),
        (-1, None),
        ("never", None),
    ],
)
async def test_a_time_is_read_however_it_is_written_and_never_costs_the_pair(
    tmp_path: Path, said: Any, expires: str | None
) -> None:
    authority = Authority(expires_in=said)
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        await exchange(scene)
        assert (await kept(scene)).get("expiresAt") == expires
        assert (await scene.call()).success


@pytest.mark.parametrize("behind", [-7200, -90, 0, 90, 7200])
async def test_an_end_by_the_providers_clock_is_set_right_by_its_date(tmp_path: Path, behind: int) -> None:
    """Two clocks differ; the token holds for an hour all the same."""
    theirs = START - behind
    authority = Authority(answers={"end": theirs + 3600})

    def dated(seen: Seen) -> Reply:
        made = authority(seen)
        return Reply(
            made.status, {**made.headers, "date": format_datetime(datetime.fromtimestamp(theirs, UTC))}, made.body
        )

    made = consent_spec(token={"expiresAt": "from_time(body.end, 'unix')"})
    async with running(tmp_path, made, dated, credentials={}) as scene:
        await exchange(scene)
        assert (await kept(scene))["expiresAt"] == "2026-05-01T02:46:40Z"


@pytest.mark.parametrize(
    ("said", "granted"),
    [
        ("read,write", ["read", "write"]),
        ("read, write", ["read", "write"]),
        ("read write", ["read", "write"]),
        (["read", "write"], ["read", "write"]),
        ("", None),
        (None, None),
    ],
)
async def test_scopes_are_a_list_or_a_text(tmp_path: Path, said: Any, granted: list[str] | None) -> None:
    authority = Authority(answers={"scope": said})
    made = consent_spec(scopes={"request": ["read", "write"], "separator": ","})
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await exchange(scene)
        assert (await kept(scene)).get("scope") == granted


async def test_a_refused_code_stores_nothing_and_tells_why(tmp_path: Path) -> None:
    authority = Authority()
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        with pytest.raises(CallError) as refused:
            await exchange(scene, code="another")
        assert (refused.value.code, refused.value.message) == ("REAUTH_REQUIRED", "no such code")
        assert refused.value.provider_code == "invalid_grant"
        assert await kept(scene) == {}


async def test_a_refusal_that_no_rule_explains_is_auth_failed(tmp_path: Path) -> None:
    authority = Authority(fault=lambda _: answer({"error": "invalid_request"}, 400))
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        with pytest.raises(CallError, match="the sign-in was refused") as refused:
            await exchange(scene)
        assert refused.value.code == "AUTH_FAILED"


async def test_a_code_is_never_sent_twice(tmp_path: Path) -> None:
    """A second sending of a code makes a provider take back what it gave for the first."""
    authority = Authority(fault=lambda _: Reply(fault="drop"))
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        with pytest.raises(CallError) as lost:
            await exchange(scene)
        assert lost.value.code == "PROVIDER_UNAVAILABLE"
        assert "connect the account again" in lost.value.message
        assert len(authority.forms) == 1


async def test_a_new_consent_takes_the_place_of_the_old_grant(tmp_path: Path) -> None:
    authority = Authority()
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        await exchange(scene)
        await exchange(scene)
        assert (await kept(scene))["access"] == "access-0000-2"
        assert (await scene.call()).success
        assert authority.refreshes == 0


async def test_what_the_answer_tells_of_the_account_becomes_config_and_credentials(tmp_path: Path) -> None:
    authority = Authority(answers={"region": "eu", "session": "fake-session-0000"})
    made = consent_spec(capture={"region": "body.region", "session": "body.session"})
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await exchange(scene)
        assert (await scene.stored()).config["region"] == "eu"
        found = await scene.engine.store.secrets.get(TENANT, scene.connection.connection_id, "credentials")
        assert found is not None
        assert found.value["session"] == "fake-session-0000"
        assert (await scene.call()).success
        assert authority.refreshes == 0, "what was captured does not make the grant another's"


async def test_an_address_outside_the_hosts_is_not_taken_from_an_answer(tmp_path: Path) -> None:
    """Credentials would be sent there; what a refresh says of that kind is passed over, and its pair kept."""
    authority = Authority(answers={"region": "https://evil.test"})
    async with running(tmp_path, consent_spec(capture={"region": "body.region"}), authority, credentials={}) as scene:
        with pytest.raises(CallError, match="not one of its own"):
            await exchange(scene)
        assert await kept(scene) == {}
        authority.answers = {"region": f"https://{HOST}/eu"}
        await connect_account(scene, authority)
        authority.answers = {"region": "https://evil.test"}
        authority.given += 1
        assert (await scene.call()).success
        assert (await scene.stored()).config["region"] == f"https://{HOST}/eu"


@pytest.mark.parametrize("proof", ["fake-client-secret-0000", "forged"])
async def test_an_answer_that_is_not_proved_is_not_kept(tmp_path: Path, proof: str) -> None:
    authority = Authority(answers={"proof": proof})
    made = consent_spec(
        token={"verify": [{"scheme": "equals", "given": "body.proof", "key": "{{ app.clientSecret }}"}]}
    )
    async with running(tmp_path, made, authority, credentials={}) as scene:
        if proof == "forged":
            with pytest.raises(CallError) as refused:
                await exchange(scene)
            assert refused.value.code == "INVALID_RESPONSE"
        else:
            await exchange(scene)
        assert bool(await kept(scene)) is (proof != "forged")


async def test_without_a_consent_nothing_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path, consent_spec(), Authority(), credentials={}) as scene:
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.message) == (
            "REAUTH_REQUIRED",
            "nobody has consented yet: connect the account",
        )
        assert scene.seen == 0


async def test_a_grant_is_of_the_shop_that_it_was_asked_from(tmp_path: Path) -> None:
    """Another shop needs its own; another setting does not."""
    authority = Authority()
    made = consent_spec(authorize={"url": "https://{{ config.shop }}.acme.example/authorize"})
    given = {"shop": "lan", "theme": "dark"}
    async with running(tmp_path, made, authority, config=given, credentials={}) as scene:
        await connect_account(scene, authority)
        store = scene.engine.store.connections
        await store.update(changed(await scene.stored(), theme="light"))
        assert (await scene.call()).success
        await store.update(changed(await scene.stored(), shop="another"))
        assert await scene.code() == "REAUTH_REQUIRED"


def changed(connection: Any, **config: str) -> Any:
    return replace(connection, config={**connection.config, **config})


async def test_an_action_that_needs_what_was_not_granted_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    authority = Authority(answers={"scope": "write"})
    scopes = {"request": ["read", "write", "delete"], "implies": {"write": ["read"]}}
    actions = [
        action("look", needsScopes=["read"]),
        action("erase", "write", needsScopes=["write", "delete"]),
    ]
    async with running(tmp_path, consent_spec(*actions, scopes=scopes), authority, credentials={}) as scene:
        await connect_account(scene, authority)
        assert (await scene.call("look")).success
        sent = scene.seen
        done = await scene.call("erase")
        assert done.error is not None
        assert (done.error.code, done.error.details["missingScopes"]) == ("FORBIDDEN", ["delete"])
        assert "delete" in done.error.message
        assert scene.seen == sent


async def test_scopes_that_are_not_known_refuse_nothing(tmp_path: Path) -> None:
    authority = Authority()
    made = consent_spec(action(needsScopes=["read"]), scopes={"request": ["read"]})
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await connect_account(scene, authority)
        assert (await scene.call()).success


async def test_no_secret_of_a_token_call_is_in_what_is_told(tmp_path: Path) -> None:
    def echo(seen: Any) -> Reply:
        told = {"error": "odd", "error_description": f"can't use {seen.body.decode()} {OAUTH_APP['clientSecret']}"}
        return answer(told, 400)

    async with running(tmp_path, consent_spec(), Authority(fault=echo), credentials={}) as scene:
        account = await account_of(scene)
        account.app = OAUTH_APP
        account.mask()
        with pytest.raises(CallError) as refused:
            await scene.engine.tokens.exchange(account, CALLBACK)
        assert OAUTH_APP["clientSecret"] not in str(refused.value)
