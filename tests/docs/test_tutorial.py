"""Everything that docs/writing-a-spec.md tells an author to do is done, and what it shows is what comes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.diagnostics import CODES
from tests.docs.tutorial import TUTORIAL, Printed, blocks, run, steady

MARKDOWN = TUTORIAL.read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def printed(folder: Path) -> list[Printed]:
    return run(MARKDOWN, folder)


def test_every_command_prints_what_the_tutorial_shows(printed: list[Printed]):
    """Where it does not any more, and the new output is right: `python -m tests.docs.tutorial`."""
    for one in printed:
        assert one.shown is not None, f"nothing is shown for {one.command}"
        assert steady(one.came) == one.shown.text, one.command


def test_every_mistake_is_found_and_every_other_command_succeeds(printed: list[Printed]):
    assert [one.command for one in printed if one.code != (1 if one.is_mistaken else 0)] == []
    mistakes = [one for one in printed if one.is_mistaken]
    assert len(mistakes) >= 6
    for one in mistakes:
        assert len(re.findall(r": (?:error|warning) [A-Z]+[0-9]{3}: ", one.came)) == 1, one.came
        assert "= hint: " in one.came


def test_every_step_shows_one_mistake():
    steps = re.split(r"(?m)^## ", MARKDOWN)[1:]
    without = [step.splitlines()[0] for step in steps if step.count("**Mistake:**") != 1]
    assert without == ["8. Look at it from all sides"]
    assert MARKDOWN.count("**Mistake:**") == sum(block.info[1:] == ["mistake"] for block in blocks(MARKDOWN))


def test_the_result_is_an_integration_with_a_page_of_its_own(folder: Path, printed: list[Printed]):
    page = (folder / "my-docs" / "shipping-heron.md").read_text("utf-8")
    assert "### list_lockers" in page
    assert "### book_parcel" in page
    assert (folder / "my-specs" / "shipping-heron" / "logo.svg").is_file()


def test_what_the_tutorial_names_is_there():
    named = re.findall(r"\]\(([\w./-]+\.md)\)", MARKDOWN)
    assert named
    assert [name for name in named if not (TUTORIAL.parent / name).is_file()] == []
    assert set(re.findall(r"explain ([A-Z]+[0-9]{3})", MARKDOWN)) <= set(CODES)


def test_it_is_no_longer_than_somebody_reads_in_half_an_hour():
    assert len(MARKDOWN.splitlines()) < 450
