"""Consent over HTTP: who may begin it, who may end it, and what a forged, swapped or late callback brings (nothing)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from base64 import urlsafe_b64encode
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.connections.states import LIFE_SECONDS
from tests.api.consenting import HANDED, NEW, PAGE, ZONED, Town, good, granted, plain
from tests.api.support import OTHERS
from tests.cases.consenting import APP, SHOP
from tests.support.upstream import Reply, answer


async def test_a_person_consents_and_the_connection_works(there: Town) -> None:
    connection_id = await there.connect()
    assert await there.status(connection_id) == "inactive"
    waiting = (await there.call(connection_id))["error"]
    assert waiting["code"] == "CONNECTION_INACTIVE"
    assert waiting["details"] == {"reconnect": f"POST /connections/{connection_id}/authorize"}

    asked = await there.invite(connection_id)
    assert "Connected" in plain(await there.back(good(asked)), 200)

    shown = (await there.client.get(f"/connections/{connection_id}")).json()
    assert (shown["status"], shown["config"]) == ("active", {"shop": SHOP, "shopId": "17"})
    assert (await there.call(connection_id))["success"] is True
    (exchange, call) = there.upstream.seen
    assert call.headers["authorization"] == "Bearer fake-access-0001"
    form = dict(exchange.form())
    challenge = hashlib.sha256(form.pop("code_verifier").encode()).digest()
    assert urlsafe_b64encode(challenge).decode().rstrip("=") == asked["code_challenge"]
    assert form == {
        "grant_type": "authorization_code",
        "code": "fake-code-0000",
        "redirect_uri": asked["redirect_uri"],
        "client_id": APP["clientId"],
        "client_secret": APP["clientSecret"],
    }


async def test_the_invitation_leads_to_the_provider_and_ends(there: Town) -> None:
    made = await there.client.post(f"/connections/{await there.connect()}/authorize")
    page = urlsplit(made.json()["authorizationUrl"])
    asked = dict(parse_qsl(page.query))
    assert f"{page.scheme}://{page.netloc}" == there.upstream.origin
    assert page.path == "/oauth/authorize"
    assert asked.pop("x-upstream-host") == SHOP
    assert len(asked.pop("state")) == len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": APP["clientId"],
        "redirect_uri": "https://integrations.example.com/oauth/callback",
        "scope": "read_orders write_orders",
        "code_challenge_method": "S256",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made.json()["expiresAt"])


async def test_the_state_is_kept_as_a_hash_and_what_it_stands_for_sealed(there: Town) -> None:
    connection_id = await there.connect()
    asked = await there.invite(connection_id)
    ((key, record),) = await there.engine.store.state.find("consent:")
    assert key == f"consent:{hashlib.sha256(asked['state'].encode()).hexdigest()}"
    assert asked["state"].encode() not in record.value
    assert connection_id.encode() not in record.value
    assert set(json.loads(record.value)) == {"tenant", "sealed"}


async def test_the_state_ends_after_ten_minutes(there: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LIFE_SECONDS == 600
    monkeypatch.setattr("engine.connections.states.LIFE_SECONDS", 0.2)
    connection_id = await there.connect()
    asked = await there.invite(connection_id)
    await asyncio.sleep(0.3)
    assert "took too long" in plain(await there.back(good(asked)), 400)
    assert there.asked == []


async def test_what_is_forged_swapped_or_of_somebody_else_is_refused_and_uses_nothing_up(there: Town) -> None:
    mine, other = await there.connect(), await there.connect(config={"shop": "second.shops.example"})
    theirs = await there.client.post("/connections", json=NEW, headers=OTHERS)
    asked, others = await there.invite(mine), await there.invite(other)
    callback = good(asked)
    for forged in (
        {**callback, "code": "another-code"},
        {**callback, "hmac": "0" * 64},
        {name: value for name, value in callback.items() if name != "hmac"},
        {**callback, "state": "x" * 43},
        {**callback, "state": others["state"]},
        good(others),  # signed for the first shop, under the state of the second
        good(asked, shop="second.shops.example"),
        good(asked, timestamp="1777604640"),
        {name: value for name, value in callback.items() if name != "state"},
        {},
    ):
        text = plain(await there.back(forged), 400)
        assert mine not in text
        assert "acme" not in text
    assert there.asked == []
    assert {await there.status(one) for one in (mine, other)} == {"inactive"}
    assert (await there.client.get(f"/connections/{theirs.json()['connectionId']}")).status_code == 404
    plain(await there.back(callback), 200)
    assert await there.status(mine) == "active"
    assert await there.status(other) == "inactive"


@pytest.mark.parametrize(
    ("query", "body", "headers"),
    [
        ("state=%ff%fe&code=a", b"", {}),
        ("&".join(f"p{n}={'x' * 20}" for n in range(1500)), b"", {}),
        ("state=" + "x" * 8000, b"", {}),
        ("", b"{", {"content-type": "application/json"}),
        ("", b'{"state": {"state": ["x"]}}', {"content-type": "application/json"}),
        ("", b"[" * 5000, {"content-type": "application/json"}),
        ("", b"state=%00&code=%0d%0a", {"content-type": "application/x-www-form-urlencoded"}),
        ("", b"\x1f\x8b", {"content-encoding": "gzip"}),
    ],
)
async def test_what_nobody_can_read_is_a_plain_refusal(
    there: Town, query: str, body: bytes, headers: dict[str, str]
) -> None:
    method = "POST" if body else "GET"
    page = await there.stranger.request(method, f"/oauth/callback?{query}", content=body, headers=headers)
    assert "unknown, or it took too long" in plain(page, 400)
    assert there.asked == []


async def test_a_state_that_comes_twice_in_a_query_is_no_state(there: Town) -> None:
    asked = await there.invite(await there.connect())
    query = "&".join(f"{name}={value}" for name, value in good(asked).items())
    page = await there.stranger.get(f"/oauth/callback?{query}&state={'x' * 43}")
    plain(page, 400)
    assert there.asked == []


async def test_a_callback_counts_once_however_many_bring_it(there: Town) -> None:
    connection_id = await there.connect()
    callback = good(await there.invite(connection_id))
    pages = await asyncio.gather(*(there.back(callback) for _ in range(8)))
    assert sorted(page.status_code for page in pages) == [200, *[400] * 7]
    assert there.asked == ["/oauth/token"]
    assert "used already" in plain(await there.back(callback), 400)
    assert (await there.call(connection_id))["success"] is True


async def test_who_only_looks_whether_there_is_a_page_uses_nothing_up(there: Town) -> None:
    callback = good(await there.invite(await there.connect()))
    looked = await there.stranger.head("/oauth/callback", params=callback)
    assert looked.status_code == 200
    assert there.asked == []
    plain(await there.back(callback), 200)


async def test_a_connection_that_was_changed_meanwhile_is_not_the_one_that_was_consented_to(there: Town) -> None:
    connection_id = await there.connect()
    callback = good(await there.invite(connection_id))
    path = f"/connections/{connection_id}"
    await there.client.patch(path, json={"config": {"shop": "second.shops.example"}})
    assert "changed meanwhile" in plain(await there.back(callback), 400)
    await there.client.patch(path, json={"config": {"shop": SHOP}})
    await there.apps.put("acme-shipping", {**APP, "clientSecret": "another-secret-0000"})
    assert "changed meanwhile" in plain(await there.back(callback), 400)
    await there.apps.put("acme-shipping", APP)
    await there.client.patch(path, json={"name": "Renamed"})
    plain(await there.back(callback), 200)


async def test_a_connection_that_was_deleted_meanwhile_is_as_if_it_had_never_been(there: Town) -> None:
    connection_id = await there.connect()
    callback = good(await there.invite(connection_id))
    await there.client.delete(f"/connections/{connection_id}")
    unknown = plain(await there.back({**callback, "state": "x" * 43}), 400)
    assert plain(await there.back(callback), 400) == unknown
    assert there.asked == []


async def test_one_that_is_deleted_while_the_code_is_exchanged_leaves_no_token(there: Town) -> None:
    connection_id = await there.connect()
    there.provider.answers["/oauth/token"] = lambda _seen: Reply(
        200, {"content-type": "application/json"}, granted(1).body, delay=0.5
    )
    callback = asyncio.create_task(there.back(good(await there.invite(connection_id))))
    await there.upstream.arrived()
    await there.client.delete(f"/connections/{connection_id}")
    assert "deleted meanwhile" in plain(await callback, 400)
    assert await there.engine.store.secrets.find("acme", connection_id) == {}
    assert there.asked == ["/oauth/token", "/oauth/revoke"]


async def test_a_refusal_of_the_provider_is_shown_in_its_words_which_can_do_nothing(there: Town) -> None:
    connection_id = await there.connect()
    asked = await there.invite(connection_id)
    words = f"<script>alert(1)</script> {asked['state']} {'x' * 900}"
    denied = {"error": "access_denied", "error_description": words, "state": asked["state"]}
    text = plain(await there.back(denied), 400)
    assert "&lt;script&gt;" in text
    assert asked["state"] not in text
    assert len(text.partition("<p>")[2]) < 600, "a provider's words are capped at 500 characters"
    assert await there.status(connection_id) == "inactive"
    plain(await there.back(good(asked)), 200)  # who thinks again goes back and consents


async def test_an_exchange_that_fails_is_told_and_noted_and_leaves_the_connection_as_it_was(there: Town) -> None:
    connection_id = await there.connect()
    secret = APP["clientSecret"]
    refusal = {"error": "invalid_client", "error_description": f"{secret} is wrong"}
    there.provider.answers["/oauth/token"] = lambda _seen: answer(refusal, 401)
    page = await there.back(good(await there.invite(connection_id)))
    assert secret not in plain(page, 400)
    shown = (await there.client.get(f"/connections/{connection_id}")).json()
    assert shown["status"] == "inactive"
    assert shown["lastErrorAt"]
    assert secret not in shown["lastError"]
    del there.provider.answers["/oauth/token"]
    plain(await there.back(good(await there.invite(connection_id))), 200)
    assert "lastError" not in (await there.client.get(f"/connections/{connection_id}")).json()


async def test_a_consent_that_a_browser_began_is_ended_by_no_other(there: Town) -> None:
    """Who sends a victim the callback of a consent of his own connects nothing."""
    connection_id = await there.connect()
    asked = await there.invite(connection_id, cookie="theme=dark; integrations_browser=fake-cookie-0000")
    callback = good(asked)
    for cookie in ("", "integrations_browser=another", "other=fake-cookie-0000"):
        assert "another browser" in plain(await there.back(callback, Cookie=cookie), 400)
    assert there.asked == []
    plain(await there.back(callback, Cookie="a=b; integrations_browser=fake-cookie-0000"), 200)


async def test_only_its_tenant_begins_a_consent(there: Town) -> None:
    path = f"/connections/{await there.connect()}/authorize"
    assert (await there.client.post(path, headers=OTHERS)).status_code == 404
    assert (await there.stranger.post(path)).status_code == 401
    assert await there.engine.store.state.find("consent:") == []


async def test_a_connection_that_signs_in_without_waits_for_nobody(there: Town) -> None:
    credentials = {"accessToken": "fake-token-0000"}
    connection_id = await there.connect(credentials=credentials)
    path = f"/connections/{connection_id}"
    assert await there.status(connection_id) == "active"
    refused = await there.client.post(f"{path}/authorize")
    assert (refused.status_code, "signs in with what was given" in refused.text) == (400, True)

    await there.client.patch(path, json={"credentials": {"accessToken": None}})
    assert await there.status(connection_id) == "inactive"
    forced = await there.client.patch(path, json={"status": "active"})
    assert (forced.status_code, forced.json()["data"]["issues"][0]["path"]) == (400, ["status"])
    await there.client.patch(path, json={"name": "Renamed"})
    assert await there.status(connection_id) == "inactive"
    await there.client.patch(path, json={"credentials": credentials})
    assert await there.status(connection_id) == "active"


async def test_who_switched_a_connected_account_off_switches_it_on_without_a_consent(there: Town) -> None:
    connection_id = await there.connected()
    path = f"/connections/{connection_id}"
    for status in ("inactive", "active"):
        assert (await there.client.patch(path, json={"status": status})).json()["status"] == status
    await there.client.patch(path, json={"config": {"shop": "second.shops.example"}})
    assert await there.status(connection_id) == "inactive", "the consent was for another shop"


async def test_a_lost_grant_is_given_again_under_the_same_id(there: Town) -> None:
    connection_id = await there.connected()
    there.provider.answers["/quote"] = lambda _seen: answer({}, 401)
    there.provider.answers["/oauth/token"] = lambda _seen: answer({"error": "invalid_grant"}, 400)
    error = (await there.call(connection_id))["error"]
    assert error["code"] == "REAUTH_REQUIRED"
    assert error["details"]["reconnect"] == f"POST /connections/{connection_id}/authorize"
    assert await there.status(connection_id) == "error"
    there.provider.answers.clear()
    plain(await there.back(good(await there.invite(connection_id))), 200)
    assert await there.status(connection_id) == "active"
    assert (await there.call(connection_id))["success"] is True


async def test_an_idle_grant_is_looked_after_until_its_connection_is_gone(there: Town) -> None:
    connection_id = await there.connected()
    state = there.engine.store.state
    ((_, entry),) = await state.find(f"agenda:grant:acme:{connection_id}")
    life = 7_776_000
    assert 0.7 * life < int(entry.value) - there.engine.clock.now() < 0.9 * life
    await there.client.delete(f"/connections/{connection_id}")
    assert await state.find("agenda:") == []


@pytest.mark.parametrize("is_up", [True, False])
async def test_a_deleted_connection_gives_its_grant_back_if_the_provider_takes_it(there: Town, is_up: bool) -> None:
    connection_id = await there.connected()
    if not is_up:
        there.provider.answers["/oauth/revoke"] = lambda _seen: Reply(fault="drop")
    assert (await there.client.delete(f"/connections/{connection_id}")).json() == {"success": True}
    revoked = next(one for one in there.upstream.seen if one.path == "/oauth/revoke")
    assert dict(revoked.form())["token"] == "fake-refresh-0001"
    assert (await there.client.get(f"/connections/{connection_id}")).status_code == 404


# ---------------------------------------------------------------- credentials that the callback itself holds


async def test_a_providers_server_hands_the_credentials_over_and_the_person_learns_the_outcome(there: Town) -> None:
    connection_id = await there.connect(HANDED)
    assert await there.status(connection_id) == "inactive"
    asked = await there.invite(connection_id, cookie="integrations_browser=fake-cookie-0000", redirectUrl=PAGE)
    assert set(asked) == {"callback_url", "user_id", "x-upstream-host"}
    assert asked["callback_url"] == "https://integrations.example.com/oauth/callback"
    came = {"success": "0", "user_id": asked["user_id"]}
    early = await there.back(came)
    assert "status=failed" in early.headers["location"]

    told = await there.stranger.post("/oauth/callback", json={"user_id": asked["user_id"], "key": "fake-key-000000"})
    plain(told, 200)  # no browser is there that could be sent on
    assert (await there.call(connection_id))["success"] is True
    after = await there.back({**came, "success": "1"})
    assert after.headers["location"] == f"{PAGE}?connectionId={connection_id}&status=connected"
    twice = await there.stranger.post("/oauth/callback", json={"user_id": asked["user_id"], "key": "forged-key-0000"})
    plain(twice, 400)
    assert (await there.call(connection_id))["success"] is True
    assert [one.headers["x-key"] for one in there.upstream.seen] == ["fake-key-000000"] * 2


async def test_a_hand_over_under_the_name_of_another_parameter_is_none(there: Town) -> None:
    connection_id = await there.connect(HANDED)
    state = (await there.invite(connection_id))["user_id"]
    for body in ({"state": state, "key": "fake-key-000000"}, {"user_id": state}, {"user_id": state, "key": 5}):
        plain(await there.stranger.post("/oauth/callback", json=body), 400)
    assert await there.status(connection_id) == "inactive"
    plain(await there.stranger.post("/oauth/callback", json={"user_id": state, "key": "fake-key-000000"}), 200)
    again = (await there.invite(connection_id))["user_id"]  # other keys, for the same connection
    plain(await there.stranger.post("/oauth/callback", json={"user_id": again}), 400)
    plain(await there.stranger.post("/oauth/callback", json={"user_id": again, "key": "fake-key-000001"}), 200)
    assert (await there.call(connection_id))["success"] is True
    assert there.upstream.seen[-1].headers["x-key"] == "fake-key-000001"


# ---------------------------------------------------------------- where the callback says the account is


@pytest.mark.parametrize(
    "home", ["https://evil.example", "http://eu.zones.example", "https://eu.zones.example@evil.example", "https://["]
)
async def test_a_callback_that_leads_elsewhere_is_refused_before_a_secret_leaves(there: Town, home: str) -> None:
    connection_id = await there.connect(ZONED)
    asked = await there.invite(connection_id)
    assert asked["kind"] == "app"
    query = {"code": "fake-code-0000", "state": asked["state"]}
    assert "not one of its own" in plain(await there.back({**query, "home": home}), 400)
    assert there.asked == []
    plain(await there.back({**query, "home": "https://eu.zones.example"}), 200)
    assert there.upstream.seen[0].headers["x-upstream-host"] == "eu.zones.example"
    shown = (await there.client.get(f"/connections/{connection_id}")).json()
    assert shown["config"] == {"home": "https://eu.zones.example"}
