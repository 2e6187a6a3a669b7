"""No secret is seen by anybody: not in answers, errors, logs, the database, nor in anything that can be printed."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from engine.library import exact
from engine.model import Command
from engine.runtime.call import Call, call_root
from engine.runtime.prove import Trail
from engine.runtime.request import build, finish
from engine.runtime.send import Signing
from engine.settings import Settings
from tests.support.scene import START, TENANT, running
from tests.support.specs import action, fields, secret, setting, spec, text
from tests.support.upstream import Reply, Seen, answer

API_KEY = 'c4n4ry "key"/+ý\\z'
PASSWORD = "pa55wörd&canary=1"
TOKEN = "t0ken-canary/4711+x"
NUMBER = 918273645546372
SECRETS = (API_KEY, PASSWORD, TOKEN, str(NUMBER))
CREDENTIALS = {"apiKey": API_KEY, "password": PASSWORD, "number": NUMBER}


def spellings(secret_text: str) -> Iterator[bytes]:
    """The ways in which a secret may travel."""
    yield secret_text.encode()
    yield quote(secret_text, safe="").encode()
    yield quote(secret_text).encode()
    yield quote_plus(secret_text).encode()
    yield json.dumps(secret_text)[1:-1].encode()
    yield json.dumps(secret_text, ensure_ascii=False)[1:-1].encode()
    for ahead in range(3):
        coded = base64.b64encode(b"\0" * ahead + secret_text.encode() + b"\0" * 3)
        yield coded[4 if ahead else 0 : -8]


def leaks(where: bytes | str) -> list[str]:
    data = where.encode() if isinstance(where, str) else where
    return [spelt.decode() for one in SECRETS for spelt in spellings(one) if spelt in data]


def test_the_search_for_leaks_finds_what_it_looks_for() -> None:
    for one in SECRETS:
        for spelt in (one, quote(one), json.dumps({"a": one}), base64.b64encode(b"user:" + one.encode()).decode()):
            assert leaks(f"x {spelt} y"), spelt


def leaky_spec() -> dict[str, Any]:
    """A login, and a credential in each place where one may stand."""
    method = {
        "method": "all",
        "type": "custom",
        "needs": ["apiKey", "password"],
        "obtain": {
            "steps": [
                {
                    "stepId": "login",
                    "effect": "read",
                    "request": {"method": "POST", "path": "/login", "json": {"p": "{{ credentials.password }}"}},
                }
            ]
        },
        "token": {"access": "body.token"},
        "apply": {
            "headers": {"X-Token": "{{ token.access }}", "X-Number": "{{ credentials.number }}"},
            "query": {"key": "{{ credentials.apiKey }}"},
            "basic": ["{{ config.user }}", "{{ credentials.password }}"],
        },
        "sign": {
            "scheme": "hmac-sha256",
            "text": "{{ request.url }}",
            "key": "{{ credentials.apiKey }}",
            "put": "header.X-Signature",
        },
    }
    form = fields(
        ("apiKey",),
        apiKey=secret(),
        password=secret(),
        number=secret(type="integer"),
        user=setting(),
    )
    rule = {"when": "body.refuse", "code": "REJECTED", "details": {"body": "body"}, "providerCode": "body.echo[0]"}
    one = action(
        "book",
        "write",
        inputSchema=fields(note=text(), phone=text(**{"x-sensitive": True})),
        output={"got": "body", "headers": "headers", "url": "request.url"},
        errors=[{**rule, "next": {"actionId": "book", "input": {"note": "body.echo[1]"}}}],
    )
    return spec(
        one,
        auth=[method],
        authType="custom",
        configSchema=form,
        answer={"message": "body.message"},
        test={"action": "book"},
    )


def echo(seen: Seen) -> list[str]:
    """Everything that a careless provider may repeat."""
    basic = seen.headers.get("authorization", "")
    rest = [json.dumps({"s": one}) for one in SECRETS] + [quote(one) for one in SECRETS]
    return [seen.query, basic, seen.headers.get("x-token", ""), *SECRETS, *rest, str(seen.pairs), "harmless"]


def careless(status: int, *, refuse: bool = False) -> Any:
    def handler(seen: Seen) -> Reply:
        if seen.path == "/login":
            return answer({"token": TOKEN})
        said = echo(seen)
        body = {"echo": said, "message": "refused: " + " | ".join(said), "refuse": refuse, "number": NUMBER}
        return answer(body, status, x_echo=quote(API_KEY), x_token=TOKEN)

    return handler


ANSWERS = [(200, False), (400, True), (401, False), (404, False), (500, False), (503, False)]


@pytest.mark.parametrize(("status", "refuse"), ANSWERS)
async def test_what_a_provider_echoes_is_seen_by_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, refuse: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    connected: dict[str, Any] = {"config": {"user": "lan"}, "credentials": CREDENTIALS}
    async with running(tmp_path, leaky_spec(), careless(status, refuse=refuse), **connected) as scene:
        done = await scene.call("book", {"note": f"my key is {API_KEY}"}, caller_ref=TOKEN, idempotency_key="k1")
        again = await scene.call("book", {"note": f"my key is {API_KEY}"}, caller_ref=TOKEN, idempotency_key="k1")
        tested = await scene.engine.test(scene.connection)
        wire = scene.upstream.seen[1]
        assert leaks(wire.target)  # the secrets really were on their way
        assert done.success is (status == 200)
        shown = exact.dumps([done.data, again.data]).decode()
        shown += repr((done, again, tested, tested.message, await scene.stored()))
        for one in (done, again):
            shown += repr(one.error and (one.error.message, one.error.details, one.error.provider_code))
        for row in await scene.log():
            shown += repr(row) + repr([getattr(row, part.name) for part in dataclasses.fields(row)])
        assert leaks(shown) == []
        assert status != 200 or "harmless" in shown
    assert leaks(caplog.text) == []
    for file in (tmp_path / "data").iterdir():
        assert leaks(file.read_bytes()) == [], file.name


async def test_the_bytes_of_the_database_hold_no_secret_while_it_is_open(tmp_path: Path) -> None:
    connected: dict[str, Any] = {"config": {"user": "lan"}, "credentials": CREDENTIALS}
    async with running(tmp_path, leaky_spec(), careless(200), **connected) as scene:
        await scene.call("book", {"note": API_KEY})
        stored = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
        assert b"execution" in stored
        assert leaks(stored) == []


async def test_nothing_that_can_be_printed_shows_a_secret(tmp_path: Path) -> None:
    connected: dict[str, Any] = {"config": {"user": "lan"}, "credentials": CREDENTIALS}
    operators: dict[str, Any] = {"token": TOKEN, "master_keys": (PASSWORD.encode().ljust(32, b"-"),)}
    async with running(tmp_path, leaky_spec(), careless(200), settings=operators, **connected) as scene:
        engine = scene.engine
        given = {"note": API_KEY}
        command = Command(TENANT, "book", given, idempotency_key=API_KEY, connection_id=scene.connection.connection_id)
        done = await engine.execute(command)
        account = await engine.accounts.open(await scene.stored())
        one = account.integration.actions["book"]
        from engine.compiled.scope import Scope
        from engine.runtime.auth import sign_in
        from engine.runtime.execute import secret_scope

        root = call_root("id", API_KEY, START, engine.clock.hex)
        scope = Scope({"input": given, "config": account.config, "call": root, "steps": {}, "vars": {}})
        call = Call(command, "id", 0.0, START, 9.0, account, one, scope)
        draft = build(one.steps[0].request, scope)
        method = account.integration.methods[0]
        await engine.tokens.ready(call, method)
        assert account.token["access"] == TOKEN
        secrets = secret_scope(account)
        signed = sign_in(draft, method, method.sign, secrets.having(call=root), {})
        request = finish(signed)
        assert leaks(request.url)
        printed = [
            engine,
            account,
            account.masker,
            command,
            call,
            scope,
            secrets,
            root,
            draft,
            signed,
            signed.seen(),
            request,
            done,
            Trail("id", scene.connection, account=account, call=call, data=given),
            Signing(method, method.sign, lambda: secrets),
            method,
            account.integration,
            one,
            engine.catalog,
            engine.wires,
            engine.store,
            engine.tokens,
            engine.accounts,
            await scene.stored(),
            await engine.store.secrets.get(TENANT, scene.connection.connection_id, "credentials"),
            await engine.store.secrets.get(TENANT, scene.connection.connection_id, "token"),
            *await scene.log(),
            replace(Settings(data_dir=tmp_path), **operators),
        ]
        for thing in printed:
            assert leaks(f"{thing!r} {thing!s}") == [], type(thing)


async def test_personal_and_secret_looking_fields_are_masked_in_the_log(tmp_path: Path) -> None:
    one = action(
        inputSchema=fields(
            note=text(),
            phone=text(),
            code=text(**{"x-sensitive": True}),
            mail=text(**{"x-sensitive": True}),
            pin=text(),
        ),
        outputSchema=fields(number=text(**{"x-sensitive": True}), note=text(), accessToken=text()),
        output={"number": "body.number", "note": "body.note", "accessToken": "body.token"},
    )
    reply = answer({"number": "0901234567", "note": "fine", "token": "s3ssion"})
    async with running(tmp_path, spec(one), lambda _: reply) as scene:
        given = {"note": "hi", "phone": "0901234567", "code": "C-1", "mail": "lan@acme.example", "pin": "1234"}
        done = await scene.call("quote", given)
        assert done.data == {"number": "0901234567", "note": "fine", "accessToken": "s3ssion"}
        row = (await scene.log())[0]
        assert exact.loads(row.input) == {"note": "hi", "phone": "•••", "code": "•••", "mail": "•••", "pin": "***"}
        assert exact.loads(row.output or b"") == {"number": "•••", "note": "fine", "accessToken": "***"}


async def test_an_echo_in_fields_that_hide_nothing_by_their_names_is_masked_in_the_log(tmp_path: Path) -> None:
    one = action(outputSchema=fields(note=text()), output={"note": "body.note"})
    reply = answer({"note": f"the key is {API_KEY}"})
    connected: dict[str, Any] = {"credentials": {"apiKey": API_KEY}}
    async with running(tmp_path, spec(one), lambda _: reply, **connected) as scene:
        assert (await scene.call("quote")).data == {"note": "the key is ***"}
        assert exact.loads((await scene.log())[0].output or b"") == {"note": "the key is ***"}


async def test_an_unknown_actions_input_is_masked_by_its_names(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        await scene.code("fly", {"password": "pa55", "note": "hi", "email": "a@b.example"})
        assert exact.loads((await scene.log())[0].input) == {"password": "***", "note": "hi", "email": "•••"}


async def test_words_that_only_belong_to_a_token_are_no_secrets(tmp_path: Path) -> None:
    """A method's name or the end of a token's life may stand in an answer."""
    made = leaky_spec()
    made["auth"][0]["method"] = "password_login"
    made["auth"][0]["token"]["expiresIn"] = {"$const": 3600}

    def handler(seen: Seen) -> Reply:
        return answer({"token": TOKEN} if seen.path == "/login" else {"words": "password_login 2026-05-01T02:46:40Z"})

    connected: dict[str, Any] = {"config": {"user": "lan"}, "credentials": CREDENTIALS}
    async with running(tmp_path, made, handler, **connected) as scene:
        assert (await scene.call("book")).data["got"] == {"words": "password_login 2026-05-01T02:46:40Z"}


async def test_a_bug_of_ours_is_logged_without_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = leaky_spec()
    made["auth"][0]["sign"] = {"plugin": "broken", "key": "{{ credentials.apiKey }}", "put": "header.X-Signature"}
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "broken.py").write_text(
        "from engine.plugins import SignInput, signer\n\n\n"
        "@signer('broken')\n"
        "def broken(given: SignInput) -> str:\n"
        "    raise KeyError(given.key.decode())\n"
    )
    from engine.plugins import load_plugins

    connected: dict[str, Any] = {"config": {"user": "lan"}, "credentials": CREDENTIALS}
    registry = load_plugins(tmp_path / "plugins")
    async with running(tmp_path, made, careless(200), registry=registry, **connected) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert done.error.code in ("INTERNAL", "AUTH_FAILED")
        assert [seen.path for seen in scene.upstream.seen] == ["/login"]
        assert leaks(repr(done) + repr(await scene.log())) == []
    assert leaks(caplog.text) == []
