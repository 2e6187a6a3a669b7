"""Where requests may go: the spec's hosts, public addresses, and where the operator sends them instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_engine
from engine.connections.service import ConnectionService, Draft
from engine.errors import ConnectFailed, RequestError
from engine.model import Command, Request
from engine.runtime.egress import origins, redirect
from engine.runtime.transport import HttpTransport
from engine.settings import Settings
from tests.support.scene import TENANT, connect, replies, running
from tests.support.specs import HOST, action, catalog, fields, secret, setting, spec
from tests.support.upstream import Upstream

SHOP = fields(("shop", "apiKey"), shop=setting(), apiKey=secret(), plain=setting())


def shop_spec(**parts: Any) -> dict[str, Any]:
    """A provider whose host the tenant types."""
    made = {"configSchema": SHOP, "servers": {"default": "https://{{ config.shop }}/api"}, "hosts": ["config.shop"]}
    return spec(**{**made, **parts})


async def test_the_operators_origin_gets_path_and_query_and_the_intended_host(tmp_path: Path) -> None:
    one = action(request={"method": "GET", "path": "/a/b", "query": {"q": "x y"}})
    async with running(tmp_path, spec(one)) as scene:
        assert (await scene.call()).success
        seen = scene.upstream.seen[0]
        assert (seen.target, seen.headers["x-upstream-host"]) == ("/a/b?q=x%20y", HOST)
        assert seen.headers["host"] == scene.upstream.origin.removeprefix("http://")


@pytest.mark.parametrize("shop", ["my-shop.example", "MY-SHOP.example."])
async def test_the_host_that_a_tenant_typed_is_its_own(tmp_path: Path, shop: str) -> None:
    async with running(tmp_path, shop_spec(), config={"shop": shop}) as scene:
        assert (await scene.call()).success
        assert scene.upstream.seen[0].headers["x-upstream-host"] == "my-shop.example"


async def test_a_url_that_a_tenant_typed_is_called_in_one_spelling_with_its_path(tmp_path: Path) -> None:
    made = shop_spec(actions=[action("quote")], servers={"default": "{{ config.shop }}"})
    async with running(tmp_path, made, config={"shop": " HTTPS://My-Shop.example.//shop/ "}) as scene:
        assert (await scene.call("quote")).success
        seen = scene.upstream.seen[0]
        assert (seen.target, seen.headers["x-upstream-host"]) == ("/shop/quote", "my-shop.example")


@pytest.mark.parametrize(
    "shop",
    [
        "https://me:pa55word@my-shop.example",
        "https://my-shop.example/#top",
        "https://my-shop.example:8443",
        "http://my-shop.example",
        "0x7f.1",
    ],
)
async def test_a_connection_with_an_unsafe_url_is_refused_at_its_field(tmp_path: Path, shop: str) -> None:
    made = shop_spec(servers={"default": "{{ config.shop }}"})
    async with running(tmp_path, made, config={"shop": "https://my-shop.example"}) as scene:
        draft = Draft(str(made["integrationId"]), "shop", {"shop": shop}, {"apiKey": "some-key-0001"})
        with pytest.raises(RequestError) as refusal:
            await ConnectionService(scene.engine).create(TENANT, draft)
        assert [issue.path for issue in refusal.value.issues] == [("config", "shop")]
        assert "pa55word" not in str(refusal.value.issues)
        assert len(await scene.engine.store.connections.find(TENANT)) == 1


@pytest.mark.parametrize(
    "shop",
    [
        "evil.example",
        "127.0.0.1",
        "acme.example.evil.example",
        "evil.example#.acme.example",
        "u@acme.example",
        "0x7f.1",
    ],
)
async def test_a_host_outside_the_specs_is_refused_before_anything_is_sent(tmp_path: Path, shop: str) -> None:
    made = shop_spec(hosts=["*.acme.example"])
    async with running(tmp_path, made, config={"shop": shop}) as scene:
        assert await scene.code() in ("FORBIDDEN", "INVALID_INPUT")
        assert (scene.seen, scene.upstream.connections) == (0, 0)


async def test_a_port_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    typed = {"servers": {"default": "{{ config.shop }}"}}
    async with running(tmp_path / "a", shop_spec(**typed), config={"shop": "https://my-shop.example:8443"}) as scene:
        assert await scene.code() == "FORBIDDEN"
        assert scene.upstream.connections == 0
    made = shop_spec(**typed, ports=[8443])
    async with running(tmp_path / "b", made, config={"shop": "https://my-shop.example:8443"}) as scene:
        assert (await scene.call()).success


async def test_plain_http_needs_the_specs_word(tmp_path: Path) -> None:
    servers = {"default": "http://{{ config.shop }}"}
    made = shop_spec(servers=servers, plainHttp="config.plain == 'yes'")
    async with running(tmp_path, made, config={"shop": "my-shop.example", "plain": "no"}) as scene:
        assert await scene.code() == "FORBIDDEN"
        plain = await connect(scene.engine, config={"shop": "my-shop.example", "plain": "yes"})
        assert (await scene.call(connection_id=plain.connection_id)).success


@pytest.mark.parametrize(
    "shop", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_a_private_address_is_never_connected_to(tmp_path: Path, shop: str) -> None:
    """Without an override, on the port of a server that listens there."""
    async with Upstream(replies()) as upstream:
        servers = {"default": f"http://{{{{ config.shop }}}}:{upstream.port}"}
        made = shop_spec(servers=servers, plainHttp="config.plain == 'yes'", ports=[upstream.port])
        found = catalog(tmp_path / "specs", made)
        engine = await open_engine(Settings(data_dir=tmp_path / "data"), catalog=found)
        connection = await connect(engine, config={"shop": shop, "plain": "yes"})
        done = await engine.execute(Command(TENANT, "quote", {}, connection_id=connection.connection_id))
        await engine.close()
        assert not done.success
        assert upstream.connections == 0


@pytest.mark.parametrize("shop", ["127.0.0.1", "localhost"])
async def test_a_private_address_may_be_allowed_by_the_operator(tmp_path: Path, shop: str) -> None:
    async with Upstream(replies()) as upstream:
        servers = {"default": f"http://{{{{ config.shop }}}}:{upstream.port}"}
        made = shop_spec(servers=servers, plainHttp="config.plain == 'yes'", ports=[upstream.port])
        found = catalog(tmp_path / "specs", made)
        engine = await open_engine(Settings(data_dir=tmp_path / "data", allow_private=True), catalog=found)
        connection = await connect(engine, config={"shop": shop, "plain": "yes"})
        done = await engine.execute(Command(TENANT, "quote", {}, connection_id=connection.connection_id))
        await engine.close()
        assert done.success


async def test_an_override_opens_its_own_port_and_no_other_of_its_machine(tmp_path: Path) -> None:
    async with Upstream(replies()) as allowed, Upstream(replies()) as other:
        wire = HttpTransport(exempt=origins({"acme-shipping": allowed.origin}))
        reached = await wire.send(Request("GET", allowed.origin, (), b""), timeout=5, max_bytes=1000)
        assert reached.status == 200
        for host in ("127.0.0.1", "localhost"):
            request = Request("GET", f"http://{host}:{other.port}/", (), b"")
            with pytest.raises(ConnectFailed):
                await wire.send(request, timeout=5, max_bytes=1000)
        await wire.close()
        assert other.connections == 0


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://api.acme.example/a/b?c=d%20e", "http://127.0.0.1:9/a/b?c=d%20e"),
        ("https://api.acme.example", "http://127.0.0.1:9"),
        ("https://api.acme.example:8443/x", "http://127.0.0.1:9/x"),
        ("https://api.acme.example?a=/b", "http://127.0.0.1:9?a=/b"),
    ],
)
def test_an_override_replaces_the_origin_alone(url: str, sent: str) -> None:
    made = redirect(Request("GET", url, (("A", "1"),), b"x"), HOST, "http://127.0.0.1:9")
    assert made == Request("GET", sent, (("A", "1"), ("X-Upstream-Host", HOST)), b"x")


async def test_the_certificate_of_a_provider_must_be_good(tmp_path: Path) -> None:
    """A server that speaks no TLS where https is expected: nothing was sent, nothing was done."""
    async with Upstream(replies()) as upstream:
        wire = HttpTransport(allow_private=True)
        request = Request("POST", f"https://127.0.0.1:{upstream.port}/", (), b"x")
        with pytest.raises(ConnectFailed):
            await wire.send(request, timeout=5, max_bytes=1000)
        await wire.close()
        assert upstream.seen == []


async def test_cookies_of_a_provider_are_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path, spec(), replies({}, 200, set_cookie="session=1; Path=/")) as scene:
        await scene.call()
        await scene.call()
        assert all("cookie" not in seen.headers for seen in scene.upstream.seen)


async def test_nothing_of_the_machine_is_told_to_a_provider(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        await scene.call()
        names = {name.lower() for name, _ in scene.upstream.seen[0].pairs}
        assert names <= {"host", "x-api-key", "x-upstream-host", "accept", "accept-encoding"}
