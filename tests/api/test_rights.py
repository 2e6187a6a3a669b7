"""Who may do what: each operation asks for its right, each tenant for a grant, and nobody gets more than that."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest

from engine.api.app import OPERATIONS, create_app
from engine.identity.caller import RIGHTS, Grant
from engine.identity.policy import Policy
from engine.identity.tokens import TokenBook
from engine.settings import Settings
from engine.storage.service_token import service_token_hash
from engine.storage.sqlite import open_store
from tests.api.conformance import Checked
from tests.api.support import PUBLIC_URL, TOKEN, SmallEngine

ROLE = "arn:aws:iam::111122223333:role/agents"
SESSION = "arn:aws:sts::111122223333:assumed-role/agents/session-1"

NEEDED = {
    "execute": {"actions.execute", "executions.list", "executions.get", "events.list", "events.get"},
    "execute or connections": {
        "catalog.list",
        "catalog.get",
        "catalog.getActions",
        "actions.getSchema",
        "connections.list",
        "connections.get",
        "subscriptions.list",
        "subscriptions.get",
        "deliveries.list",
        "deliveries.get",
    },
    "connections": {
        "connections.create",
        "connections.update",
        "connections.delete",
        "connections.test",
        "connections.authorize",
        "connections.openWebhook",
        "connections.closeWebhook",
        "subscriptions.create",
        "subscriptions.update",
        "subscriptions.rotate",
        "subscriptions.delete",
        "deliveries.redeliver",
    },
    "administer": {"metrics.get", "status.get"},
    "execute or connections or administer": {"openapi.get"},
}
GUARDED = [one for one in OPERATIONS if one.access in ("token", "tenant")]


def client(engine: SmallEngine, policy: Policy | None = None, token: str = TOKEN, **settings: Any) -> httpx.AsyncClient:
    given = Settings(public_url=PUBLIC_URL, **settings)
    app = create_app(engine, given, token_hashes=[service_token_hash(TOKEN)], policy=policy)
    headers = {"Authorization": f"Bearer {token}", "X-Tenant-Id": "acme"}
    return httpx.AsyncClient(transport=Checked(httpx.ASGITransport(app)), base_url="http://api", headers=headers)


@pytest.fixture
def book(engine: SmallEngine) -> TokenBook:
    return TokenBook(engine.store, time.time)


def test_the_table_says_which_right_each_operation_needs():
    known = {name for names in NEEDED.values() for name in names}
    found = {one.operation_id: " or ".join(one.rights) for one in GUARDED if one.operation_id in known}
    assert found == {name: right for right, names in NEEDED.items() for name in names}


def test_what_changes_something_is_never_a_matter_of_reading():
    for one in GUARDED:
        if one.access == "tenant" and one.method != "GET" and one.operation_id != "actions.execute":
            assert "execute" not in one.rights, one.operation_id


@pytest.mark.parametrize("operation", GUARDED, ids=lambda one: one.operation_id)
async def test_a_token_does_what_its_rights_say_and_nothing_else(engine, book, operation):
    path = re.sub(r"\{\w+\}", "x", operation.path)
    for right in RIGHTS:
        shown = await book.create(right, "token", [right], ["acme"])
        async with client(engine, token=shown.secret) as api:
            answer = await api.request(operation.method, path)
            assert (answer.status_code != 403) == (right in operation.rights), answer.text
            elsewhere = await api.request(operation.method, path, headers={"X-Tenant-Id": "other"})
            is_ours = operation.access == "tenant"
            assert (elsewhere.status_code == 403) == (is_ours or right not in operation.rights)


async def test_403_says_what_is_missing_and_repeats_nothing(engine, book):
    shown = await book.create("reader", "token", ["execute"], ["shop-*"])
    async with client(engine, token=shown.secret) as api:
        answer = await api.post("/connections", headers={"X-Tenant-Id": "shop-1"}, content=b"never read")
        assert answer.json() == {
            "defined": False,
            "code": "FORBIDDEN",
            "status": 403,
            "message": "this caller may not do this: it needs the right connections",
            "data": {},
        }
        answer = await api.get("/catalog", headers={"X-Tenant-Id": "canary"})
        assert answer.json()["message"] == "this caller may not do this for this tenant"
        assert (await api.get("/catalog", headers={"X-Tenant-Id": "shop-"})).status_code == 200


async def test_401_comes_before_403_and_404(engine, book):
    shown = await book.create("reader", "token", ["execute"], ["acme"])
    async with client(engine, token=f"{shown.secret}x") as api:
        for path in ("/status", "/nowhere", "/catalog"):
            assert (await api.get(path)).status_code == 401


async def test_a_token_works_and_ends_without_a_restart(engine, book, monkeypatch):
    monkeypatch.setattr("engine.identity.gate.FRESH_SECONDS", 0.0)
    async with client(engine) as api:
        assert (await api.get("/catalog")).status_code == 200
        shown = await book.create("agents", "token", ["execute"], ["acme"])
        mine = {"Authorization": f"Bearer {shown.secret}"}
        assert (await api.get("/catalog", headers=mine)).status_code == 200
        turned = await book.rotate("agents", 3600)
        assert (await api.get("/catalog", headers=mine)).status_code == 200
        mine_now = {"Authorization": f"Bearer {turned.secret}"}
        assert (await api.get("/catalog", headers=mine_now)).status_code == 200
        await book.revoke("agents")
        assert (await api.get("/catalog", headers=mine)).status_code == 401
        assert (await api.get("/catalog", headers=mine_now)).status_code == 401
        assert (await api.get("/catalog")).status_code == 200


async def test_an_access_key_is_no_token(engine, book):
    shown = await book.create("ci", "key", ["execute"], ["acme"])
    for text in (shown.secret, shown.key_id):
        async with client(engine, token=str(text)) as api:
            assert (await api.get("/catalog")).status_code == 401


async def test_what_was_known_counts_while_the_store_is_away(tmp_path, engine, book, monkeypatch):
    monkeypatch.setattr("engine.identity.gate.FRESH_SECONDS", 0.0)
    shown = await book.create("agents", "token", ["execute"], ["acme"])
    away = open_store(data_dir=tmp_path)
    await away.lifetime.close()
    fresh = SmallEngine(away)
    async with client(engine, token=shown.secret) as known, client(fresh, token=shown.secret) as unknown:
        assert (await known.get("/catalog")).status_code == 200
        await engine.store.lifetime.close()
        assert (await known.get("/catalog")).status_code == 200
        assert (await unknown.get("/catalog")).status_code == 503
        assert (await known.get("/catalog", headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_the_policy_file_bounds_the_tokens_that_it_names_and_no_others(engine, book):
    bound = Policy([("token:default", Grant(("acme",), frozenset({"execute"})))])
    async with client(engine, bound) as api:
        assert (await api.get("/catalog")).status_code == 200
        assert (await api.get("/catalog", headers={"X-Tenant-Id": "other"})).status_code == 403
        assert (await api.get("/status")).status_code == 403
        free = {"Authorization": f"Bearer {(await book.create('ops', 'token', ['administer'], ['*'])).secret}"}
        assert (await api.get("/status", headers=free)).status_code == 200


def _event(iam: Any) -> dict[str, Any]:
    return {"requestContext": {"authorizer": {"iam": iam}}, "rawPath": "/catalog"}


async def _ask(engine: SmallEngine, event: dict[str, Any], policy: Policy, auth: Any = "sigv4", **headers: str) -> int:
    """Behind a gateway of AWS."""
    app = create_app(engine, Settings(auth=auth), token_hashes=[service_token_hash(TOKEN)], policy=policy)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("there is no body to read")

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"x-tenant-id", b"acme"))
    scope = {"type": "http", "method": "GET", "path": "/catalog", "raw_path": b"/catalog", "headers": pairs}
    await app({**scope, "query_string": b"", "aws.event": event}, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("iam", "status"),
    [
        ({"userArn": SESSION}, 200),
        ({"userArn": ROLE.replace("agents", "others")}, 403),
        ({"userArn": SESSION.replace("agents", "others")}, 403),
        ({"userArn": "arn:aws:iam::111122223333:root"}, 403),
        ({"userArn": ""}, 403),
        ({}, 401),
        (None, 401),
        ("x", 401),
    ],
)
async def test_behind_a_gateway_the_caller_is_who_the_gateway_says(engine, iam, status):
    policy = Policy([(ROLE, Grant(("acme",), frozenset({"execute"})))])
    assert await _ask(engine, _event(iam), policy) == status
    assert await _ask(engine, _event(iam), Policy()) == (401 if status == 401 else 403)


async def test_behind_a_gateway_no_header_makes_anybody_a_caller(engine, book):
    shown = await book.create("ci", "key", ["execute"], ["acme"])
    policy = Policy([(ROLE, Grant(("acme",), frozenset({"execute"})))])
    for headers in (
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"AWS4-HMAC-SHA256 Credential={shown.key_id}/20260501/us-east-1/execute-api/aws4_request"},
        {"x_amzn_iam_userarn": ROLE, "x_amz_user": SESSION},
    ):
        assert await _ask(engine, _event(None), policy, **headers) == 401
    assert await _ask(engine, _event(None), policy, "both", authorization=f"Bearer {TOKEN}") == 200
