"""Unquoted scalars: read in their one plain spelling, text, or refused with the exact replacement."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.spec.source import read

REFUSED = {
    "YAML018": {
        **dict.fromkeys(("yes", "Yes", "YES", "y", "Y", "on", "On", "ON", "oN", "True", "TRUE", "tRUE"), "true"),
        **dict.fromkeys(("no", "No", "NO", "n", "N", "off", "Off", "OFF", "False", "FALSE"), "false"),
    },
    "YAML019": dict.fromkeys(("~", "Null", "NULL", "nULL"), ""),
    "YAML020": dict.fromkeys(
        (
            "2026-05-01",
            "2026-5-1",
            "2026-05-01T03:04:05Z",
            "2026-05-01t03:04:05.25+07:00",
            "2026-05-01 03:04:05",
            "2026-05-01 3:04",
            "2026-05-01 03:04:05 -5",
            "9999-99-99",
        ),
        "",
    ),
    "YAML021": dict.fromkeys(("22:30", "1:30:00", "-1:30", "+190:20:30", "190:20:30.15", "00:30", "8080:80"), ""),
    "YAML022": {
        **dict.fromkeys(("00", "0123", "-01", "0901234567", "08", "00.5"), ""),
        **dict.fromkeys(("0o17", "0x1F", "0XFF", "0b101", "-0x1f", "0x_1"), ""),
        **dict.fromkeys(("+5", "+84901234567", "+0.5"), ""),
        **dict.fromkeys((".inf", "-.inf", "+.INF", ".Inf", ".nan", ".NaN", "1e999", "1e99999999999999999999"), ""),
        "1.10": "1.1",
        "1.0": "1",
        "-2.50": "-2.5",
        "0.0": "0",
        "100.00": "100",
        ".5": "0.5",
        "-.5": "-0.5",
        "5.": "5",
        "1_000": "1000",
        "1_000.50": "1000.5",
        "-0": "0",
        "-0.0": "0",
        "1e5": "100000",
        "1.5E3": "1500",
        "12e-03": "0.012",
        "1.0e+2": "100",
        "1E2": "100",
    },
}
CASES = [(code, text, plain) for code, words in REFUSED.items() for text, plain in words.items()]


@pytest.mark.parametrize(("code", "text", "plain"), CASES)
def test_what_another_reader_takes_for_something_else_must_be_quoted(code, text, plain):
    source, findings = read("f", f"é: [x, {text}]")
    [found] = findings
    assert (found.code, str(found.position), found.length) == (code, "f:1:8", len(text))
    assert f'quote it: "{text}"' in found.hint
    if plain:
        assert found.hint == f'quote it: "{text}", or write {plain}'
    elif code != "YAML019":
        assert found.hint == f'quote it: "{text}"'
    assert source is not None
    assert source.value == {"é": ["x", text]}


@pytest.mark.parametrize(("code", "text", "plain"), CASES)
def test_both_replacements_of_a_hint_read_without_a_finding(code, text, plain):
    assert read("f", f'"{text}"')[1] == []
    assert not plain or read("f", plain)[1] == []


def test_a_number_too_long_to_be_one_must_be_quoted():
    _, [found] = read("f", "a: " + "9" * 101)
    assert (found.code, found.length) == ("YAML022", 101)
    assert read("f", "a: " + "9" * 100)[1] == []


@settings(deadline=None)
@given(st.integers(-(10**60), 10**60))
def test_any_integer_is_read_exactly(number):
    source, findings = read("f", str(number))
    assert findings == []
    assert source is not None
    assert type(source.value) is int
    assert source.value == number


@settings(deadline=None)
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{0,20}[1-9]", fullmatch=True))
def test_any_fraction_without_idle_zeros_is_read_exactly(text):
    source, findings = read("f", text)
    assert findings == []
    assert source is not None
    assert type(source.value) is Decimal
    assert f"{source.value:f}" == text


LOOKALIKES = st.one_of(
    st.text(alphabet="0123456789.:-+_eExXoObBTZz ", min_size=1, max_size=16),
    st.text(alphabet="yesnoftrualYESNOFTRUALini~.", min_size=1, max_size=6),
    st.from_regex(r"[-+]?[0-9_]{1,4}[.:eE-][-+]?[0-9_]{1,4}([:.-][0-9]{1,2})?", fullmatch=True),
)


@settings(deadline=None)
@given(LOOKALIKES)
@example("685_230.15")
@example("0b1010_0111")
@example("2001-12-14t21:59:43.10-05:00")
@example("190:20:30.15")
def test_what_is_read_without_a_finding_means_the_same_to_an_older_yaml_reader(text):
    source, findings = read("f", f"[{text}]")
    if source is None or findings:
        return
    older = yaml.safe_load(f"[{text}]")
    ours = [float(item) if isinstance(item, Decimal) else item for item in source.value]
    assert ours == older
    assert [type(item) for item in ours] == [type(item) for item in older]
