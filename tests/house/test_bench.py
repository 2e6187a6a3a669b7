"""The benchmark harness measures what it says; no figure is judged here."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from bench import candidate, kinds, picture, quick, stages, table
from bench.baselines import aiohttp_call, sequential
from bench.candidate import INTEGRATION, copy_spec
from bench.contestants.job import at_once
from bench.jobs import FEE, FEE_BYTES
from bench.measure import Figure, compare, cpu
from bench.rows import Row, Target
from bench.sampled import OUTSIDE, sampling
from bench.upstream import upstream
from engine.cli import serve
from engine.settings import Settings


def test_the_upstream_answers_each_request_of_a_kept_connection() -> None:
    with upstream() as origin, httpx.Client() as client:
        answers = [client.post(f"{origin}/anything", json={"n": n}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {len(answer.content) for answer in answers} == {FEE_BYTES}
    assert answers[0].json()["data"]["total"] == 36300


def test_each_candidate_chunk_stands_between_two_baseline_chunks() -> None:
    order: list[tuple[str, int]] = []
    compare(lambda calls: order.append(("b", calls)), lambda calls: order.append(("c", calls)), calls=8, rounds=3)
    assert order[:2] == [("b", 2), ("c", 2)]  # these only warm up
    assert order[2:] == [(letter, 8) for letter in "b" + "cbbb" * 3]


def test_twice_the_work_is_about_twice_the_cpu() -> None:
    def work(calls: int) -> None:
        for _ in range(calls):
            sum(range(2000))

    ratio = compare(work, lambda calls: work(2 * calls), calls=200).ratio.median
    assert 1.5 < ratio < 2.6


def test_waiting_costs_no_cpu() -> None:
    async def wait() -> None:
        await asyncio.sleep(0.05)

    with asyncio.Runner() as runner:
        assert cpu(sequential(runner, wait), 2) < 40_000


def test_in_flight_makes_exactly_the_calls_asked_for_and_no_more_than_the_width_at_once() -> None:
    under_way, most, done = 0, 0, 0

    async def call() -> None:
        nonlocal under_way, most, done
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done += 1

    with asyncio.Runner() as runner:
        at_once(runner, call, 4)(10)
    assert (done, most) == (10, 4)


async def test_the_hand_written_client_reads_fee_and_currency() -> None:
    with upstream() as origin:
        async with aiohttp_call(origin) as call:
            assert await call() == {"fee": 36300, "currency": "VND"}


def test_a_figure_is_the_median_with_its_quartiles() -> None:
    assert Figure.of([4.0, 1.0, 3.0, 2.0, 5.0]) == Figure(3.0, 2.0, 4.0)


def test_a_run_writes_the_figures_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "quick.json"
    assert quick.main(["--baselines-only", "--rounds", "2", "--scale", "0.02", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    rows = [Row.from_json(row) for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]
    assert len(rows) == 3
    assert all(row.name in printed and f"{row.ratio:.2f} (" in printed for row in rows)


def test_a_quick_run_holds_the_engine_against_each_of_its_targets() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, upstream() as origin:
        rows = list(quick.engine_rows(runner, origin, 2, 0.02))
    assert [(row.must, row.goal) for row in rows] == [(1.0, 0.5), (2.0, 1.2), (0.5, 0.25)]
    assert all(row.reached for row in rows)


def test_the_copied_spec_differs_in_its_id_and_its_limit_only(tmp_path: Path) -> None:
    spec = tmp_path / "specs" / "shipping-ghn" / "spec.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("integrationId: shipping-ghn\nactions:\n  - {rateLimit: 100, path: /fee}\n", encoding="utf-8")
    copy = copy_spec(tmp_path / "specs", tmp_path / "copy") / INTEGRATION / "spec.yaml"
    changed = copy.read_text(encoding="utf-8").replace("60000000", "100").replace(INTEGRATION, "shipping-ghn")
    assert changed == spec.read_text(encoding="utf-8")
    assert copy.read_text(encoding="utf-8").count(INTEGRATION) == 1


class Opened(Exception):
    """What an engine was to be opened with."""


async def given_to_open_engine(
    monkeypatch: pytest.MonkeyPatch, module: Any, run: Any
) -> tuple[Settings, dict[str, Any]]:
    async def open_engine(settings: Settings, **given: Any) -> Any:
        raise Opened(settings, given)

    monkeypatch.setattr(module, "open_engine", open_engine)
    with pytest.raises(Opened) as told:
        await run
    settings, given = told.value.args
    return settings, given


async def test_what_is_measured_is_wired_as_serve_wires_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def enter() -> None:
        async with candidate.opened("http://127.0.0.1:1", candidate.KINDS[FEE.name]):
            pass

    serving, served = await given_to_open_engine(monkeypatch, serve, serve._serve(Settings(data_dir=tmp_path)))
    measured, given = await given_to_open_engine(monkeypatch, candidate, enter())
    differ = {field.name for field in fields(Settings) if getattr(serving, field.name) != getattr(measured, field.name)}
    # Its own folder and spec, the provider's stand-in, and a figure that no run reaches: the limit itself counts.
    assert differ == {"data_dir", "specs_dirs", "upstreams", "tenant_calls_per_minute"}
    assert given["transport"] is None
    assert [type(one) for one in given["observer"].observers] == [type(one) for one in served["observer"].observers]
    assert not served.keys() - given.keys() - {"catalog", "upstreams", "apps"}


def test_calls_of_every_kind_are_measured_to_the_end() -> None:
    rows = list(kinds.rows(rounds=2, scale=0.02))
    assert len(rows) == 3 + 2 * 5 + 1
    assert all(row.ratio is not None and row.ratio > 0 for row in rows)
    assert all(Row.from_json(row.as_json()) == row for row in rows)


def test_a_ratio_reaches_the_nearest_target_that_it_stays_below() -> None:
    target = Target(must=1.0, goal=0.5, moonshot=0.25)
    assert [target.reached(ratio) for ratio in (1.1, 1.0, 0.4, 0.25)] == ["missed", "must", "goal", "moonshot"]
    assert (target.reached(None), Target().reached(0.1)) == ("", "")


def test_the_stages_of_a_call_make_up_the_whole() -> None:
    found = stages.profile(samples=60, rounds=2, calls=20)
    own = [one for one in found["stages"] if one["kind"] == "own"]
    assert [one["stage"] for one in own[:-1]] == list(stages.STAGES)
    assert {one["kind"] for one in found["stages"]} == picture.KINDS.keys()
    assert sum(one["us"] > 0 for one in own) > 5
    assert found["samples"] >= 60
    assert found["calls"] % 20 == 0


async def test_each_name_of_a_stage_is_part_of_a_call() -> None:
    """A function that has another name by now would leave its time to others."""
    seen: set[str | None] = set()
    async with candidate.engine_call(None) as call:
        await call()
        sys.setprofile(lambda frame, *_: seen.add(stages.name_of(frame.f_code)))
        try:
            await call()
        finally:
            sys.setprofile(None)
    assert {name for names in stages.STAGES.values() for name in names} <= seen


def test_time_is_told_of_the_function_that_takes_it_and_not_of_the_next_one() -> None:
    def work() -> None:
        math.factorial(2000)

    def nothing() -> None:
        """Called right after the work, as Python looks for signals."""

    def busy() -> None:
        work()
        nothing()

    names = {work.__code__: "work", nothing.__code__: "nothing"}
    with sampling(names.get) as found:
        while found.total() < 50:
            busy()
    assert found["work"] > 40
    assert found["nothing"] <= 2
    assert found.keys() <= {"work", "nothing", OUTSIDE}
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_the_tables_are_those_of_the_results() -> None:
    found = json.loads(table.LATEST.read_text("utf-8"))
    for file, made in ((table.README, table.readme(found)), (table.PAGE, table.page(found))):
        text = file.read_text("utf-8")
        assert table.written(text, made) == text, f"{file.name} is stale: run `python -m bench.table`"
    assert picture.PICTURE.read_text("utf-8") == picture.drawn(found["profile"]["stages"])
