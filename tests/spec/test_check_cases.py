"""Mistakes in a file of cases."""

from __future__ import annotations

import pytest

from engine.diagnostics import Diagnostic
from engine.spec.check import check_cases
from engine.spec.source import read

CASES = """\
- case: the order is there
  source: dossier section 4
  action: get_order
  given: {now: '2026-05-01T03:04:05Z', input: {orderCode: A1}}
  exchanges:
    - expect: {method: GET, url: 'https://api.acme.test/orders/A1', query: {limit: '10'}}
      answer: {status: 200, json: {status: shipped}}
  result: {status: shipped}
- webhook: shipped
  source: dossier section 6
  receive: {method: POST, headers: {x-signature: 5f2c}, raw: '{}'}
  answer: {status: 200}
  events: [{type: parcel.updated, data: {orderCode: A1}}]
  again: duplicate
  tamper: [{now: +301s}, {dropHeader: x-signature}]
"""


def findings(text: str) -> list[Diagnostic]:
    source, read_findings = read("cases.yaml", text)
    assert not read_findings
    assert source is not None
    return check_cases(source)


def test_good_cases_have_no_finding() -> None:
    assert findings(CASES) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "at", "hint"),
    [
        ("  source: dossier section 4\n", "", "SPEC002", "case: the order", "dossier"),
        ("  result: {status: shipped}\n", "", "SPEC002", "case: the order", "`error` instead"),
        ("  action: get_order\n", "", "SPEC002", "case: the order", "`calls`"),
        ("exchanges:", "exchange:", "SPEC001", "exchange:", 'did you mean "exchanges"?'),
        ("'2026-05-01T03:04:05Z'", "tomorrow", "SPEC005", "tomorrow", "quoted time"),
        ("limit: '10'", "limit: 10", "SPEC003", "10}", "quote numbers"),
        ("answer: {status: 200, json", "answer: {json", "SPEC002", "answer: {json", "`drop`"),
        ("raw: '{}'}", "raw: '{}', json: {}}", "SPEC006", "json: {}}", "one body only"),
        ("  result: {status: shipped}\n", "  result: {}\n  error: {code: REJECTED}\n", "SPEC006", "error:", "either"),
        ("webhook: shipped", "webhok: shipped", "SPEC001", "webhok", 'did you mean "webhook"?'),
        ("now: +301s", "now: later", "SPEC005", "later", "+301s"),
        ("again: duplicate", "again: refused", "SPEC004", "refused", "allowed: duplicate"),
        ("type: parcel.updated, ", "", "SPEC002", "{data", "type"),
    ],
)
def test_a_planted_mistake_is_found_once_at_its_place_with_a_hint(
    old: str, new: str, code: str, at: str, hint: str
) -> None:
    assert CASES.count(old) >= 1
    text = CASES.replace(old, new, 1)
    [found] = findings(text)
    before = text[: text.index(at)]
    assert (found.position.line, found.position.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert (found.code, hint in found.hint) == (code, True), found


def test_a_file_of_cases_is_a_list() -> None:
    [found] = findings("case: alone\n")
    assert (found.code, found.message) == ("SPEC003", "the file must be a list, not an object")
