"""Lists read page by page: one call is one page, each entry comes once, and no list is without an end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import views
from engine.catalog import LONGEST_CURSOR
from engine.model import Command
from engine.runtime.explain import explain
from engine.runtime.pages import MAX_PAGES, Place
from tests.support.lists import KINDS, Shelf, listing, refused, rows, seal_of, walk
from tests.support.scene import TENANT, Scene, running
from tests.support.specs import HOST, action, fields, spec, text
from tests.support.upstream import Handler, Reply, Seen, answer

# --- every entry once ---


@pytest.mark.parametrize("kind", KINDS)
def test_walking_all_pages_gives_every_entry_exactly_once(kind: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        stack, shelf = AsyncExitStack(), Shelf()
        scene = runner.run(stack.enter_async_context(running(tmp_path, spec(listing(kind)), shelf)))

        @settings(max_examples=25)
        @given(st.integers(0, 30), st.integers(1, 12))
        def check(count: int, size: int) -> None:
            shelf.rows = rows(count)
            pages = runner.run(walk(scene, {"limit": size, "word": "x"}))
            assert [row for page in pages for row in page] == shelf.rows
            assert all(len(page) == size for page in pages[:-1])

        check()
        runner.run(stack.aclose())


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_provider_says_of_more_spares_the_last_empty_page(kind: str, tmp_path: Path) -> None:
    one = spec(listing(kind, {"more": "body.more"}))
    async with running(tmp_path, one, Shelf(rows(6), more=True)) as scene:
        assert [len(page) for page in await walk(scene)] == [3, 3]


async def test_each_call_sends_one_request_for_one_page(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("offset")), Shelf(rows(5))) as scene:
        await walk(scene, {"word": "a b", "limit": 2})
        assert [seen.target for seen in scene.upstream.seen] == [
            "/list?word=a%20b&at=0&limit=2",
            "/list?word=a%20b&at=2&limit=2",
            "/list?word=a%20b&at=4&limit=2",
        ]


async def test_a_caller_that_gives_the_cursor_alone_keeps_the_limit_of_the_first_page(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("cursor")), Shelf(rows(9))) as scene:
        first = await scene.call("list", {"limit": 5})
        await scene.call("list", {"cursor": first.data["nextCursor"]})
        await scene.call("list", {"cursor": first.data["nextCursor"], "limit": 2})
        assert [seen.query for seen in scene.upstream.seen] == ["limit=5", "at=5&limit=5", "at=5&limit=2"]


async def test_where_pages_are_counted_the_limit_can_not_change(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("page")), Shelf(rows(9))) as scene:
        first = await scene.call("list", {"limit": 4})
        refused(await scene.call("list", {"cursor": first.data["nextCursor"], "limit": 2}), "limit")
        assert scene.seen == 1
        again = await scene.call("list", {"cursor": first.data["nextCursor"], "limit": 4})
        assert again.data["rows"] == rows(9)[4:8]


async def test_a_cursor_may_be_used_again(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("page")), Shelf(rows(9))) as scene:
        cursor = (await scene.call("list")).data["nextCursor"]
        once, twice = [(await scene.call("list", {"cursor": cursor})).data["rows"] for _ in range(2)]
        assert once == twice == rows(9)[3:6]


async def test_the_parts_of_the_root_page_reach_templates_and_queries(tmp_path: Path) -> None:
    one = listing(
        "offset",
        {"into": None, "limit": {"default": 2, "max": 9}},
        request={"method": "GET", "path": "/list", "query": {"range": "{{ page.offset }},{{ page.limit }}"}},
        vars={"twice": "{{ page.limit * 2 }}"},
        output={"rows": "body.rows", "at": "page.offset", "twice": "vars.twice"},
    )
    async with running(tmp_path, spec(one), lambda _: answer({"rows": [1, 2]})) as scene:
        first = await scene.call("list")
        assert (first.data["at"], first.data["twice"]) == (0, 4)
        await scene.call("list", {"cursor": first.data["nextCursor"]})
        assert [seen.query for seen in scene.upstream.seen] == ["range=0%2C2", "range=2%2C2"]


async def test_the_spec_sees_neither_limit_nor_cursor_in_the_input(tmp_path: Path) -> None:
    one = listing("cursor", request={"method": "POST", "path": "/list", "json": {"all": "{{ input }}"}})
    async with running(tmp_path, spec(one), lambda _: answer({"rows": [1], "next": "c"})) as scene:
        first = await scene.call("list", {"word": "x", "limit": 5})
        await scene.call("list", {"word": "x", "cursor": first.data["nextCursor"]})
        assert [seen.json() for seen in scene.upstream.seen] == [{"all": {"word": "x"}}] * 2


async def test_a_list_read_by_several_steps_goes_on_by_their_outputs(tmp_path: Path) -> None:
    ids = {
        "stepId": "ids",
        "effect": "read",
        "request": {"method": "GET", "path": "/list", "query": {"at": "{{ page.cursor }}"}},
        "outputs": {"rows": "body.rows", "next": "body.next"},
    }
    rest = {"stepId": "rest", "effect": "read", "request": {"method": "GET", "path": "/rest"}, "outputs": {"n": "body"}}
    paging = {"into": None, "limit": None, "next": "steps.ids.outputs.next", "items": "steps.ids.outputs.rows"}
    made = action(
        "list",
        steps=[ids, rest],
        output={"rows": "steps.ids.outputs.rows"},
        pagination={key: value for key, value in {**KINDS["cursor"], **paging}.items() if value is not None},
    )
    async with running(tmp_path, spec(made), Shelf(rows(7))) as scene:
        assert [row for page in await walk(scene) for row in page] == rows(7)
        assert [seen.path for seen in scene.upstream.seen] == ["/list", "/rest"] * 3


# --- where a list ends ---


@pytest.mark.parametrize("end", [{}, {"next": None}, {"next": ""}, {"next": False}])
async def test_without_a_next_cursor_the_list_has_ended(end: dict[str, Any], tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("cursor")), lambda _: answer({"rows": [1, 2, 3], **end})) as scene:
        assert await walk(scene) == [[1, 2, 3]]


async def test_more_decides_against_a_cursor_that_is_still_given(tmp_path: Path) -> None:
    one = spec(listing("cursor", {"more": "body.has_more", "next": "body.rows[-1]"}))
    async with running(tmp_path, one, lambda _: answer({"rows": ["a", "b"], "has_more": False})) as scene:
        assert await walk(scene) == [["a", "b"]]


@pytest.mark.parametrize("kind", ["page", "offset"])
@pytest.mark.parametrize("body", [{}, {"rows": None}, {"rows": []}, {"rows": [1, 2]}])
async def test_a_counted_list_ends_with_a_page_that_is_empty_or_short(kind: str, body: Any, tmp_path: Path) -> None:
    one = spec(listing(kind, output={"rows": "body.rows || `[]`"}))
    async with running(tmp_path, one, lambda _: answer(body)) as scene:
        assert len(await walk(scene)) == 1


async def test_an_answer_without_content_ends_the_list(tmp_path: Path) -> None:
    one = spec(listing("page", {"more": "body.more"}, output={"rows": "body.rows || `[]`"}))
    async with running(tmp_path, one, lambda _: Reply(204)) as scene:
        assert await walk(scene) == [[]]


async def test_where_the_limit_is_unknown_only_an_empty_page_ends_a_counted_list(tmp_path: Path) -> None:
    shelf = Shelf(rows(5))
    async with running(tmp_path, spec(listing("page", {"limit": None})), shelf) as scene:
        assert [len(page) for page in await walk(scene)] == [3, 2, 0]


async def test_pages_with_nothing_on_them_do_not_end_a_list_that_has_a_cursor(tmp_path: Path) -> None:
    """Some providers filter after they have cut the page."""
    pages: dict[str, Any] = {"": ([], "b"), "b": ([], "c"), "c": ([1], None)}

    def handler(seen: Seen) -> Reply:
        found, following = pages[seen.query.partition("at=")[2].partition("&")[0]]
        return answer({"rows": found, "next": following})

    async with running(tmp_path, spec(listing("cursor")), handler) as scene:
        assert await walk(scene) == [[], [], [1]]


# --- lists that would have no end ---


async def until_refused(scene: Scene, most: int) -> list[Any]:
    """The rows of all pages before the call that fails with INVALID_RESPONSE."""
    got: list[Any] = []
    asked: dict[str, Any] = {}
    for _ in range(most):
        done = await scene.call("list", asked)
        if done.error is not None:
            assert done.error.code == "INVALID_RESPONSE"
            assert not done.error.retryable
            assert "given before" in done.error.message
            return got
        got.append(done.data["rows"])
        asked = {"cursor": done.data["nextCursor"]}
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("kind", ["cursor", "url"])
@pytest.mark.parametrize(("lead", "round_"), [(0, 1), (0, 2), (1, 1), (2, 3), (5, 1), (3, 7), (0, 16)])
async def test_cursors_that_go_in_a_circle_are_found_after_each_page_was_given(
    kind: str, lead: int, round_: int, tmp_path: Path
) -> None:
    """A circle is found after less than its way in and three rounds; a cursor that leads to itself at once."""

    def handler(seen: Seen) -> Reply:
        here = int(seen.query.partition("at=")[2].partition("&")[0] or "-1")
        following = here + 1 if here + 1 < lead + round_ else lead
        return answer({"rows": [here], "next": str(following), "url": f"/list?at={following}"})

    async with running(tmp_path, spec(listing(kind)), handler) as scene:
        got = await until_refused(scene, 2 + 2 * lead + 3 * round_)
        assert [[here] for here in range(-1, lead + round_)] == got[: lead + round_ + 1]
        if round_ == 1:
            assert len(got) == lead + 2


@pytest.mark.parametrize("kind", ["page", "offset"])
async def test_a_counted_page_that_comes_again_is_not_given_as_a_new_one(kind: str, tmp_path: Path) -> None:
    """A provider may give its last page for every number beyond it."""

    def handler(seen: Seen) -> Reply:
        return Shelf(rows(6))(replace(seen, target=seen.target.replace("page=3", "page=2").replace("at=6", "at=3")))

    async with running(tmp_path, spec(listing(kind)), handler) as scene:
        assert await until_refused(scene, 5) == [rows(6)[:3], rows(6)[3:]]


async def test_a_last_cursor_that_is_repeated_over_an_empty_page_is_the_end(tmp_path: Path) -> None:
    def handler(seen: Seen) -> Reply:
        start = int(seen.query.partition("at=")[2].partition("&")[0] or "0")
        end = min(start + 3, 5)
        return answer({"rows": rows(5)[start:end], "next": end})

    async with running(tmp_path, spec(listing("cursor")), handler) as scene:
        assert [len(page) for page in await walk(scene)] == [3, 2, 0]


async def test_an_offset_that_does_not_move_is_the_end_whatever_more_says(tmp_path: Path) -> None:
    one = spec(listing("offset", {"more": "body.more"}))
    async with running(tmp_path, one, lambda _: answer({"rows": [], "more": True})) as scene:
        assert await walk(scene) == [[]]


async def test_a_list_of_too_many_pages_is_not_read_on(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("cursor")), Shelf(rows(9))) as scene:
        seal, now = seal_of(scene, "cursor"), scene.engine.clock.now()
        last = await scene.call("list", {"cursor": seal.close(Place("3", 3, MAX_PAGES - 1), now)})
        assert last.data["rows"] == rows(9)[3:6]
        refused(await scene.call("list", {"cursor": last.data["nextCursor"]}))
        assert scene.seen == 1


async def test_a_cursor_too_long_to_be_kept_is_not_handed_out(tmp_path: Path) -> None:
    lengths = iter((5000, 7000))
    async with running(
        tmp_path, spec(listing("cursor")), lambda _: answer({"rows": [1], "next": "c" * next(lengths)})
    ) as scene:
        first = await scene.call("list")
        assert len(first.data["nextCursor"]) <= LONGEST_CURSOR
        assert await scene.code("list", {"cursor": first.data["nextCursor"]}) == "INVALID_RESPONSE"


@pytest.mark.parametrize(
    "body",
    [
        {"rows": {"a": 1}, "next": None},
        {"rows": "abc", "next": "c"},
        {"rows": [1], "next": True},
        {"rows": [1], "next": {"after": "c"}},
        {"rows": [1], "next": ["c"]},
    ],
)
async def test_an_answer_that_does_not_say_where_the_list_goes_on_is_not_understood(body: Any, tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("cursor", output={"got": "body"})), lambda _: answer(body)) as scene:
        assert await scene.code("list") == "INVALID_RESPONSE"


async def test_a_number_stays_a_number_and_a_text_a_text(tmp_path: Path) -> None:
    following = iter((7, "7", 12345678901234567890123))
    one = listing("cursor", {"into": "json.at"}, request={"method": "POST", "path": "/list", "json": {}})
    async with running(tmp_path, spec(one), lambda _: answer({"rows": [1], "next": next(following)})) as scene:
        asked: dict[str, Any] = {}
        for _ in range(3):
            asked = {"cursor": (await scene.call("list", asked)).data["nextCursor"]}
        assert [seen.json().get("at") for seen in scene.upstream.seen] == [None, 7, "7"]


# --- a page is a call like any other ---


def failing_on_the_second_page(reply: Reply) -> Handler:
    shelf = Shelf(rows(9))
    return lambda seen: reply if "at=3" in seen.query else shelf(seen)


@pytest.mark.parametrize("kind", ["cursor", "url"])
async def test_each_page_is_classified_and_logged_and_its_cursor_is_good_for_another_try(
    kind: str, tmp_path: Path
) -> None:
    one = spec(listing(kind, errors=[{"when": "body.gone", "code": "NOT_FOUND"}]))
    async with running(tmp_path, one, failing_on_the_second_page(answer({"gone": True}, 400))) as scene:
        cursor = (await scene.call("list")).data["nextCursor"]
        assert await scene.code("list", {"cursor": cursor}) == "NOT_FOUND"
        scene.upstream.handler = Shelf(rows(9))
        assert (await scene.call("list", {"cursor": cursor})).data["rows"] == rows(9)[3:6]
        assert [row.error_code for row in await scene.log()] == [None, "NOT_FOUND", None]


@pytest.mark.parametrize("kind", ["cursor", "url"])
async def test_each_page_counts_against_the_limits(kind: str, tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing(kind, rateLimit=2)), Shelf(rows(99))) as scene:
        asked: dict[str, Any] = {}
        for _ in range(2):
            asked = {"cursor": (await scene.call("list", asked)).data["nextCursor"]}
        assert await scene.code("list", asked) == "RATE_LIMITED"
        assert scene.seen == 2


async def test_a_page_goes_through_output_schema_and_size_cap_with_its_cursor(tmp_path: Path) -> None:
    shut = fields(("rows",), rows={"type": "array", "description": "The rows.", "items": {}})
    async with running(tmp_path, spec(listing("cursor", outputSchema=shut)), Shelf(rows(9))) as scene:
        assert set((await scene.call("list")).data) == {"rows", "nextCursor"}


async def test_a_connection_is_tested_by_a_list(tmp_path: Path) -> None:
    one = spec(listing("url"), test={"action": "list", "input": {"limit": 1}})
    async with running(tmp_path, one, Shelf(rows(9))) as scene:
        assert (await scene.engine.test(scene.connection)).success
        assert scene.upstream.seen[0].query == "limit=1"


async def test_a_list_may_be_where_a_lost_write_is_looked_for(tmp_path: Path) -> None:
    confirm = {"action": "list", "input": {"word": {"$const": "x"}}, "found": "data.rows", "output": {"done": "data"}}
    book = action("book", "write", idempotency={"by": "natural", "confirm": confirm})
    shelf = Shelf(rows(9))
    lost = Reply(fault="drop")
    async with running(
        tmp_path, spec(book, listing("page")), lambda seen: lost if seen.path == "/book" else shelf(seen)
    ) as scene:
        done = await scene.call("book")
        assert done.data == {"done": {"rows": rows(3)}}
        assert scene.upstream.seen[-1].target == "/list?word=x&page=1&limit=3"


async def test_the_request_for_a_page_can_be_explained(tmp_path: Path) -> None:
    async with running(tmp_path, spec(listing("url")), Shelf(rows(9))) as scene:
        cursor = (await scene.call("list", {"limit": 4})).data["nextCursor"]
        for given_input, rest in (({"limit": 4}, "/list?limit=4"), ({"cursor": cursor}, "/list?at=4&limit=4")):
            command = Command(TENANT, "list", given_input, scene.connection.connection_id)
            found = await explain(scene.engine, command, scene.connection)
            assert found.request.url == f"https://{HOST}{rest}"
        assert scene.seen == 1


async def test_the_catalogue_shows_how_to_go_on(tmp_path: Path) -> None:
    own = fields(word=text())
    async with running(tmp_path, spec(listing("page", inputSchema=own), action()), Shelf()) as scene:
        integration = scene.engine.catalog.integrations["acme-shipping"]
        shown = {one["actionId"]: one for one in views.integration_detail(integration, "")["actions"]}
        assert set(shown["list"]["inputSchema"]["properties"]) == {"word", "limit", "cursor"}
        assert "nextCursor" in shown["list"]["outputSchema"]["properties"]
        assert shown["quote"]["inputSchema"] == action()["inputSchema"]
