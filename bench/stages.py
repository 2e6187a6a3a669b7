"""Where the time of one call goes, by stage: `python -m bench.stages`.

Taken with Python's profiler around the engine's own functions, answers from memory. It makes all of it slower, small
functions most, so only the shares are told.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
from collections.abc import Mapping
from typing import Final

import uvloop

from bench.candidate import engine_call
from bench.quick import opened

_CALLS: Final = 3000
STAGES: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "connection and account": frozenset({("account.py", "connection_of"), ("account.py", "open")}),
    "input: defaults, schema, checks, vars": frozenset(
        {("inputs.py", "find_action"), ("inputs.py", "check_input"), ("inputs.py", "compute_vars")}
    ),
    "the call and its scope": frozenset({("call.py", "call_root"), ("call.py", "call_scope"), ("clock.py", "ulid")}),
    "credentials and token": frozenset({("execute.py", "signing")}),
    "request from its templates": frozenset({("request.py", "build")}),
    "signed in, as bytes": frozenset({("send.py", "signed"), ("request.py", "finish")}),
    "host, breaker and limits": frozenset(
        {("egress.py", "check"), ("breaker.py", "look"), ("breaker.py", "note"), ("limits.py", "blocked"),
         ("limits.py", "take_all"), ("send.py", "_buckets")}
    ),
    "answer parsed": frozenset({("response.py", "answer_scope")}),
    "answer classified": frozenset({("response.py", "classify")}),
    "output mapped, checked and written": frozenset({("output.py", "mapped")}),
    "observers: metrics and lines": frozenset({("tally.py", "attempt_ended"), ("tally.py", "call_ended")}),
    "log row: masked, committed": frozenset({("execute.py", "_log")}),
}  # fmt: skip
"""Functions whose whole time, with all that they call, is the stage's. None of them calls another."""


def shares() -> list[dict[str, float | str]]:
    """Each stage with its share of a call; the last is the rest."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, opened(runner, engine_call(None)) as call:

        async def many() -> None:
            for _ in range(_CALLS):
                await call()

        runner.run(many())
        profile = cProfile.Profile()
        profile.enable()
        runner.run(many())
        profile.disable()
    return _by_stage(pstats.Stats(profile))


def _by_stage(found: pstats.Stats) -> list[dict[str, float | str]]:
    spent: dict[tuple[str, str], float] = {}
    for (file, _, name), (_, _, _, whole, _) in found.stats.items():  # type: ignore[attr-defined]
        spent[file.rpartition("/")[2], name] = spent.get((file.rpartition("/")[2], name), 0.0) + whole
    total = spent["execute.py", "execute"]
    rows: list[dict[str, float | str]] = []
    for stage, functions in STAGES.items():
        missing = functions - spent.keys()
        if missing:
            raise RuntimeError(f"no call of {sorted(missing)} was seen: the stages are not those of the engine")
        rows.append(_row(stage, sum(spent[one] for one in functions), total))
    rest = total - sum(spent[one] for functions in STAGES.values() for one in functions)
    return [*rows, _row("the steps between them", rest, total)]


def _row(stage: str, seconds: float, total: float) -> dict[str, float | str]:
    return {"stage": stage, "share": round(seconds / total, 4)}


def main() -> int:
    for row in shares():
        print(f"{row['share']:6.1%}  {row['stage']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
