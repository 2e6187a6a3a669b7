"""A call leaves nothing behind that only the collector could free."""

from __future__ import annotations

import gc
from pathlib import Path

from engine.compiled.scope import Scope
from engine.runtime.call import Call
from engine.runtime.request import Draft
from tests.support.scene import replies, running
from tests.support.specs import action, spec


async def test_no_part_of_a_call_waits_for_the_collector(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action()), replies()) as scene:
        assert (await scene.call("quote")).success
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(5):
                assert (await scene.call("quote")).success
            gc.collect()
            left = [one for one in gc.garbage if isinstance(one, (Scope, Call, Draft))]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert left == []
