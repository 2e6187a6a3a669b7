"""Signing in: where credentials go on the wire, which method is chosen, and what is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.plugins import Registry
from engine.runtime.auth import choose, steady_headers
from engine.runtime.execute import secret_scope
from engine.runtime.grants import remember
from tests.support.scene import KEY, running
from tests.support.specs import ID, action, catalog, fields, secret, setting, spec, text
from tests.support.upstream import Seen

FORM = fields(apiKey=secret(), user=setting(), password=secret(), shopId=setting(), mode=setting())
CREDENTIALS = {"apiKey": KEY, "password": "pass:wörd"}
CONFIG = {"user": "lan", "shopId": "885"}
POST = {"method": "POST", "path": "/it", "query": {"a": "1"}, "json": {"n": 1}}


def method(name: str = "token", **parts: Any) -> dict[str, Any]:
    return {"method": name, "type": "api_key", **parts}


async def sent(tmp_path: Path, *methods: dict[str, Any], request: dict[str, Any] | None = None, **parts: Any) -> Seen:
    """The request of a call that signs in by one of these methods."""
    one = action("do_it", request=request or POST, **parts.pop("of_action", {}))
    made = spec(one, configSchema=FORM, auth=list(methods))
    async with running(tmp_path, made, **{"config": CONFIG, "credentials": CREDENTIALS, **parts}) as scene:
        done = await scene.call("do_it")
        assert done.success, done
        return scene.upstream.seen[0]


async def test_a_key_goes_into_its_header(tmp_path: Path) -> None:
    headers = {"Token": "{{ credentials.apiKey }}", "ShopId": "{{ config.shopId }}", "X-Pass": "{{ config.mode }}"}
    seen = await sent(tmp_path, method(apply={"headers": headers}))
    assert (seen.headers["token"], seen.headers["shopid"]) == (KEY, "885")
    assert "x-pass" not in seen.headers


async def test_basic_authentication_is_user_and_password_in_utf_8(tmp_path: Path) -> None:
    seen = await sent(tmp_path, method(apply={"basic": ["{{ config.user }}", "{{ credentials.password }}"]}))
    scheme, _, coded = seen.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(coded).decode() == "lan:pass:wörd"


async def test_a_key_in_the_query_follows_the_requests_own_pairs(tmp_path: Path) -> None:
    seen = await sent(tmp_path, method(apply={"query": {"api_key": "{{ credentials.apiKey }}"}}))
    assert seen.query == f"a=1&api_key={KEY}"


async def test_a_key_in_the_form_joins_the_requests_form(tmp_path: Path) -> None:
    request = {"method": "POST", "path": "/it", "form": {"n": "1"}}
    seen = await sent(tmp_path, method(apply={"form": {"key": "{{ credentials.apiKey }}"}}), request=request)
    assert seen.form() == [("n", "1"), ("key", KEY)]


async def test_a_key_in_the_json_body_joins_the_requests_json(tmp_path: Path) -> None:
    seen = await sent(tmp_path, method(apply={"json": {"key": "{{ credentials.apiKey }}"}}))
    assert seen.json() == {"n": 1, "key": KEY}


async def test_an_action_without_auth_sends_no_credential(tmp_path: Path) -> None:
    headers = {"Token": "{{ credentials.apiKey }}"}
    seen = await sent(tmp_path, method(apply={"headers": headers}), of_action={"auth": "none"})
    assert "token" not in seen.headers
    assert KEY not in repr(seen)


SIGN = {"scheme": "hmac-sha256", "key": "{{ credentials.apiKey }}"}


def mac(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


async def test_a_signature_in_a_header_covers_the_bytes_that_are_sent(tmp_path: Path) -> None:
    sign = {**SIGN, "text": "{{ request.method }}|{{ request.path }}|{{ request.raw }}", "put": "header.X-Signature"}
    seen = await sent(tmp_path, method(sign=sign))
    assert seen.headers["x-signature"] == mac(f"POST|/it|{seen.body.decode()}")


async def test_a_signature_in_the_query_covers_the_query_before_it(tmp_path: Path) -> None:
    sign = {**SIGN, "text": "{{ request.queryText }}", "put": "query.sig"}
    seen = await sent(tmp_path, method(sign=sign, apply={"query": {"key": "k 1"}}))
    assert seen.query == f"a=1&key=k%201&sig={mac('?a=1&key=k%201')}"


async def test_a_signature_in_the_form_is_its_last_field(tmp_path: Path) -> None:
    request = {"method": "POST", "path": "/it", "form": {"amount": "10", "order": "đ 1"}}
    sign = {**SIGN, "text": "{{ request.form.amount }}.{{ request.form.order }}", "put": "form.mac"}
    seen = await sent(tmp_path, method(sign=sign), request=request)
    assert seen.form() == [("amount", "10"), ("order", "đ 1"), ("mac", mac("10.đ 1"))]


async def test_a_signature_in_the_json_body_is_a_field_of_it(tmp_path: Path) -> None:
    sign = {**SIGN, "text": "{{ request.json.n }}", "put": "json.signature", "encoding": "base64"}
    seen = await sent(tmp_path, method(sign=sign))
    assert seen.json() == {"n": 1, "signature": base64.b64encode(bytes.fromhex(mac("1"))).decode()}


async def test_several_signatures_are_made_in_order_and_see_those_before(tmp_path: Path) -> None:
    first = {**SIGN, "text": "one", "put": "header.X-One"}
    second = {**SIGN, "text": "{{ request.headers['x-one'] }}", "put": "header.X-Two"}
    seen = await sent(tmp_path, method(sign=[first, second]))
    assert seen.headers["x-two"] == mac(mac("one"))


async def test_an_action_overrides_single_keys_of_the_methods_signature(tmp_path: Path) -> None:
    sign = {**SIGN, "text": "general", "put": "header.X-Signature"}
    seen = await sent(tmp_path, method(sign=sign), of_action={"sign": {"text": "special"}})
    assert seen.headers["x-signature"] == mac("special")


async def test_a_plugin_makes_only_the_text_of_the_signature(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "acme.py").write_text(
        "from engine.plugins import SignInput, signer\n\n\n"
        "@signer('acme_mac')\n"
        "def acme_mac(given: SignInput) -> str:\n"
        "    return ','.join(f'{name}={given.values[name]}' for name in given.fields) + given.key.decode()[:3]\n"
    )
    from engine.plugins import load_plugins

    registry: Registry = load_plugins(tmp_path / "plugins")
    sign = {"plugin": "acme_mac", "fields": ["n"], "key": "{{ credentials.apiKey }}", "put": "header.X-Signature"}
    seen = await sent(tmp_path, method(sign=sign), registry=registry)
    assert seen.headers["x-signature"] == "n=1key"


async def test_apply_and_sign_have_the_time_and_randomness_of_their_attempt(tmp_path: Path) -> None:
    from tests.support.scene import Stillstand
    from tests.support.upstream import answer

    replies = [answer({}, 503), answer({"ok": True})]
    made = spec(
        action(),
        auth=[method(apply={"headers": {"X-Now": "{{ call.now }}", "X-Nonce": "{{ call.random }}"}})],
    )
    async with running(tmp_path, made, lambda _: replies.pop(0), clock=Stillstand(jitter=0.5)) as scene:
        assert (await scene.call()).success
        first, second = scene.upstream.seen
    assert first.headers["x-now"] != second.headers["x-now"]
    assert first.headers["x-nonce"] != second.headers["x-nonce"]


METHODS = (
    method("by_mode", when="config.mode == 'special'", apply={"headers": {"X-By": "mode"}}),
    method("by_password", needs=["user", "password"], apply={"headers": {"X-By": "password"}}),
    method("by_key", needs=["apiKey"], apply={"headers": {"X-By": "key"}}),
)


@pytest.mark.parametrize(
    ("config", "credentials", "by"),
    [
        ({"mode": "special"}, {}, "mode"),
        ({"user": "lan"}, {"password": "p4ssword", "apiKey": KEY}, "password"),
        ({}, {"password": "p4ssword", "apiKey": KEY}, "key"),
        ({"user": "lan"}, {"password": "", "apiKey": KEY}, "key"),
    ],
)
async def test_the_first_method_that_holds_signs_in(
    tmp_path: Path, config: dict[str, Any], credentials: dict[str, Any], by: str
) -> None:
    seen = await sent(tmp_path, *METHODS, config=config, credentials=credentials)
    assert seen.headers["x-by"] == by


async def test_missing_credentials_are_named_and_nothing_is_sent(tmp_path: Path) -> None:
    made = spec(action("do_it"), configSchema=FORM, auth=list(METHODS))
    async with running(tmp_path, made, credentials={}) as scene:
        done = await scene.call("do_it")
        assert done.error is not None
        assert done.error.code == "AUTH_FAILED"
        assert done.error.message == "the connection lacks credentials: apiKey, password, user"
        assert scene.seen == 0


async def test_what_a_method_that_is_meant_needs_and_lacks_is_named(tmp_path: Path) -> None:
    """Its header would be left out, and the request sent without anything that signs it in."""
    signed_in = {"headers": {"Token": "{{ credentials.apiKey }}"}}
    meant = method(when="config.mode == 'key'", needs=["apiKey"], apply=signed_in)
    made = spec(action("do_it"), configSchema=FORM, auth=[meant])
    async with running(tmp_path, made, config={"mode": "key"}, credentials={}) as scene:
        done = await scene.call("do_it")
        assert done.error is not None
        assert done.error.message == "the connection lacks credentials: apiKey"
        assert scene.seen == 0


async def test_a_credential_that_can_be_no_header_value_is_not_sent(tmp_path: Path) -> None:
    async with running(tmp_path, spec(), credentials={"apiKey": "secret-with\r\nX-Evil: 1"}) as scene:
        done = await scene.call()
        assert done.error is not None
        assert done.error.code == "AUTH_FAILED"
        assert "evil" not in repr(done).lower()
        assert scene.seen == 0


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"headers": {"Token": "{{ credentials.apiKey }}", "Shop": "{{ config.shopId }}", "X": "1"}}, True),
        ({"headers": {"Token": "{{ credentials.apiKey | base64 }}"}}, True),
        ({"basic": ["{{ config.user }}", "{{ credentials.password }}"]}, True),
        ({"headers": {"Id": "{{ call.random }}"}}, False),
        ({"headers": {"Id": "{{ call.now }}", "Token": "{{ credentials.apiKey }}"}}, False),
        ({"headers": {"For": "{{ input.orderId }}"}}, False),
        ({"headers": {"Left": "{{ config.mode | seconds_until }}"}}, False),
        ({"headers": {"Token": {"$cases": [{"$when": "config.mode", "$value": "{{ credentials.apiKey }}"}]}}}, False),
        ({"headers": {"Token": "{{ credentials.apiKey }}"}, "query": {"key": "{{ credentials.apiKey }}"}}, False),
    ],
)
def test_headers_are_kept_where_they_are_made_of_the_account_alone(
    tmp_path: Path, block: dict[str, Any], expected: bool
) -> None:
    made = catalog(tmp_path, spec(action(), configSchema=FORM, auth=[method(apply=block)]))
    assert made.integrations[ID].methods[0].apply.is_steady is expected


async def test_two_accounts_keep_headers_of_their_own(tmp_path: Path) -> None:
    made = spec(configSchema=FORM, auth=[method(apply={"headers": {"Token": "{{ credentials.apiKey }}"}})])
    async with running(tmp_path, made, config=CONFIG, credentials=CREDENTIALS) as scene:
        accounts, other = scene.engine.accounts, {**CREDENTIALS, "apiKey": "the-key-of-the-other-one"}
        account = await accounts.open(scene.connection)
        changed = account.changed(scene.connection, {**account.credentials, **other})
        chosen = choose(account)
        for _ in range(2):
            for one in (account, changed):
                kept = steady_headers(one, chosen, partial(secret_scope, one))
                assert kept == {"Token": one.credentials["apiKey"]}


async def test_headers_follow_what_an_answer_said_about_the_account(tmp_path: Path) -> None:
    made = spec(configSchema=FORM, auth=[method(apply={"headers": {"Shop": "{{ config.shopId }}"}})])
    async with running(tmp_path, made, config=CONFIG, credentials=CREDENTIALS) as scene:
        account = await scene.engine.accounts.open(scene.connection)
        headers = partial(steady_headers, account, choose(account), partial(secret_scope, account))
        assert headers() == {"Shop": "885"}
        await remember(scene.engine.store, account, {"shopId": "42"})
        assert headers() == {"Shop": "42"}


async def test_a_changed_credential_is_used_by_the_next_call(tmp_path: Path) -> None:
    from engine.connections.service import Change, ConnectionService
    from tests.support.scene import TENANT

    async with running(tmp_path, spec()) as scene:
        await scene.call()
        change = Change(credentials={"apiKey": "another-key-0815"})
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, change)
        await scene.call()
        assert [seen.headers["x-api-key"] for seen in scene.upstream.seen] == [KEY, "another-key-0815"]


async def test_an_input_can_not_name_a_signing_header(tmp_path: Path) -> None:
    """Credentials win over what a request puts at the same place."""
    one = action(
        "do_it",
        inputSchema=fields(note=text()),
        request={"method": "GET", "path": "/it", "headers": {"X-Api-Key": "{{ input.note }}"}},
    )
    async with running(tmp_path, spec(one)) as scene:
        await scene.call("do_it", {"note": "forged"})
        assert [value for name, value in scene.upstream.seen[0].pairs if name.lower() == "x-api-key"] == [KEY]


@pytest.mark.parametrize("kind", ["json", "form"])
async def test_what_applies_nothing_makes_no_body(tmp_path: Path, kind: str) -> None:
    """A method that adds to the body of some requests leaves the others without one."""
    method = {
        "method": "token",
        "type": "api_key",
        "needs": ["apiKey"],
        "apply": {kind: {"$when": "payload", "$value": {"key": "{{ credentials.apiKey }}"}}},
    }
    write = action("book", "write", request={"method": "POST", "path": "/book", "payload": {"a": "1"}})
    async with running(tmp_path, spec(action(), write, auth=[method])) as scene:
        assert (await scene.call()).success
        assert scene.upstream.seen[-1].body == b""
        assert "content-type" not in scene.upstream.seen[-1].headers
        assert (await scene.call("book")).success
        assert KEY.encode() in scene.upstream.seen[-1].body
