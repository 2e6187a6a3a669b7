"""The benches of serving and of scale run for real and measure what they say; no figure is judged here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bench.callers import TOKEN
from bench.filled import QUERIES, Filled
from bench.measure import compare
from bench.scale import copies, many_specs
from bench.serving import Service, started_alone
from engine.storage.ports import ExecutionQuery

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "fixtures" / "specs"


@pytest.fixture(scope="module")
def filled():
    with Filled.opened(1_000) as store:
        yield store


def test_a_filled_log_holds_as_many_executions_as_asked_for_with_ids_of_their_own(filled):
    seen: set[str] = set()
    after = None
    for _ in range(6):
        page = filled.run(filled.store.executions.find(ExecutionQuery(tenant_id="bench", limit=200, after=after)))
        seen |= {row.execution_id for row in page}
        after = (page[-1].created_at, page[-1].execution_id) if page else after
    assert len(seen) == 1_000


@pytest.mark.parametrize("name", [name for name in QUERIES if name != "one execution"])
def test_even_the_small_log_fills_every_page(filled, name):
    """Otherwise more rows would be read from the large one, and the two could not be held against each other."""
    assert filled.run(QUERIES[name](filled)) == 51


def test_the_execution_in_the_middle_is_there(filled):
    assert filled.run(QUERIES["one execution"](filled)) == 1


def test_what_is_logged_is_in_the_log_afterwards(tmp_path):
    with Filled.opened(2) as store:
        store.logging()(3)
        assert len(store.run(store.store.executions.find(ExecutionQuery(tenant_id="bench")))) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERIES)
def test_a_list_costs_as_much_over_a_hundred_times_as_many_executions(logs, name):
    """Three times is far above what is measured, and far below what a scan would cost."""
    small, large = logs
    assert compare(small.asking(QUERIES[name]), large.asking(QUERIES[name]), calls=20, rounds=5).ratio.median < 3


@pytest.fixture(scope="module")
def logs():
    with Filled.opened(1_000) as small, Filled.opened(100_000) as large:
        yield small, large


def test_copies_differ_from_their_models_in_their_id_only(tmp_path):
    copied = copies(MODELS, tmp_path, 11)
    names = sorted(path.name for path in MODELS.iterdir())
    made = sorted(copied.iterdir())
    assert len(made) == 11
    for folder in made:
        name, _, _ = folder.name.rpartition("-n")
        assert name in names
        text = (folder / "spec.yaml").read_text("utf-8")
        assert text.replace(folder.name, name) == (MODELS / name / "spec.yaml").read_text("utf-8")


@pytest.mark.slow
def test_specs_are_read_cold_and_warm_in_processes_of_their_own():
    cold, warm = many_specs(2, 2)
    assert cold.unit == warm.unit == "ms"
    assert cold.ours > 0
    assert warm.ours > 0


def test_the_service_that_is_measured_alone_answers_as_callers_expect_and_only_to_who_is_known():
    with started_alone() as service:
        assert service.cost(8) > 0
        stranger = Service(service.process, service.port, service.sent.replace(TOKEN.encode(), b"x" * len(TOKEN)))
        with pytest.raises(RuntimeError, match="401"):
            stranger.work(1)
        assert service.memory > 1


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the clock of another process is Linux's")
def test_waiting_for_calls_costs_a_service_nothing():
    with started_alone() as service:
        service.work(4)
        before = service.cpu
        time.sleep(0.3)
        assert service.cpu - before < 0.15
