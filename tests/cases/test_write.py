"""What is written as a case is read back as the same value, and looks as if a person had written it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cases.write import Unwritable, yaml_of
from engine.spec.source import read

TRICKY = st.sampled_from(
    [
        *("", " a", "a ", "a\tb", "a\nb", "a\r\nb", "\xa0", "\x85", "\u2028", "\ufeff", "\U0001f600", "\x00", "\x7f"),
        *("yes", "no", "on", "off", "y", "n", "null", "~", "true", "1.10", "00", "0x1F", "22:30", "2026-05-01"),
        *("2026-05-01T03:04:05Z", "1e3", ".5", "+84900000001", "0900000001", "1_000", "-0", ".inf", "-", "---", "..."),
        *(
            "- a",
            "a: b",
            "a #b",
            "#a",
            "a:",
            "? a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "'a'",
            '"a"',
            "{{ a }}",
            "[a]",
        ),
        *("{a}", "a, b", "a\\b", "<<", "=", "http://a/b?c=d&e=[1]", "é", "日本", "|", ">", "|-", "a'b\"c", "a: ", "? "),
        *("?", ":", ": a", ",", "x\\", "\\"),
    ]
)
TEXTS = TRICKY | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LOOKS = f"""\
- case: an order
  source: page 7, of the manual
  given:
    now: "2026-05-01T03:04:05Z"
    credentials: {{apiKey: fake-key}}
    input: {{code: "00", size: 1}}
  exchanges:
    - expect:
        method: GET
        url: https://api.vendor.example/o/00
        headers: {{X-Key: fake-key}}
      answer:
        status: 200
        json:
          name: {"x" * 60}
          of: {"y" * 60}
  result: {{total: 12.5, ok: true}}

- case: b
"""
NUMBERS = st.integers(-(10**40), 10**40) | st.decimals(allow_nan=False, allow_infinity=False, places=6)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


def back(text: str) -> Any:
    source, findings = read("case.yaml", text)
    assert findings == [], (text, findings)
    assert source is not None
    return source.value


def typed(value: Any) -> Any:
    """The value with what Python's equality passes over: `True == 1`, `Decimal("1.0") == 1`."""
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    kind = "number" if isinstance(value, int | Decimal) and not isinstance(value, bool) else type(value).__name__
    return kind, value


@given(st.lists(TREES, max_size=4))
def test_what_was_written_is_read_back(cases: list[Any]) -> None:
    assert typed(back(yaml_of(cases))) == typed(cases)


@given(st.text(max_size=40))
def test_every_text_is_read_back_or_refused(text: str) -> None:
    try:
        written = yaml_of([{text: [text, {"in": text}]}])
    except Unwritable:
        assert any("\ud800" <= char <= "\udfff" for char in text)
        return
    assert back(written) == [{text: [text, {"in": text}]}]


def test_a_very_long_key_is_read_back() -> None:
    long = {"k" * 3000: {"deep": [{"x" * 2000: 1}]}}
    assert back(yaml_of([long])) == [long]


@pytest.mark.parametrize("value", [10**100, Decimal("1E-200"), "\ud800", Decimal("NaN"), 1.5], ids=repr)
def test_what_a_case_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(Unwritable):
        yaml_of([{"a": value}])


def test_what_is_nested_deeper_than_is_read_is_refused() -> None:
    def nested(levels: int) -> Any:
        return 1 if levels == 0 else [nested(levels - 1)]

    assert back(yaml_of([nested(63)])) == [nested(63)]
    with pytest.raises(Unwritable, match="deep"):
        yaml_of([nested(64)])


def test_a_case_looks_as_people_write_it() -> None:
    case = {
        "case": "an order",
        "source": "page 7, of the manual",
        "given": {
            "now": "2026-05-01T03:04:05Z",
            "credentials": {"apiKey": "fake-key"},
            "input": {"code": "00", "size": 1},
        },
        "exchanges": [
            {
                "expect": {"method": "GET", "url": "https://api.vendor.example/o/00", "headers": {"X-Key": "fake-key"}},
                "answer": {"status": 200, "json": {"name": "x" * 60, "of": "y" * 60}},
            }
        ],
        "result": {"total": Decimal("12.50"), "ok": True},
    }
    assert yaml_of([case, {"case": "b"}]) == LOOKS
