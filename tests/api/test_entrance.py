"""Who gets in, and in which order a request is judged: 401 before anything is told or read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.api.app import create_app
from engine.errors import SettingsError
from engine.settings import Settings
from tests.api.support import AUTHORISED, HEADERS, OLD_TOKEN, TOKEN, SmallEngine, app_over

WRONG: list[dict[str, str]] = [
    {},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
]
REQUESTS = [
    ("GET", "/catalog"),
    ("POST", "/execute"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
    ("PUT", "/execute"),
    ("POST", "/healthz"),
    ("OPTIONS", "/connections"),
    ("GET", "/catalog/acme-parcels/logo.svg/x"),
]


@pytest.fixture
async def stranger(engine: SmallEngine):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_over(engine)), base_url="http://api") as client:
        yield client


@pytest.mark.parametrize("headers", WRONG)
async def test_without_a_good_token_everything_is_401(stranger, headers):
    for method, path in REQUESTS:
        answer = await stranger.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "999999999", "Content-Type": "application/json"},
        {"Content-Length": "5", "Content-Type": "text/plain"},
        {"X-Tenant-Id": "..", "Content-Length": "0"},
    ],
)
async def test_401_wins_before_the_body_is_read(engine, headers):
    async def receive() -> Any:
        raise AssertionError("a stranger's body was read")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/execute", "query_string": b"a=%ff", "headers": pairs}
    await app_over(engine)(scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize("authorization", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer {OLD_TOKEN}"])
async def test_every_token_in_force_is_good_and_the_scheme_has_no_case(api, authorization):
    assert (await api.get("/catalog", headers={"Authorization": authorization})).status_code == 200


async def test_an_authorization_given_twice_is_no_authorization(api):
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}"), ("X-Tenant-Id", "acme")]
    async with httpx.AsyncClient(transport=api._transport, base_url="http://api") as plain:
        assert (await plain.get("/catalog", headers=headers)).status_code == 401


def test_what_is_no_hash_of_a_token_is_refused_at_start(engine):
    with pytest.raises(SettingsError):
        create_app(engine, Settings(), token_hashes=[b"short"])


@pytest.mark.parametrize("path", ["/connections/{}", "/webhooks/{}", "/webhooks/x/{}", "/executions/{}"])
async def test_an_id_that_is_longer_than_any_is_asked_of_no_store(api, stranger, path):
    """Stores have limits of their own for keys: going beyond them would look like a store that fails."""
    answer = await api.get(path.format("x" * 201))
    assert (answer.status_code, "no such path" in answer.json()["message"]) == (404, True)
    assert (await stranger.get(path.format("x" * 201))).status_code == 401
    assert "no such path" not in (await api.get(path.format("x" * 200))).text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/catalog/acme-parcels/logo.svg"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_and_logos_need_no_token(stranger, method, path):
    answer = await stranger.request(method, path, headers={"Authorization": "Bearer wrong"}, params={"v": "2"})
    assert answer.status_code == 200


@pytest.mark.parametrize("tenant", ["", ".", "..", "a b", "a/b", "ä", "x" * 129, "acme,other"])
async def test_a_tenant_that_is_none_is_400(api, tenant):
    answer = await api.get("/connections", headers={"X-Tenant-Id": tenant.encode()})
    assert answer.status_code == 400
    assert answer.json()["data"]["issues"][0]["path"] == ["headers", "X-Tenant-Id"]


async def test_an_absent_or_repeated_tenant_is_400(stranger):
    assert (await stranger.get("/connections", headers=AUTHORISED)).status_code == 400
    twice = [*HEADERS.items(), ("X-Tenant-Id", "acme")]
    assert (await stranger.get("/connections", headers=twice)).status_code == 400


@pytest.mark.parametrize("tenant", ["a", "...", "A-b_c.9", "x" * 128])
async def test_tenants_need_no_registration(api, tenant):
    assert (await api.get("/connections", headers={"X-Tenant-Id": tenant})).json() == {"connections": []}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/connections", "GET, HEAD, POST"),
        ("GET", "/execute", "POST"),
        ("HEAD", "/execute", "POST"),
        ("POST", "/catalog/acme-parcels", "GET, HEAD"),
        ("OPTIONS", "/connections/x", "DELETE, GET, HEAD, PATCH"),
        ("get", "/catalog", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_ones(engine, method, path, allow):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    await app_over(engine)(scope, None, send)
    assert sent[0]["status"] == 405
    assert (b"allow", allow.encode()) in sent[0]["headers"]


@pytest.mark.parametrize(
    "path", ["/", "/catalog/", "//catalog", "/connections/a/b", "/connections/a%2Fb", "/CATALOG", "/execute/x"]
)
async def test_an_unknown_path_is_404(api, path):
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


async def test_404_and_405_come_before_the_tenant(api):
    assert (await api.get("/nowhere", headers={"X-Tenant-Id": ".."})).status_code == 404
    assert (await api.put("/execute", headers={"X-Tenant-Id": ".."})).status_code == 405


@pytest.mark.parametrize("path", ["/catalog", "/connections", "/executions", "/openapi.json", "/healthz"])
async def test_head_is_get_without_the_body(api, path):
    got, head = await api.get(path), await api.head(path)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_a_mounted_api_finds_its_paths(engine):
    transport = httpx.ASGITransport(app_over(engine), root_path="/v1")
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=HEADERS) as client:
        assert (await client.get("/v1/catalog")).status_code == 200


async def test_a_websocket_is_refused(engine):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await app_over(engine)({"type": "websocket", "path": "/execute", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
