"""`integrations record` writes a case that replays, and nothing of the account or of people is in it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.bootstrap import open_registry
from engine.cases.read import read_cases
from engine.cases.replay import replay
from engine.cli import main
from engine.locations import schemas_dir
from engine.spec.load import load_catalog
from engine.spec.source import read
from tests.support.specs import CONNECTED, ID, action, fields, login_spec, secret, setting, spec, text, whole
from tests.support.upstream import Handler, Reply, Seen, Upstream, answer

CANARIES: Mapping[str, str] = {
    "apiKey": "sk_live_Canary+Key/4711==",
    "signingKey": "canary-signing-key-0815",
    "account": "88123477",
    "name": "Đặng Thị Canary",
    "phone": "0987654321",
    "email": "dang.canary@gmail.com",
    "address": "77 Đường Canary",
    "uuid": "7d0f3c1e-9a44-4d2b-8b11-0c9f5be1a001",
    "order": "CNR7A99B21",
    "number": "771234598765",
    "session": "c4n4ry-session-token",
}
IN_TEXT = "090 555 7788 (+84905557788)"
SIGN = {
    "scheme": "hmac-sha256",
    "text": "{{ request.raw }}{{ credentials.apiKey }}",
    "key": "{{ credentials.signingKey }}",
    "put": "header.X-Signature",
}
AUTH = {"method": "key", "type": "custom", "needs": ["apiKey", "signingKey"], "sign": SIGN,
        "apply": {"headers": {"X-Key": "{{ credentials.apiKey }}", "X-Account": "{{ config.account }}"}}}  # fmt: skip
RECEIVER = fields(
    ("name", "phone"),
    name=text(**{"x-sensitive": True}),
    phone=text(pattern="^0[0-9]{9}$"),
    email=text(),
    address=text(),
)
BOOK = action(
    "book",
    "write",
    inputSchema=fields(("to", "weight"), to=RECEIVER, weight=whole(), reference=text(), note=text()),
    outputSchema={"type": "object"},
    request={
        "method": "POST",
        "path": "/book",
        "headers": {"X-Once": "{{ call.key }}"},
        "json": {
            "to": {"name": "{{ input.to.name }}", "phone": "{{ input.to.phone }}", "mail": "{{ input.to.email }}"},
            "address": "{{ input.to.address }}",
            "weight": "{{ input.weight }}",
            "ref": "{{ input.reference }}",
            "note": "{{ input.note }}",
            "nonce": "{{ call.random }}",
            "at": "{{ call.now }}",
        },
    },
    idempotency="key",
    output={"orderCode": "body.order_code", "number": "text(body.id)", "fee": "body.total", "said": "body.message"},
)
SPEC = spec(
    BOOK,
    authType="custom",
    auth=[AUTH],
    configSchema=fields(
        ("apiKey", "signingKey", "account"), apiKey=secret(), signingKey=secret(), account=setting(pattern="^[0-9]+$")
    ),
    answer={"code": "body.error.code", "message": "body.error.message"},
    errors=[{"by": "code", "codes": {"E4711X": "CONFLICT"}}],
)
ACCOUNT = {
    "config": {"account": CANARIES["account"]},
    "credentials": {name: CANARIES[name] for name in ("apiKey", "signingKey")},
}
ASKED = {
    "to": {name: CANARIES[name] for name in ("name", "phone", "email", "address")},
    "weight": 200,
    "reference": CANARIES["order"],
    "note": f"chị Canary, {IN_TEXT}",
}


def write(folder: Path, one: Mapping[str, Any]) -> Path:
    place = folder / "specs" / str(one["integrationId"])
    place.mkdir(parents=True)
    (place / "spec.yaml").write_text(json.dumps(one, ensure_ascii=False), encoding="utf-8")
    return place


async def record(
    folder: Path, handler: Handler, *more: str, action_id: str = "book", asked: Any = None, account: Any = None
) -> tuple[int, Upstream]:
    """Runs the command against an upstream; its exit code, and the upstream with what it has seen."""
    given = ACCOUNT if account is None else account
    async with Upstream(handler) as upstream:
        arguments = [
            "record", ID, action_id, "--specs", str(folder / "specs"), "--data-dir", str(folder / "data"),
            "--upstream", f"{ID}={upstream.origin}", "--input", json.dumps(ASKED if asked is None else asked),
            "--config", json.dumps(given["config"]), "--credentials", json.dumps(given["credentials"]),
            "--source", "page 7", *more,
        ]  # fmt: skip
        return await asyncio.to_thread(main, arguments), upstream


def echo(seen: Seen) -> Reply:
    """An answer that repeats all it got, plain and encoded, and adds what only the provider knows."""
    key = CANARIES["apiKey"]
    return answer(
        {
            "order_code": CANARIES["order"],
            "id": int(CANARIES["number"]),
            "total": 36300,
            "message": f"{CANARIES['name'].upper()} ({CANARIES['phone']}) booked, {IN_TEXT}",
            "you_sent": seen.body.decode(),
            "headers": seen.headers.get("x-key"),
            "customer": {"uuid": CANARIES["uuid"], "session_token": CANARIES["session"]},
            "link": f"https://acme.example/o?key={quote(key, safe='')}&name={quote(CANARIES['name'])}",
            "debug": base64.b64encode(f"user:{key}".encode()).decode(),
        },
        set_cookie=f"session={CANARIES['session']}",
        x_request_id=CANARIES["uuid"],
    )


def spellings(value: str) -> list[str]:
    forms = [value, quote(value, safe=""), quote(value), json.dumps(value)[1:-1], value.upper(), value.lower()]
    return [*forms, base64.b64encode(value.encode()).decode().rstrip("=")]


async def replayed(folder: Path) -> list[str]:
    place = folder / "specs" / ID
    cases, wrong = read_cases(place)
    assert wrong == []
    catalog = load_catalog([place], open_registry(), schemas_dir())
    return [problem for case in cases for problem in await replay(case, catalog)]


async def test_no_secret_and_nobodys_data_is_in_what_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write(tmp_path, SPEC)
    code, upstream = await record(tmp_path, echo, "--case", "a booking", "--idempotency-key", "canary-key-of-caller")
    said = capsys.readouterr()
    written = (place / "cases" / "book.yaml").read_text("utf-8")
    assert CANARIES["apiKey"] in upstream.seen[0].headers["x-key"], "the provider got the real ones"
    shown = written + said.out + said.err
    planted = [*CANARIES.values(), "canary-key-of-caller", "Canary", "905557788", "555 7788", "Đặng"]
    left = [form for value in planted for form in spellings(value) if form in shown]
    assert left == []
    assert await replayed(tmp_path) == []
    assert code == 0, said.out
    assert "the spec reproduces it" in said.out
    assert "1 e-mail address" in said.out


async def test_the_case_says_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    place = write(tmp_path, SPEC)
    reply = {"order_code": CANARIES["order"], "id": int(CANARIES["number"]), "total": 36300, "message": "ok"}
    await record(tmp_path, lambda _: answer(reply), "--case", "a booking")
    source, findings = read("book.yaml", (place / "cases" / "book.yaml").read_text("utf-8"))
    assert findings == []
    assert source is not None
    (case,) = source.value
    given, (exchange,) = case["given"], case["exchanges"]
    assert (case["case"], case["action"], case["source"]) == ("a booking", "book", "page 7")
    assert given["credentials"] == {"apiKey": "fake-api-key-0001", "signingKey": "fake-signing-key-0002"}
    assert given["input"]["to"]["phone"] == "0900000001", "a fake fits the pattern of its field"
    assert exchange["expect"]["url"] == "https://api.acme.example/book"
    assert exchange["expect"]["json"]["to"]["phone"] == "0900000001"
    assert exchange["expect"]["json"]["at"].startswith(given["now"].removesuffix("Z"))
    assert exchange["expect"]["json"]["nonce"] in given["random"]
    assert exchange["answer"]["json"]["total"] == 36300
    assert case["result"]["orderCode"] == given["input"]["reference"], "the same value has the same fake"
    assert case["result"]["number"] == str(exchange["answer"]["json"]["id"])


async def test_a_refusal_is_recorded_with_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, SPEC)
    refused = {"error": {"code": "E4711X", "message": f"{CANARIES['phone']} has an order"}}
    code, _ = await record(tmp_path, lambda _: answer(refused, 400), "--case", "twice")
    assert code == 0, capsys.readouterr().out
    (case,), _ = read_cases(tmp_path / "specs" / ID)
    assert case.turns[0].error == {"code": "CONFLICT", "retryable": False, "providerCode": "E4711X"}


async def test_a_login_is_recorded_and_its_token_is_another(tmp_path: Path) -> None:
    list_all = action("list_all", request={"method": "GET", "path": "/all", "query": {"page": "1"}})
    place = write(tmp_path, login_spec(list_all))

    def provider(seen: Seen) -> Reply:
        if seen.path == "/login":
            return answer({"token": "c4n4ry-token-of-login", "expires": 3600})
        return answer({"rows": [{"id": 1}], "by": seen.headers["authorization"]})

    code, _ = await record(tmp_path, provider, "--case", "all", action_id="list_all", asked={}, account=CONNECTED)
    written = (place / "cases" / "list_all.yaml").read_text("utf-8")
    assert code == 0
    assert "c4n4ry" not in written
    assert str(CONNECTED["credentials"]["password"]) not in written
    (case,), _ = read_cases(place)
    login, rows = case.turns[0].exchanges
    token = login.answer["json"]["token"]
    assert rows.expect["headers"]["Authorization"] == f"Bearer {token}"
    assert rows.expect["query"] == {"page": "1"}
    assert await replayed(tmp_path) == []


async def test_lost_answers_are_recorded_as_such(tmp_path: Path) -> None:
    place = write(tmp_path, SPEC)
    code, upstream = await record(tmp_path, lambda _: Reply(fault="drop"), "--case", "lost")
    (case,), _ = read_cases(place)
    assert code == 0
    assert [x.answer for x in case.turns[0].exchanges] == [{"drop": "after"}] * len(upstream.seen)
    assert await replayed(tmp_path) == []


async def test_a_file_is_not_kept(tmp_path: Path) -> None:
    label = action("label", outputSchema={"type": "object"}, output={"file": "body.base64", "type": "body.contentType"})
    place = write(tmp_path, spec(label))
    pdf = b"%PDF-1.7 \xff\xfe" + CANARIES["name"].encode()
    reply = Reply(headers={"content-type": "application/pdf"}, body=pdf)
    account = {"config": {}, "credentials": {"apiKey": CANARIES["apiKey"]}}
    code, _ = await record(tmp_path, lambda _: reply, "--case", "pdf", action_id="label", asked={}, account=account)
    (case,), _ = read_cases(place)
    assert case.turns[0].exchanges[0].answer["headers"] == {"content-type": "application/pdf"}
    assert base64.b64decode(case.turns[0].result["file"]) == b"a fake file"
    assert await replayed(tmp_path) == []
    assert code == 1, "the result is another one, and that is said"


async def test_when_a_fake_breaks_the_case_the_value_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = fields(("to", "weight"), to=RECEIVER, weight=whole(), orderReference=text())
    checked = {
        **BOOK,
        "inputSchema": schema,
        "request": {"method": "POST", "path": "/book", "headers": {"X-Once": "{{ call.key }}"},
                    "json": {"ref": "{{ input.orderReference }}"}},
        "checks": [{"require": "starts_with(input.orderReference, 'CNR')", "message": "begin with CNR"}],
    }  # fmt: skip
    write(tmp_path, {**SPEC, "actions": [checked]})
    asked = {"to": ASKED["to"], "weight": 1, "orderReference": CANARIES["order"]}
    code, _ = await record(tmp_path, lambda _: answer({"order_code": "A"}), "--case", "broken", asked=asked)
    said = capsys.readouterr().out
    assert code == 1
    assert "the spec does not reproduce it: the call ended with a result, the case with INVALID_INPUT" in said
    assert "it does when input.orderReference (id) stays as it was" in said
    assert CANARIES["order"] not in said


async def test_a_short_name_changes_neither_the_code_nor_other_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = fields(("name",), name=text(**{"x-sensitive": True}))
    said = action("say", outputSchema={"type": "object"}, inputSchema=asked,
                  request={"method": "POST", "path": "/say", "json": {"name": "{{ input.name }}"}},
                  output={"who": "body.name", "text": "body.text"})  # fmt: skip
    write(tmp_path, spec({**said, "category": "write", "idempotency": "none"}, answer={"code": "body.err"}))
    account = {"config": {}, "credentials": {"apiKey": CANARIES["apiKey"]}}
    refused = {"err": "SLOW", "text": "slow"}
    more: dict[str, Any] = {"action_id": "say", "asked": {"name": "slow"}, "account": account}
    code, _ = await record(tmp_path, lambda _: answer(refused, 400), "--case", "refused", **more)
    assert code == 0, capsys.readouterr().out
    done = {"name": "slow", "text": "slow"}
    code, _ = await record(tmp_path, lambda _: answer(done), "--case", "done", **more)
    assert code == 0, capsys.readouterr().out
    refusal, success = read_cases(tmp_path / "specs" / ID)[0]
    assert refusal.turns[0].exchanges[0].answer["json"] == refused
    assert refusal.turns[0].error["providerCode"] == "SLOW"
    assert refusal.turns[0].given["input"] == {"name": "NameA"}
    assert success.turns[0].result == {"who": "NameA", "text": "slow"}
    assert await replayed(tmp_path) == []


async def test_a_new_file_leads_editors_to_the_schema(tmp_path: Path) -> None:
    place = write(tmp_path, SPEC)
    await record(tmp_path, echo, "--case", "one")
    await record(tmp_path, echo, "--case", "two")
    lines = (place / "cases" / "book.yaml").read_text("utf-8").splitlines()
    schema = lines[0].removeprefix("# yaml-language-server: $schema=")
    assert (place / "cases" / schema).resolve() == schemas_dir().resolve() / "case.schema.json"
    assert sum("yaml-language-server" in line for line in lines) == 1


async def test_before_anything_is_sent_the_name_of_the_case_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write(tmp_path, SPEC)
    first, _ = await record(tmp_path, echo, "--case", "a booking")
    before = (place / "cases" / "book.yaml").read_text("utf-8")
    second, upstream = await record(tmp_path, echo, "--case", "a booking")
    assert (first, second) == (0, 2)
    assert upstream.seen == []
    assert 'there is a case "a booking" already' in capsys.readouterr().err
    assert (place / "cases" / "book.yaml").read_text("utf-8") == before


async def test_what_is_refused_before_sending_makes_no_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write(tmp_path, SPEC)
    code, upstream = await record(tmp_path, echo, "--case", "a", asked={"weight": 1})
    assert (code, upstream.seen) == (2, [])
    assert "nothing was written: INVALID_INPUT" in capsys.readouterr().err
    assert not (place / "cases").exists()


async def test_a_case_is_added_at_the_end_and_the_file_stays_else_as_it_is(tmp_path: Path) -> None:
    place = write(tmp_path, SPEC)
    await record(tmp_path, echo, "--case", "one")
    file = place / "cases" / "book.yaml"
    mine = "# my own words\n" + file.read_text("utf-8").rstrip("\n") + "  # and here"
    file.write_text(mine, "utf-8")
    code, _ = await record(tmp_path, echo, "--case", "two")
    assert code == 0
    assert file.read_text("utf-8").startswith(mine + "\n\n- case: two\n")
    assert [case.name for case in read_cases(place)[0]] == ["one", "two"]


async def test_a_file_in_another_style_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, SPEC)
    other = tmp_path / "other.yaml"
    other.write_text('[{"case": "x", "source": "y", "action": "book", "result": {}}]\n')
    code, _ = await record(tmp_path, echo, "--case", "two", "--out", str(other))
    assert code == 2
    assert "no list of cases in block style" in capsys.readouterr().err
    assert other.read_text() == '[{"case": "x", "source": "y", "action": "book", "result": {}}]\n'


async def test_to_stdout_goes_the_case_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write(tmp_path, SPEC)
    code, _ = await record(tmp_path, echo, "--case", "one", "--out", "-")
    said = capsys.readouterr()
    source, findings = read("-", said.out)
    assert (code, findings) == (0, [])
    assert source is not None
    assert source.value[0]["case"] == "one"
    assert "the spec reproduces it" in said.err
    assert not (place / "cases").exists()


def test_from_the_sandbox_the_same_fakes_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `new` begins can be recorded at once, from its own cases."""
    assert main(["new", "crm-acme", "--dir", str(tmp_path / "specs")]) == 0
    place = tmp_path / "specs" / "crm-acme"
    first = read_cases(place)[0][0]
    arguments = [
        "record", "crm-acme", "get_item", "--sandbox", "--specs", str(tmp_path / "specs"),
        "--data-dir", str(tmp_path / "data"), "--credentials", '{"apiKey": "fake-crm-acme-key-0000"}',
        "--input", '{"itemId": "1001"}', "--case", "once more", "--source", "the sandbox",
    ]  # fmt: skip
    assert main(arguments) == 0, capsys.readouterr()
    again = next(case for case in read_cases(place)[0] if case.name == "once more")
    assert again.turns[0].exchanges == first.turns[0].exchanges
    assert "replaced by fakes: nothing" in capsys.readouterr().out
    unknown = [part if part != '{"itemId": "1001"}' else '{"itemId": "7"}' for part in arguments]
    unknown[unknown.index("once more")] = "a third"
    assert main(unknown) == 2
    assert "the sandbox has no answer, so there is nothing to record" in capsys.readouterr().err
