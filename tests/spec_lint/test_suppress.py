"""Suppressions: which findings they silence, and what is said about the suppressions themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.diagnostics import Diagnostic, Position
from spec_lint.rule import Found
from spec_lint.suppress import suppress

FILE = "spec.yaml"
RAN = ("QRY001",)


def finding(line: int, code: str = "QRY001") -> Found:
    return Found(Diagnostic(code, "made up", Position(FILE, line, 1)))


def left(text: str, *found: Found, ran: tuple[str, ...] = RAN) -> list[tuple[str, int]]:
    """Codes and lines of what is reported."""
    return [(one.diagnostic.code, one.diagnostic.position.line) for one in suppress(FILE, text, found, ran)]


ALLOW = "# lint: allow QRY001 - the vendor says so"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"a: 1 {ALLOW}\n", 1),
        (f"{ALLOW}\na: 1\n", 2),
        (f"a:\n  {ALLOW}\n  b: 1\n", 3),
        (f"{ALLOW}\n\n# more about it\n  # and more\na: 1\n", 5),
        (f"a: 1 {ALLOW}\r\n", 1),
        (f"a: | {ALLOW}\n  one\n  two\n", 3),
        (f"{ALLOW}\na: >-\n  one\n  two\n", 4),
        (f"a: 'one\n  two' # no\nb: 1 {ALLOW}\n", 3),
        (f"{ALLOW}\na: 'one\n  two'\n", 3),
        (f"a: [1, 2,  {ALLOW}\n  3]\n", 1),
        ("a: 1 #lint:allow  QRY001  -  why\n", 1),
        ("a: 1 # lint: allow TPL999, QRY001 - why\n", 1),
        (f"a: 1 # said before {ALLOW}\n", 1),
    ],
)
def test_a_finding_is_suppressed_in_the_line_of_the_comment_or_below_it(text: str, line: int) -> None:
    assert ("QRY001", line) not in left(text, finding(line))
    assert ("LINT003", line) not in left(text, finding(line))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"a: 1 {ALLOW}\nb: 1\n", 2),
        (f"a: 1\n{ALLOW}\nb: 1\n", 1),
        (f"{ALLOW}\na: 1\nb: 1\n", 3),
        (f"{ALLOW}\na:\n  b: 1\n", 3),
    ],
)
def test_no_other_line_is_suppressed_and_the_suppression_is_reported(text: str, line: int) -> None:
    assert [code for code, _ in left(text, finding(line))] == ["QRY001", "LINT003"]


@pytest.mark.parametrize(
    "text",
    [
        f'a: "1 {ALLOW}"\n',
        f"a: '1 {ALLOW}'\n",
        f"a: |\n  1 {ALLOW}\n",
        f"a: >-\n  1\n  {ALLOW}\n",
        f"a: 1{ALLOW}\n",
        f'a: "one\n  {ALLOW}\n  two"\n',
    ],
)
def test_what_stands_in_a_text_is_no_comment(text: str) -> None:
    """So it suppresses nothing, and nothing is said about it."""
    assert left(text, finding(1), finding(2)) == [("QRY001", 1), ("QRY001", 2)]


def test_several_findings_of_one_line_are_suppressed_by_their_own_code_only() -> None:
    assert left(f"a: 1 {ALLOW}\n", finding(1), finding(1), finding(1, "NAME001")) == [("NAME001", 1)]


@pytest.mark.parametrize("code", ["NAME001", "YAML014", "SPEC001", "LINT001"])
def test_what_compiling_says_is_not_suppressed(code: str) -> None:
    text = f"a: 1 # lint: allow {code} - because\n"
    assert left(text, finding(1, code)) == [(code, 1), ("LINT004", 1)]


@pytest.mark.parametrize(
    ("comment", "code"),
    [
        ("# lint: allow QRY001", "LINT001"),
        ("# lint: allow QRY001 -", "LINT005"),
        ("# lint: allow QRY000 - because", "LINT002"),
        ("# lint: allow qry001 - because", "LINT002"),
        ("# lint: allow - because", "LINT005"),
        ("# lint: off", "LINT005"),
        ("# lint:", "LINT005"),
    ],
)
def test_a_comment_that_is_not_written_as_it_must_be_is_a_finding(comment: str, code: str) -> None:
    assert (code, 1) in left(f"a: 1 {comment}\n", finding(1))


def test_a_suppression_without_reason_suppresses_all_the_same_so_that_there_is_one_finding_about_it() -> None:
    assert left("a: 1 # lint: allow QRY001\n", finding(1)) == [("LINT001", 1)]


def test_nothing_is_said_about_a_rule_that_did_not_look() -> None:
    """As with --only, --no-cases or a spec that does not compile."""
    assert left(f"a: 1 {ALLOW}\n", ran=()) == []
    assert left(f"a: 1 {ALLOW}\n") == [("LINT003", 1)]


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        (f"a: 1   {ALLOW}\nb: 1\n", 5, len(f"   {ALLOW}")),
        (f"a: 1\n  {ALLOW}\nb: 1\n", 1, len(f"  {ALLOW}\n")),
        (f"{ALLOW}\nb: 1\n", 1, len(f"{ALLOW}\n")),
        (f"b: 1\n{ALLOW}", 1, len(ALLOW)),
    ],
)
def test_the_fix_of_a_useless_suppression_takes_the_comment_and_no_more(text: str, start: int, length: int) -> None:
    [one] = suppress(FILE, text, [], RAN)
    assert one.fix is not None
    assert (one.fix.position.column, one.fix.length, one.fix.text) == (start, length, "")


def test_text_that_is_not_yaml_can_hold_suppressions(tmp_path: Path) -> None:
    assert left(f"a: [1 {ALLOW}\n", finding(1)) == []
