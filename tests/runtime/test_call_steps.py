"""Actions of several requests: what each sees of those before, and what is told when one fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.runtime import breaker
from tests.support.scene import running
from tests.support.specs import ID, action, fields, spec, text
from tests.support.upstream import Handler, Reply, Seen, answer


def step(name: str, effect: str = "write", **parts: Any) -> dict[str, Any]:
    return {"stepId": name, "effect": effect, "request": {"method": "POST", "path": f"/{name}"}, **parts}


def by_path(table: Mapping[str, Reply]) -> Handler:
    def handler(seen: Seen) -> Reply:
        return table.get(seen.path.split("/")[1], answer({}))

    return handler


PAIR = action(
    "book",
    "write",
    inputSchema=fields(note=text()),
    steps=[
        step("create", outputs={"id": "body.id"}),
        step(
            "confirm",
            request={"method": "PUT", "path": "/confirm/{{ steps.create.outputs.id }}", "json": {"a": 1}},
            outputs={"code": "body.code"},
        ),
    ],
    output={"id": "steps.create.outputs.id", "code": "steps.confirm.outputs.code"},
)


async def test_a_step_sees_the_outputs_of_those_before_and_the_output_sees_all(tmp_path: Path) -> None:
    replies = by_path({"create": answer({"id": "o/1"}), "confirm": answer({"code": "c1"})})
    async with running(tmp_path, spec(PAIR), replies) as scene:
        done = await scene.call("book")
        assert done.data == {"id": "o/1", "code": "c1"}
        assert [seen.target for seen in scene.upstream.seen] == ["/create", "/confirm/o%2F1"]


async def test_an_output_that_is_absent_in_a_path_sends_nothing_more(tmp_path: Path) -> None:
    async with running(tmp_path, spec(PAIR), by_path({})) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert done.error.code == "INVALID_RESPONSE"
        assert done.error.details["completed"] == ["create"]
        assert [seen.path for seen in scene.upstream.seen] == ["/create"]


async def test_a_write_that_fails_after_another_names_what_is_done(tmp_path: Path) -> None:
    replies = by_path({"create": answer({"id": "1"}), "confirm": answer({}, 404)})
    async with running(tmp_path, spec(PAIR), replies) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert (done.error.code, done.error.details["completed"]) == ("NOT_FOUND", ["create"])


async def test_outputs_that_can_not_be_read_after_a_write_name_what_is_done(tmp_path: Path) -> None:
    one = action(
        "book",
        "write",
        steps=[step("create", outputs={"n": "length(body.rows)"})],
        output={"n": "steps.create.outputs.n"},
    )
    async with running(tmp_path, spec(one), by_path({"create": answer({"rows": None})})) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert (done.error.code, done.error.details["completed"]) == ("INVALID_RESPONSE", ["create"])


MAYBE = action(
    "book",
    "write",
    inputSchema=fields(note=text()),
    steps=[
        step("find", "read", when="input.note", outputs={"id": "body.id"}),
        step(
            "create",
            request={"method": "POST", "path": "/create", "json": {"of": "{{ steps.find.outputs.id }}", "b": 1}},
            outputs={"id": "body.id"},
        ),
        step("tell", onError="continue", outputs={"ok": "body.ok"}),
    ],
    output={"found": "steps.find.outputs.id", "id": "steps.create.outputs.id", "told": "steps.tell.outputs.ok"},
)
GOOD = {"find": answer({"id": "f1"}), "create": answer({"id": "c1"}), "tell": answer({"ok": True})}


async def test_a_step_runs_only_when_its_condition_holds(tmp_path: Path) -> None:
    async with running(tmp_path, spec(MAYBE), by_path(GOOD)) as scene:
        assert (await scene.call("book", {"note": "x"})).data == {"found": "f1", "id": "c1", "told": True}
        assert (await scene.call("book")).data == {"id": "c1", "told": True}
        bodies = [seen.json() for seen in scene.upstream.seen if seen.path == "/create"]
        assert bodies == [{"of": "f1", "b": 1}, {"b": 1}]


async def test_a_step_that_may_fail_leaves_its_outputs_absent(tmp_path: Path) -> None:
    async with running(tmp_path, spec(MAYBE), by_path({**GOOD, "tell": answer({}, 404)})) as scene:
        assert (await scene.call("book")).data == {"id": "c1"}


async def test_a_read_step_of_a_write_is_tried_again_and_a_write_step_is_not(tmp_path: Path) -> None:
    async with running(tmp_path, spec(MAYBE), by_path({**GOOD, "find": answer({}, 503)})) as scene:
        assert await scene.code("book", {"note": "x"}) == "PROVIDER_UNAVAILABLE"
        assert [seen.path for seen in scene.upstream.seen] == ["/find"] * 3
    async with running(tmp_path, spec(MAYBE), by_path({**GOOD, "create": answer({}, 503)})) as scene:
        assert await scene.code("book") == "OUTCOME_UNKNOWN"
        assert [seen.path for seen in scene.upstream.seen] == ["/create"]


async def test_a_rule_of_a_step_comes_before_the_actions(tmp_path: Path) -> None:
    one = {**PAIR, "errors": [{"status": 404, "code": "REJECTED"}]}
    one["steps"] = [PAIR["steps"][0], {**PAIR["steps"][1], "errors": [{"status": 404, "code": "CONFLICT"}]}]
    replies = by_path({"create": answer({"id": "1"}), "confirm": answer({}, 404)})
    async with running(tmp_path, spec(one), replies) as scene:
        assert await scene.code("book") == "CONFLICT"
    async with running(tmp_path, spec(one), by_path({"create": answer({}, 404)})) as scene:
        assert await scene.code("book") == "REJECTED"


async def test_an_action_of_several_steps_counts_as_one_call(tmp_path: Path) -> None:
    """A limit never stops an action between two of its writes."""
    replies = by_path({"create": answer({"id": "1"}), "confirm": answer({"code": "c"})})
    async with running(tmp_path, spec({**PAIR, "rateLimit": 2}), replies) as scene:
        assert [(await scene.call("book")).success for _ in range(3)] == [True, True, False]
        assert [seen.path for seen in scene.upstream.seen] == ["/create", "/confirm/1"] * 2


async def test_a_limit_between_two_steps_is_waited_for(tmp_path: Path) -> None:
    replies = by_path({"create": answer({"id": "1"}), "confirm": answer({"code": "c"})})
    limits = [{"scope": "connection", "calls": 1, "per": 2}]
    async with running(tmp_path, spec(PAIR, limits=limits), replies) as scene:
        assert (await scene.call("book")).success


async def test_a_step_that_is_not_sent_leaves_the_counting_to_the_next(tmp_path: Path) -> None:
    """The circuit of its host is open, and it may fail: the call is counted with the step that is sent."""
    steps = [
        step("tell", onError="continue", request={"server": "labels", "method": "POST", "path": "/tell"}),
        step("create", outputs={"id": "body.id"}),
    ]
    made = spec(action("book", "write", steps=steps, output={"id": "steps.create.outputs.id"}, rateLimit=2))
    made["servers"]["labels"] = "https://labels.acme.example"
    made["hosts"].append("labels.acme.example")
    async with running(tmp_path, made, by_path(GOOD)) as scene:
        state, now = scene.engine.store.state, scene.engine.clock.now()
        for _ in range(breaker.FAILURES):
            await breaker.note(state, breaker.key_of(ID, "labels.acme.example"), now, "TIMEOUT")
        assert [(await scene.call("book")).success for _ in range(3)] == [True, True, False]
        assert [seen.path for seen in scene.upstream.seen] == ["/create"] * 2
