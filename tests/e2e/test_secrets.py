"""Credentials go to the provider and nowhere else, even when it sends them back in every way it can think of."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from tests.e2e.serving import Provider, Service, connect, execute, files_of, leaks, problem, serving, write_spec
from tests.support.specs import HOST, action, fields, secret, spec, text
from tests.support.upstream import Reply, Seen, answer

PLAIN = "canary-plain-7f3a91"
ODD = 'canary/odd+"quoted"&a=b%41 \\ é~end'
WIDE = "canary-mật-khẩu-😀-0042"
TOKEN = "canary-token-from-the-login-55=="
SECRETS = (PLAIN, ODD, WIDE)
EVERYTHING = {"got": "body", "headers": "headers", "text": "text", "url": "request.url", "status": "status"}

SHOW = action(
    "show",
    inputSchema=fields(note=text(), mode=text()),
    request={"method": "POST", "path": "/show", "json": {"note": "{{ input.note }}", "mode": "{{ input.mode }}"}},
    output=EVERYTHING,
)
TELL = action("tell", "write", inputSchema=fields(note=text(), mode=text()), request=SHOW["request"], output=EVERYTHING)
FORM = fields(("plain", "odd", "wide"), plain=secret(), odd=secret(), wide=secret())
NEEDS = ["plain", "odd", "wide"]
ERRORS = [{"status": 418, "code": "REJECTED", "details": {"all": "body", "head": "headers"}}]

ENCODED = re.compile(r"\\\\|%25")
"""Encoded twice already: what is promised is an encoding inside another, not three."""


def method(kind: str, **parts: Any) -> dict[str, Any]:
    return {"method": "main", "type": kind, "needs": NEEDS, **parts}


def integration(name: str, *methods: dict[str, Any]) -> dict[str, Any]:
    return spec(
        SHOW,
        TELL,
        integration_id=name,
        configSchema=FORM,
        authType={"login": "custom"}.get(methods[0]["type"], methods[0]["type"]),
        auth=list(methods),
        answer={"message": "body.message", "code": "body.code"},
        errors=ERRORS,
        test={"action": "show", "input": {"mode": "plain"}},
    )


PLACES = {
    "echo-places": method(
        "api_key",
        apply={
            "headers": {"X-Key": "{{ credentials.plain }}"},
            "query": {"odd": "{{ credentials.odd }}", "again": "{{ credentials.wide }}"},
            "json": {"wide": "{{ credentials.wide }}", "inner": {"odd": "{{ credentials.odd }}"}},
        },
    ),
    "echo-basic": method(
        "basic",
        apply={
            "basic": ["{{ credentials.plain }}", "{{ credentials.wide }}"],
            "query": {"sig": "{{ credentials.odd }}"},
        },
    ),
    "echo-login": method(
        "login",
        obtain={
            "steps": [
                {
                    "stepId": "login",
                    "effect": "read",
                    "request": {
                        "method": "POST",
                        "path": "/login",
                        "form": {
                            "user": "{{ credentials.plain }}",
                            "password": "{{ credentials.odd }}",
                            "pin": "{{ credentials.wide }}",
                        },
                    },
                    "outputs": {"token": "body.token"},
                }
            ]
        },
        token={"access": "steps.login.outputs.token"},
        apply={"headers": {"Authorization": "Bearer {{ token.access }}"}},
    ),
}


def spellings(value: str) -> list[str]:
    """What a careless provider might make of it."""
    raw = value.encode()
    return [
        value,
        f"before {value} after",
        quote(value, safe=""),
        quote(quote(value, safe=""), safe=""),
        quote_plus(value),
        json.dumps(value),
        json.dumps(json.dumps({"x": value})),
        json.dumps(value, ensure_ascii=False),
        *(base64.b64encode(b"abc"[:ahead] + raw + b"tail").decode() for ahead in range(3)),
        *(base64.urlsafe_b64encode(b"abc"[:ahead] + raw).decode() for ahead in range(3)),
        base64.b64encode(f"{value}:{value}".encode()).decode(),
    ]


def said(seen: Seen) -> list[str]:
    """Everything of the request and every secret, in every spelling."""
    whole = [seen.target, seen.body.decode(), json.dumps(seen.pairs), *(value for _, value in seen.pairs)]
    mine = (*SECRETS, TOKEN) if TOKEN in str(seen.pairs) else SECRETS
    return whole + [spelling for value in mine for spelling in spellings(value)]


def in_headers(seen: Seen) -> dict[str, str]:
    """Header values are one line of Latin-1."""
    lines = [line for line in said(seen) if line.isascii() and line.isprintable()]
    return {f"x-echo-{number}": line for number, line in enumerate(lines)}


def _json(seen: Seen, status: int = 200) -> Reply:
    words = said(seen)
    tree = {
        "message": " | ".join(words[-8:]),
        "code": PLAIN,
        "words": words,
        "keys": dict.fromkeys(words, 1),
        "deep": [[{"a": {word: [word]}}] for word in words],
    }
    ascii_only = len(words) % 2 == 0
    return Reply(status, {"content-type": "application/json"}, json.dumps(tree, ensure_ascii=ascii_only).encode())


def _message(seen: Seen, number: int) -> Reply:
    """One spelling is all of the message, so that no cap hides it."""
    words = said(seen)
    return answer({"message": words[-1 - number % len(words)], "code": words[-1 - number % len(words)]}, 422)


def _xml(seen: Seen) -> Reply:
    inner = "".join(f"<w><![CDATA[{word}]]></w>" for word in said(seen) if "]]>" not in word)
    return Reply(200, {"content-type": "application/xml"}, f"<r>{inner}</r>".encode())


MODES: dict[str, Any] = {
    "plain": _json,
    "headers": lambda seen: answer({"ok": True}, 200, **in_headers(seen)),
    "text": lambda seen: Reply(200, {"content-type": "text/plain"}, "\n".join(said(seen)).encode()),
    "xml": _xml,
    "form": lambda seen: Reply(
        200,
        {"content-type": "application/x-www-form-urlencoded"},
        "&".join(f"w={quote_plus(word)}" for word in said(seen) if not ENCODED.search(word)).encode(),
    ),
    "html error": lambda seen: Reply(500, {"content-type": "text/html"}, "\n".join(said(seen)).encode()),
    "details": lambda seen: _json(seen, 418),
    "broken": lambda seen: Reply(200, {"content-type": "application/json"}, _json(seen).body[:-5]),
    "redirect": lambda seen: Reply(302, {"location": f"https://{HOST}{seen.target}", **in_headers(seen)}),
    "cut": lambda seen: Reply(200, {"content-type": "application/json"}, _json(seen).body, fault="half"),
    "no case": lambda seen: Reply(404, {"x-sandbox-miss": said(seen)[4], **in_headers(seen)}),
    **{f"refused {status}": (lambda seen, status=status: _json(seen, status)) for status in (400, 401, 403, 409, 429)},
    **{f"said {number}": (lambda seen, number=number: _message(seen, number)) for number in range(64)},
}


def echo(seen: Seen) -> Reply:
    if seen.path == "/login":
        return answer({"token": TOKEN})
    reply: Reply = MODES[seen.json()["mode"]](seen)
    return reply


@dataclass
class Heard:
    """Everything that the service ever said over HTTP."""

    service: Service
    answers: list[bytes] = field(default_factory=list)

    def client(self, tenant: str) -> httpx.Client:
        client = self.service.client(tenant)
        client.event_hooks = {"response": [self._keep]}
        return client

    def _keep(self, reply: httpx.Response) -> None:
        reply.read()
        self.answers += [reply.content, json.dumps(dict(reply.headers)).encode()]
        self.answers.append("\n".join(words_of(reply.json())).encode())

    def leaks(self) -> list[str]:
        return leaks(b"\n".join(self.answers), *SECRETS, TOKEN)


def words_of(value: Any) -> Iterator[str]:
    """Every text of a JSON value, as its reader sees it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from words_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner)
    else:
        yield str(value)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    folder = tmp_path_factory.mktemp("secrets")
    specs = folder / "specs"
    for name, how in PLACES.items():
        write_spec(specs, integration(name, how))
    with Provider(echo) as provider:
        wires = [word for name in PLACES for word in ("--upstream", f"{name}={provider.origin}")]
        with serving(folder / "data", "--specs", str(specs), *wires) as service:
            yield Heard(service)


CREDENTIALS = {"plain": PLAIN, "odd": ODD, "wide": WIDE}


@pytest.mark.parametrize("value", [*SECRETS, TOKEN])
def test_the_net_catches_each_spelling(value: str):
    """The check itself: the same search finds whatever the provider echoes below, where nothing masks it."""
    for spelling in spellings(value):
        assert leaks(spelling, value), spelling


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("action_id", ["show", "tell"])
def test_nothing_that_the_provider_echoes_comes_out(heard: Heard, name: str, action_id: str):
    with heard.client(f"t-{name}-{action_id}") as client:
        made = connect(client, name, credentials=CREDENTIALS)
        for mode in MODES:
            if action_id == "show" and (mode in ("html error", "cut", "refused 429") or mode.startswith("said")):
                continue  # a read would be tried again after a wait; the write says the same at once
            if mode == "refused 429":
                made = connect(client, name, mode, credentials=CREDENTIALS)
            sent = {"mode": mode, "note": f"mine is {ODD} and {WIDE}"}
            reply = execute(
                client, action_id, connectionId=made, input=sent, callerRef=f"ref {PLAIN}", callerService=PLAIN
            )
            assert reply.status_code == 200, reply.text
            body = reply.json()
            succeeded = mode in ("plain", "headers", "text", "xml", "form")
            assert body["success"] is succeeded, (mode, reply.text[:500])
            shown = client.get(f"/executions/{body['executionId']}")
            assert leaks(shown.content, *SECRETS, TOKEN) == [], mode
            assert leaks(reply.content, *SECRETS, TOKEN) == [], mode
            assert "***" in shown.text
            client.get(f"/connections/{made}")
        execute(client, PLAIN, connectionId=made)
        client.post(f"/connections/{made}/test")
        client.get("/connections")
        client.get("/executions", params={"limit": 200})
        client.patch(f"/connections/{made}", json={"credentials": {"odd": ODD}, "name": "Renamed"})
    assert heard.leaks() == []


def test_a_very_long_credential_is_masked_too(heard: Heard):
    parts = [f'long"canary\\é/{number:04}' for number in range(842)]
    with heard.client("t-long") as client:
        made = connect(client, "echo-places", credentials={**CREDENTIALS, "odd": "".join(parts)})
        reply = execute(client, "tell", connectionId=made, input={"mode": "plain"})
        assert reply.json()["success"] is True
        shown = client.get(f"/executions/{reply.json()['executionId']}")
        for text in (reply, shown):
            assert leaks(text.content, *parts[::50]) == []
            assert leaks("\n".join(words_of(text.json())), *parts[::50]) == []
    assert leaks(heard.service.output, *parts[::50]) == []


def test_a_credential_beyond_all_measure_is_refused(heard: Heard):
    with heard.client("t-long") as client:
        body = {"integrationId": "echo-places", "name": "x", "credentials": {**CREDENTIALS, "odd": 'x"' * 8_193}}
        [issue] = problem(client.post("/connections", json=body), 400, "BAD_REQUEST")["data"]["issues"]
        assert issue == {"message": "must have at most 16384 characters", "path": ["credentials", "odd"]}


def test_what_was_sent_did_carry_them(heard: Heard, tmp_path: Path):
    """Masking is for what comes out: the provider got every secret whole."""
    seen: list[Seen] = []

    def listen(one: Seen) -> Reply:
        seen.append(one)
        return answer({"token": TOKEN, "mode": "x"})

    specs = tmp_path / "specs"
    for name, how in PLACES.items():
        write_spec(specs, integration(name, how))
    with Provider(listen) as provider:
        wires = [word for name in PLACES for word in ("--upstream", f"{name}={provider.origin}")]
        with serving(tmp_path / "data", "--specs", str(specs), *wires) as service, service.client() as client:
            for name in PLACES:
                connect(client, name, credentials=CREDENTIALS)
                assert execute(client, "show", integrationId=name).json()["success"] is True
    places, basic, login, after_login = seen
    assert places.headers["x-key"] == PLAIN
    assert places.query == f"odd={quote(ODD, safe='~')}&again={quote(WIDE, safe='')}"
    assert places.json() == {"wide": WIDE, "inner": {"odd": ODD}}
    assert base64.b64decode(basic.headers["authorization"].split()[1]).decode() == f"{PLAIN}:{WIDE}"
    assert dict(login.form()) == {"user": PLAIN, "password": ODD, "pin": WIDE}
    assert after_login.headers["authorization"] == f"Bearer {TOKEN}"


def test_the_process_said_none_of_them(heard: Heard):
    assert leaks(heard.service.output, *SECRETS, TOKEN, heard.service.token) == []


def test_the_database_holds_none_of_them(heard: Heard):
    """In no file and no cell; the service token is there as a hash only."""
    with heard.client("t-database") as client:
        made = connect(client, next(iter(PLACES)), credentials=CREDENTIALS)
        for mode in ("plain", "headers", "text", "xml", "form"):
            assert execute(client, "tell", connectionId=made, input={"mode": mode, "note": ODD}).json()["success"]
    assert leaks(files_of(heard.service.data_dir), *SECRETS, TOKEN, heard.service.token) == []
    with closing(sqlite3.connect(heard.service.data_dir / "integrations.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert "secrets" in tables
        cells = [cell for table in tables for row in database.execute(f'SELECT * FROM "{table}"') for cell in row]
    held = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
    assert leaks(held, *SECRETS, TOKEN, heard.service.token) == []
    assert len(cells) > 100


def test_the_files_of_secrets_are_for_their_owner_only(heard: Heard):
    modes = {path.name: path.stat().st_mode & 0o777 for path in heard.service.data_dir.iterdir()}
    assert {mode for name, mode in modes.items() if name != "lock"} == {0o600}, modes
