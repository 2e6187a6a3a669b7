"""Hostile text gives findings: it never raises, never recurses and never costs more than its size."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import CODES, render
from engine.spec.source import MAX_BYTES, read

PARSERS = [
    pytest.param(getattr(yaml, "CSafeLoader", yaml.SafeLoader), id="libyaml"),
    pytest.param(yaml.SafeLoader, id="python"),
]

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 100))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 100))

HOSTILE: dict[str, tuple[str | bytes, str | None]] = {
    "ten thousand brackets": ("[" * 10_000, "YAML004"),
    "ten thousand closed brackets": ("[" * 10_000 + "]" * 10_000, "YAML004"),
    "ten thousand braces": ("{a: " * 10_000, "YAML004"),
    "ten thousand dashes": ("- " * 10_000, "YAML004"),
    "ten thousand question marks": ("? " * 10_000, "YAML015"),
    "a staircase": ("".join(" " * n + "a:\n" for n in range(900)), "YAML004"),
    "braces in braces": ("{" * 10_000, "YAML017"),
    "a billion laughs": (LAUGHS, "YAML011"),
    "exponential merges": (MERGES, "YAML011"),
    "an alias to itself": ("&a [*a]", "YAML011"),
    "fifty megabytes": ("a: b\n" * 10_000_000, "YAML003"),
    "fifty megabytes in bytes": (b"\xff" * 50_000_000, "YAML003"),
    "NUL bytes": (b"\0" * 100_000, "YAML002"),
    "lone surrogates": ("a: \udcff\ud800", "YAML002"),
    "a huge integer": ("9" * 100_000, "YAML022"),
    "a huge exponent": ("1e" + "9" * 20, "YAML022"),
    "a huge version": ("%YAML " + "9" * 10_000 + ".1\n---\na", None),
    "an escape beyond Unicode": ('"\\UFFFFFFFF"', "YAML006"),
    "an escape for half a character": ('"\\ud800"', "YAML006"),
    "quotes only": ('"' * 100_001, "YAML006"),
    "backslashes in a quote": ('"' + "\\" * 100_000, "YAML006"),
    "templates without end": ("a: " + "{{ " * 30_000, "YAML017"),
    "colons": (":" * 100_000 + " :", None),
    "a Python object": ("!!python/object/apply:os.system ['true']", "YAML012"),
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_a_finding(name, parser):
    text, code = HOSTILE[name]
    _, findings = read("f", text, parser=parser)
    assert findings
    assert len(findings) <= 101
    assert code is None or findings[0].code == code
    shown = text if isinstance(text, str) else ""
    assert render(findings, {"f": shown[:MAX_BYTES]}).encode()


PIECES = [
    *"{}[]:,-?|>'\"&*!%@`#~<=. \n\t\\",
    "a",
    "0",
    "1",
    "{{",
    "}}",
    "\r\n",
    "<<",
    ": ",
    "- ",
    "é",
    "\xa0",
    "\ud800",
]
HOSTILE_TEXT = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def check(content: str | bytes, parser: object) -> None:
    source, findings = read("f", content, parser=parser)
    text = content if isinstance(content, str) else content.decode(errors="replace")
    lines = text.split("\n")
    assert source is not None or findings
    for found in findings:
        assert found.code in CODES
        assert found.message
        assert 1 <= found.position.line <= len(lines)
        line = lines[found.position.line - 1]
        assert 1 <= found.position.column <= len(line) + 1
        assert found.length == 1 or found.position.column + found.length - 1 <= len(line)
    order = [(found.position.line, found.position.column) for found in findings]
    assert order == sorted(order)
    assert bool(render(findings, {"f": text}).encode()) == bool(findings)


@pytest.mark.parametrize("parser", PARSERS)
@settings(deadline=None)
@given(text=st.text(max_size=80) | HOSTILE_TEXT)
def test_no_text_raises_and_every_finding_lies_within_it(parser, text):
    check(text, parser)


@pytest.mark.parametrize("parser", PARSERS)
@settings(deadline=None)
@given(content=st.binary(max_size=80))
def test_no_bytes_raise_and_every_finding_lies_within_them(parser, content):
    check(content, parser)


@settings(deadline=None)
@given(HOSTILE_TEXT)
def test_what_is_read_without_a_finding_is_the_same_for_both_parsers(text):
    fast, slow = read("f", text), read("f", text, parser=yaml.SafeLoader)
    if not fast[1] and not slow[1]:
        assert fast[0] == slow[0]
