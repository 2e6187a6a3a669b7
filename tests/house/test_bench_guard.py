"""The regression guard counts, compares and speaks up as it says; no figure of the engine is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.counted import JOBS
from bench.instructions import ALARM, KEPT, Line, counted, kept_figures, machine, main, measured, meter, record, report

WRITTEN = """\
version: 1
creator: callgrind-3.19.0
events: Ir
fn=(1)
0 12

totals: 61461230
"""


def test_the_count_is_the_total_of_what_callgrind_wrote() -> None:
    assert counted(WRITTEN) == 61_461_230


@pytest.mark.parametrize("text", ["", "totals: 0\n", "summary: 5\n"])
def test_a_counter_that_was_never_switched_on_is_no_figure(text: str) -> None:
    with pytest.raises(RuntimeError, match="counted nothing"):
        counted(text)


@pytest.mark.parametrize(
    ("kept", "now", "verdict"),
    [
        (1000.0, 1000.0 * ALARM, "as before"),
        (1000.0, 1000.0 * ALARM + 1, "ALARM"),
        (1000.0, 1000.0 / ALARM, "as before"),
        (1000.0, 1000.0 / ALARM - 1, "faster: record it"),
        (None, 1000.0, "not compared"),
    ],
)
def test_a_job_is_judged_by_how_much_it_changed(kept: float | None, now: float, verdict: str) -> None:
    assert Line("a job", kept, now).verdict == verdict


def test_what_became_slower_is_told_loudly_and_alone() -> None:
    told = list(report([Line("one job", 1000.0, 1400.0), Line("another", 2000.0, 2010.0)], "callgrind"))
    assert [line for line in told if line.startswith("!! ")][:-1] == ["!! one job: +40% instructions"]
    assert "one job           1,000         1,400   +40.0%  ALARM" in told[1]
    assert "another           2,000         2,010    +0.5%  as before" in told[2]


def test_without_a_change_nothing_is_loud() -> None:
    assert not [line for line in report([Line("one job", 3.0, 3.1)], "loop") if "!" in line]


def test_figures_of_another_python_or_machine_are_not_compared() -> None:
    figures = {"callgrind": {"a job": 1.0}}
    assert kept_figures({"machine": machine(), **figures}, "callgrind") == {"a job": 1.0}
    assert kept_figures({"machine": machine(), **figures}, "loop") == {}
    assert kept_figures({"machine": "Python 2.7 on vax", **figures}, "callgrind") == {}
    assert kept_figures({}, "callgrind") == {}


def test_what_was_recorded_is_what_is_compared_with(tmp_path: Path) -> None:
    file = tmp_path / "results" / "kept.json"
    record(file, {"callgrind": {"a job": 643_991.4}, "loop": {"a job": 0.35812}})
    kept = json.loads(file.read_text("utf-8"))
    assert kept_figures(kept, "callgrind") == {"a job": 643_991}
    assert kept_figures(kept, "loop") == {"a job": 0.358}


def test_the_figures_that_are_kept_are_of_todays_jobs() -> None:
    kept = json.loads(KEPT.read_text("utf-8"))
    assert [set(kept[how]) for how in ("callgrind", "loop")] == [set(JOBS)] * 2


@pytest.mark.parametrize("job", JOBS)
def test_a_job_can_be_done_and_is_some_work(job: str) -> None:
    assert measured(job, "loop") > 0


def test_a_slower_job_ends_with_0_and_one_that_fails_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, file = "first page of the log", tmp_path / "kept.json"
    file.write_text(json.dumps({"machine": machine(), "loop": {page: 0.000_001}}), "utf-8")
    asked = ["--kept", str(file), "--meter", "loop", "--job", page]
    assert main(asked) == 0
    assert f"!! {page}: " in capsys.readouterr().out
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no Python starts
    assert main(asked) == 1
    assert f"no figure: {page}: " in capsys.readouterr().err


def test_without_valgrind_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert meter() == "loop"
    assert main(["--meter", "callgrind", "--job", "compile one spec"]) == 1
    assert "valgrind is not installed" in capsys.readouterr().err
