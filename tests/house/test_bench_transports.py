"""What lies under the transport interface is measured as it says; no figure is judged here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench import transports
from bench.certificate import certified
from bench.contestants import wire
from bench.contestants.wire import aiohttp_session, own, urllib3_pool
from bench.contestants.wire.prepared import whole
from bench.jobs import FEE, LONG, SHORT, Job
from bench.rows import Row
from bench.transports import CLIENTS, ITSELF, beside, matrix, measured
from bench.upstream import upstream
from bench.worker import Took, working


class Steady:
    """Takes the same for each call, and notes its turns in a list that others share."""

    def __init__(self, name: str, cpu: float, turns: list[tuple[str, int]]) -> None:
        self._name, self._cpu, self._turns = name, cpu, turns

    def run(self, calls: int) -> Took:
        self._turns.append((self._name, calls))
        return Took(cpu=self._cpu, wall=self._cpu)


def test_each_turn_of_theirs_stands_between_two_of_ours_and_the_ratio_is_ours_by_theirs() -> None:
    turns: list[tuple[str, int]] = []
    others = {"a": Steady("a", 20.0, turns), "b": Steady("b", 100.0, turns)}
    rows = list(beside(Steady("own", 10.0, turns), others, "a job", rounds=2, seconds=0.001, least=8))
    assert [name for name, _ in turns[6:]] == ["own", "a", "own", "b", "own", "a", "own", "b", "own"]
    assert dict(turns[6:]) == {"own": 100, "a": 50, "b": 10}  # each as many as take a millisecond
    assert [(row.against, row.ratio, row.ours, row.baseline) for row in rows] == [
        ("a", 0.5, 10.0, 20.0),
        ("b", 0.1, 10.0, 100.0),
    ]


def test_a_turn_of_a_slow_client_has_as_many_calls_as_there_are_under_way() -> None:
    turns: list[tuple[str, int]] = []
    list(beside(Steady("own", 1e6, turns), {}, "a job", rounds=2, seconds=0.001, least=64))
    assert turns[-1] == ("own", 64)


@pytest.mark.parametrize("client", [own, aiohttp_session, urllib3_pool])
@pytest.mark.parametrize("job", [FEE, LONG])
def test_a_client_brings_the_whole_answer_at_any_width(client, job: Job) -> None:
    with upstream(job) as origin:
        for width in (1, 3):
            with client.opened(origin, width) as chunk:
                chunk(6)


@pytest.mark.parametrize("client", [own, aiohttp_session, urllib3_pool])
def test_an_answer_of_another_size_is_no_figure(client) -> None:
    with (
        upstream(SHORT) as origin,
        client.opened(origin, 1) as chunk,
        pytest.raises(RuntimeError, match=f"a wrong answer: 200, application/json, {len(SHORT.answer)} bytes"),
    ):
        chunk(1)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(500, "application/json", FEE.answer), (200, None, FEE.answer), (200, "application/json", FEE.answer[:-1])],
)
def test_an_answer_is_whole_by_status_type_and_size(status: int, kind: str | None, body: bytes) -> None:
    assert whole(200, "application/json", FEE.answer) == len(FEE.answer)
    with pytest.raises(RuntimeError):
        whole(status, kind, body)


@pytest.mark.parametrize("client", [own, aiohttp_session, urllib3_pool])
def test_over_tls_a_client_trusts_the_authority_only_while_it_is_meant_to(client, monkeypatch) -> None:
    before = os.environ.get("SSL_CERT_FILE")
    with certified() as files, upstream(FEE, files) as origin:
        with client.opened(origin, 1) as chunk:
            chunk(2)
        with monkeypatch.context() as changed:
            changed.setenv("SSL_CERT_FILE", os.devnull)
            with client.opened(origin, 1) as chunk, pytest.raises(Exception, match=r"(?i)tls failed|certificate"):
                chunk(1)
    assert os.environ.get("SSL_CERT_FILE") == before
    assert not files[0].exists()


def test_ours_is_measured_beside_itself_in_processes_of_their_own() -> None:
    with upstream(FEE) as origin:
        (row,) = measured(origin, "a job", 2, {}, rounds=2, seconds=0.005)
    assert row.against == ITSELF
    assert row.ratio is not None
    assert row.ratio > 0
    assert Row.from_json(row.as_json()) == row


def test_every_client_has_a_module_and_every_module_is_measured() -> None:
    modules = {file.stem for file in Path(wire.__path__[0]).glob("*.py")} - {"__init__", "prepared"}
    assert modules == {"own", *CLIENTS}


def test_a_client_that_can_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"), working(Path(sys.executable), "wire.none", "", 1):
        pass


def test_the_table_has_a_line_for_each_client_and_a_column_for_each_job() -> None:
    rows = [
        Row(transports.AREA, job, against, ours=10.0, baseline=theirs, ratio=10 / theirs)
        for job, factor in (("one", 1.0), ("many", 2.0))
        for against, theirs in ((ITSELF, 10.0), ("a", 40.0 * factor))
    ]
    assert matrix(rows) == [
        "| against | one | many |",
        "| --- | ---: | ---: |",
        "| itself | 1.00 | 1.00 |",
        "| a | 0.25 | 0.12 |",
        "| **ours**, µs | 10 | 10 |",
    ]
