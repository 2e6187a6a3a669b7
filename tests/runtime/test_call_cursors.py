"""Cursors and next URLs: whose they are, how long they last, and where they never lead."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalog import LONGEST_CURSOR
from engine.runtime.pages import KEEP_SECONDS, Place
from tests.support.lists import LIMIT, Shelf, listing, refused, rows, seal_of, walk
from tests.support.scene import Stillstand, connect, running
from tests.support.specs import HOST, fields, setting, spec
from tests.support.upstream import answer

# --- whose cursor it is ---


async def test_a_cursor_shows_nothing_of_what_it_holds(tmp_path: Path) -> None:
    reply = answer({"rows": [1], "next": "fake-provider-cursor-0000"})
    async with running(tmp_path, spec(listing("cursor")), lambda _: reply) as scene:
        first, second = [(await scene.call("list")).data["nextCursor"] for _ in range(2)]
        assert first != second
        assert b"fake-provider" not in base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))


async def test_a_made_up_changed_or_cut_cursor_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("cursor")), Shelf(rows(9))) as scene:
        cursor = (await scene.call("list")).data["nextCursor"]
        middle = "A" if cursor[40] != "A" else "B"
        for wrong in ("3", "é", "=", "AQ", cursor[:-5], cursor + "AAAA", cursor[:40] + middle + cursor[41:]):
            refused(await scene.call("list", {"cursor": wrong}))
        refused(await scene.call("list", {"cursor": ""}))
        refused(await scene.call("list", {"cursor": "A" * (LONGEST_CURSOR + 1)}))
        refused(await scene.call("list", {"cursor": 3}))
        assert scene.seen == 1


async def test_a_cursor_serves_its_tenant_connection_action_and_input_only(tmp_path: Path) -> None:
    other = {**listing("cursor"), "actionId": "other"}
    async with running(tmp_path, spec(listing("cursor"), other), Shelf(rows(9))) as scene:
        cursor = (await scene.call("list", {"word": "x"})).data["nextCursor"]
        sibling = await connect(scene.engine)
        stranger = await connect(scene.engine, tenant="tenant-b")
        asked = {"word": "x", "cursor": cursor}
        refused(await scene.call("list", {**asked, "word": "y"}))
        refused(await scene.call("list", {"cursor": cursor}))
        refused(await scene.call("other", asked))
        refused(await scene.call("list", asked, connection_id=sibling.connection_id))
        refused(await scene.call("list", asked, connection_id=stranger.connection_id, tenant_id="tenant-b"))
        assert scene.seen == 1
        assert (await scene.call("list", asked)).data["rows"] == rows(9)[3:6]


async def test_a_cursor_of_another_kind_of_list_is_refused(tmp_path: Path) -> None:
    """The spec may have changed since."""
    async with running(tmp_path, spec(listing("cursor")), Shelf(rows(9))) as scene:
        old = seal_of(scene, "offset").close(Place(3, 3, 1), scene.engine.clock.now())
        refused(await scene.call("list", {"cursor": old}))
        assert scene.seen == 0


async def test_an_old_cursor_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, spec(listing("cursor")), Shelf(rows(9)), clock=clock) as scene:
        cursor = (await scene.call("list")).data["nextCursor"]
        clock.passed += KEEP_SECONDS
        assert (await scene.call("list", {"cursor": cursor})).error is None
        clock.passed += 1
        done = await scene.call("list", {"cursor": cursor})
        refused(done)
        assert done.error is not None
        assert "start again" in done.error.message
        assert scene.seen == 2


async def test_a_limit_outside_its_bounds_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    one = spec(listing("cursor", {"limit": {**LIMIT, "min": 2}}))
    async with running(tmp_path, one, Shelf(rows(9))) as scene:
        for wrong in (1, 51, 0, -1, "5", 2.5):
            refused(await scene.call("list", {"limit": wrong}), "limit")
        assert scene.seen == 0


# --- next URLs ---

FOREIGN = [
    "https://evil.example/list?at=3",
    f"https://{HOST}.evil.example/list",
    f"https://other.{HOST}/list",
    f"http://{HOST}/list?at=3",
    f"https://{HOST}:8443/list?at=3",
    f"https://user@{HOST}/list",
    f"https://{HOST}@evil.example/list",
    f"https://{HOST}/list#at",
    f"https://{HOST}\\@evil.example/list",
    f"https://{HOST}/a/../../list",
    "//evil.example/list",
    "/\\evil.example/list",
    "/list?at=3 HTTP/1.1",
    "/list?at=3\r\nX-Evil: 1",
    "list?at=3",
    "?at=3",
    "javascript:alert(1)",
    "ftp://acme.example/list",
]


@pytest.mark.parametrize("location", FOREIGN)
async def test_a_next_url_elsewhere_is_not_called_and_not_handed_out(location: str, tmp_path: Path) -> None:
    hosts = [HOST, f"*.{HOST}"]
    one = spec(listing("url"), hosts=hosts)
    async with running(tmp_path, one, lambda _: answer({"rows": [1], "url": location})) as scene:
        done = await scene.call("list")
        assert done.error is not None
        assert done.error.code == "INVALID_RESPONSE"
        assert "evil" not in done.error.message
        # Nor with a seal of ours around it, as an older spec might have made it.
        cursor = seal_of(scene, "url").close(Place(location, 3, 1), scene.engine.clock.now())
        refused(await scene.call("list", {"cursor": cursor}))
        assert scene.seen == 1


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (f"https://{HOST}/other/list?at=3&x=%2F%20+a&x=b", "/other/list?at=3&x=%2F%20+a&x=b"),
        (f"HTTPS://{HOST.upper()}:443/list?at=3", "/list?at=3"),
        (f"https://{HOST}?at=3", "/?at=3"),
        ("/rooted?q=%5B%5D&[a]=b", "/rooted?q=%5B%5D&[a]=b"),
        ("/liste?wort=Áo", "/liste?wort=%C3%81o"),
    ],
)
async def test_a_next_url_is_called_as_it_is_with_the_credentials_and_headers(
    location: str, target: str, tmp_path: Path
) -> None:
    request = {"method": "GET", "path": "/list", "query": {"q": "x"}, "headers": {"X-Batch": "{{ page.limit }}"}}
    one = spec(listing("url", {"limit": {"default": 5, "max": 9}}, request=request), servers={
        "default": f"https://{HOST}/v1"})  # fmt: skip
    locations = iter((location, None))
    async with running(tmp_path, one, lambda _: answer({"rows": [1], "url": next(locations)})) as scene:
        await walk(scene)
        first, second = scene.upstream.seen
        assert (first.target, second.target) == ("/v1/list?q=x", target)
        assert second.method == "GET"
        for name in ("x-api-key", "x-batch", "x-upstream-host"):
            assert second.headers[name] == first.headers[name]


async def test_what_signs_a_request_in_by_its_query_is_added_to_a_next_url(tmp_path: Path) -> None:
    method = {
        "method": "key",
        "type": "api_key",
        "needs": ["apiKey"],
        "apply": {"query": {"k": "{{ credentials.apiKey }}"}},
    }
    locations = iter(("/list?at=3", "/list", None))
    one = spec(listing("url", {"limit": None}), auth=[method])
    async with running(tmp_path, one, lambda _: answer({"rows": [1], "url": next(locations)})) as scene:
        await walk(scene)
        key = scene.upstream.seen[0].query
        assert [seen.target for seen in scene.upstream.seen[1:]] == [f"/list?at=3&{key}", f"/list?{key}"]


async def test_a_cursor_does_not_follow_the_connection_to_another_server(tmp_path: Path) -> None:
    form = fields(("apiKey",), apiKey={**setting(), "writeOnly": True}, shop=setting())
    one = spec(
        listing("url"),
        configSchema=form,
        servers={"default": "https://{{ config.shop }}.acme.example"},
        hosts=["*.acme.example"],
    )
    async with running(tmp_path, one, Shelf(rows(9)), config={"shop": "one"}) as scene:
        cursor = (await scene.call("list")).data["nextCursor"]
        stored = await scene.stored()
        await scene.engine.store.connections.update(replace(stored, config={"shop": "two"}))
        refused(await scene.call("list", {"cursor": cursor}))
        assert scene.seen == 1
        await scene.engine.store.connections.update(replace(await scene.stored(), config={"shop": "one"}))
        assert (await scene.call("list", {"cursor": cursor})).data["rows"] == rows(9)[3:6]
