"""kill -9 at any moment: an answer that somebody has is in the log."""

from __future__ import annotations

from pathlib import Path

from tests.support import children
from tests.support.scene import TENANT, replies, running
from tests.support.specs import action, spec


async def test_every_answer_that_was_given_is_in_the_log_after_a_kill(tmp_path: Path) -> None:
    operators = {"tenant_calls_per_minute": 1_000_000}
    async with running(tmp_path, spec(action()), replies(), settings=operators) as scene:
        words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "quote", "", 0)
        for _ in range(3):
            with children.child("forever", *words) as process:
                await children.ready(process)
                await children.go(process)
                await scene.upstream.arrived(scene.seen + 60)
                process.kill()
                said = await children.lines(process)
            assert len(said) > 20
            for execution_id in said:
                row = await scene.engine.store.executions.get(TENANT, execution_id)
                assert row is not None
                assert row.status == "success"


async def test_the_engine_works_on_after_another_process_was_killed(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action("book", "write")), replies()) as scene:
        words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "book", "key", 1)
        with children.child("once", *words) as process:
            await children.ready(process)
            process.kill()
        assert (await scene.call("book", idempotency_key="key")).success
