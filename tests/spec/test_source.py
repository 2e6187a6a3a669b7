"""Reading a spec's YAML: what is accepted, and one finding per guard with its exact place and what to write instead."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml

from engine.diagnostics import CODES
from engine.spec.reader import MAX_DEPTH
from engine.spec.source import MAX_BYTES, read

PARSERS = [
    pytest.param(getattr(yaml, "CSafeLoader", yaml.SafeLoader), id="libyaml"),
    pytest.param(yaml.SafeLoader, id="python"),
    pytest.param(None, id="short"),
]

# text → the first finding: line:column, code, length, part of the message, hint
GUARDS = {
    b"a: 1\nb: \xff": ("2:4", "YAML001", 1, "the byte 0xFF is not UTF-8", "save the file as UTF-8"),
    "é: 日本".encode("utf-16"): ("1:1", "YAML001", 1, "not UTF-8", "save the file as UTF-8"),
    "a: x\0y": ("1:5", "YAML002", 1, "U+0000", "remove it, or write \\x00 in double quotes"),
    "a: 日\x1b[0m": ("1:5", "YAML002", 1, "U+001B", "remove it, or write \\x1b in double quotes"),
    "\ufeffa: 1": (
        "1:1",
        "YAML002",
        1,
        "U+FEFF (ZERO WIDTH NO-BREAK SPACE)",
        "remove it, or write \\ufeff in double quotes",
    ),
    "a: b\u200b\u200b": ("1:5", "YAML002", 2, "ZERO WIDTH SPACE", "remove it, or write \\u200b in double quotes"),
    "a: \u202eb": ("1:4", "YAML002", 1, "RIGHT-TO-LEFT OVERRIDE", "remove it, or write \\u202e in double quotes"),
    "a: \U000e0041": ("1:4", "YAML002", 1, "TAG", "remove it, or write \\U000e0041 in double quotes"),
    "a: 1\u2028b: 2": ("1:5", "YAML002", 1, "LINE SEPARATOR", "remove it, or write \\u2028 in double quotes"),
    "a: 1\rb: 2": ("1:5", "YAML002", 1, "carriage return", "end lines with \\n"),
    "a: '\ud800'": ("1:5", "YAML002", 1, "U+D800", "remove it"),
    "a: b\xa0c": ("1:5", "YAML002", 1, "NO-BREAK SPACE", "write a plain space, or quote the text"),
    "a:\xa0b": ("1:3", "YAML002", 1, "NO-BREAK SPACE", "write a plain space, or quote the text"),
    "a" * (MAX_BYTES + 1): ("1:1", "YAML003", 1, "larger than 512 kB", ""),
    "é" * (MAX_BYTES // 2 + 1): ("1:1", "YAML003", 1, "larger than 512 kB", ""),
    "[" * (MAX_DEPTH + 1): (f"1:{MAX_DEPTH + 1}", "YAML004", 1, f"nested more than {MAX_DEPTH} deep", ""),
    "[" + "a," * 100_000: ("1:199999", "YAML005", 1, "more than 100,000 keys and values", ""),
    "a: b: c": (
        "1:5",
        "YAML006",
        1,
        "a colon can't stand here",
        "quote text that holds ': ', or check the indentation",
    ),
    "a: 1\n b: 2": (
        "2:3",
        "YAML006",
        1,
        "a colon can't stand here",
        "quote text that holds ': ', or check the indentation",
    ),
    "a: @b": ("1:4", "YAML006", 1, "unquoted text can't begin with @", 'quote it: "@b"'),
    "a: `b`": ("1:4", "YAML006", 1, "unquoted text can't begin with `", 'quote it: "`b`"'),
    "a: %b": ("1:4", "YAML006", 1, "unquoted text can't begin with %", 'quote it: "%b"'),
    'a: "\\d+"': (
        "1:5",
        "YAML006",
        1,
        "an unknown escape in double quotes",
        "write the text in single quotes, or \\\\ for a backslash",
    ),
    'a: "b\nc: 1': ("1:4", "YAML006", 1, "never closed", "close it; inside single quotes a quote is written twice"),
    "a: 'b' c": (
        "1:8",
        "YAML006",
        1,
        "does not fit what stands above it",
        "check the indentation, or quote the whole text and not a part of it",
    ),
    "a:\n  b: 1\n c: 2": (
        "3:2",
        "YAML006",
        1,
        "does not fit what stands above it",
        "check the indentation, or quote the whole text and not a part of it",
    ),
    "x: 1\na: {b: 1,\n": ("2:4", "YAML006", 1, "the { that opens here is never closed", "close it"),
    "x: 1\na: [b": ("2:4", "YAML006", 1, "the [ that opens here is never closed", "close it"),
    "x: 1\na: {b: 1\nc: 2": (
        "3:2",
        "YAML006",
        1,
        "a comma or } is missing for the { in line 2",
        "quote text that holds commas, brackets or braces",
    ),
    "a: [b\nc: 1]\nd: 2]": (
        "2:2",
        "YAML006",
        1,
        "a comma or ] is missing for the [ in line 1",
        "quote text that holds commas, brackets or braces",
    ),
    "a: [1,,2]": ("1:7", "YAML006", 1, "a value is missing", "write the value, or remove the comma"),
    "a: 1\n...\nb: 2": ("3:1", "YAML006", 1, "text after the end of the document", "one file holds one document"),
    "a:\n\tb: 1": ("2:1", "YAML007", 1, "a tab is used as indentation", "use spaces"),
    "a:\n  b: 1\n  \tc: 2": ("3:3", "YAML007", 1, "a tab is used as indentation", "use spaces"),
    "": ("1:1", "YAML008", 1, "the file holds no document", ""),
    "# only a comment\n": ("1:1", "YAML008", 1, "the file holds no document", ""),
    "a: 1\n---\nb: 2": ("2:1", "YAML009", 1, "a second document", "one file holds one document: remove the ---"),
    "%YAML 1.2\n---\na: 1": ("1:1", "YAML010", 9, "directives are not part of the language", "remove the line"),
    "%TAG ! tag:x,2000:\n---\na: 1": (
        "1:1",
        "YAML010",
        18,
        "directives are not part of the language",
        "remove the line",
    ),
    "%YAML x": ("1:1", "YAML010", 1, "directives are not part of the language", "remove the line"),
    "a: &b c": ("1:4", "YAML011", 4, "anchors", 'remove it, or quote it if it is text: "&b c"'),
    "a: &b\n  c: 1": ("1:4", "YAML011", 2, "anchors", "remove it"),
    "a: *b": ("1:4", "YAML011", 2, "aliases", 'write the value out, or quote it if it is text: "*b"'),
    "hosts: [*.vendor.tld]": ("1:9", "YAML011", 1, "can't begin with * or &", 'quote it: "*.vendor.tld"'),
    "a: !!int 1": ("1:4", "YAML012", 7, "tags", 'remove it, or quote it if it is text: "!!int 1"'),
    "when: !body.ok": ("1:7", "YAML012", 8, "tags", 'remove it, or quote it if it is text: "!body.ok"'),
    "a: !!python/object:os.system {}": ("1:4", "YAML012", 25, "tags", "remove it"),
    "a: {<<: {b: 1}}": ("1:5", "YAML013", 2, "merge keys", "write the keys out"),
    "a: 1\nb: 2\na: 3": (
        "3:1",
        "YAML014",
        1,
        'the key "a" is given twice: first in line 1, column 1',
        "remove one of the two",
    ),
    "x: {a: 1, 'a': 2}": (
        "1:11",
        "YAML014",
        3,
        'the key "a" is given twice: first in line 1, column 5',
        "remove one of the two",
    ),
    "200: x": ("1:1", "YAML015", 3, 'the key "200" is not text', 'quote it: "200"'),
    "on: x": ("1:1", "YAML015", 2, 'the key "on" is not text', 'quote it: "on"'),
    "null: x": ("1:1", "YAML015", 4, 'the key "null" is not text', 'quote it: "null"'),
    "1.10: x": ("1:1", "YAML015", 4, 'the key "1.10" is not text', 'quote it: "1.10"'),
    "[a]: x": ("1:1", "YAML015", 1, "a key can't be a list or mapping", "quote it if it is text"),
    "? {a: 1}\n: x": ("1:3", "YAML015", 1, "a key can't be a list or mapping", "quote it if it is text"),
    "{description: Fee, in VND, type: integer}": (
        "1:20",
        "YAML016",
        6,
        'the key "in VND" has no colon',
        "give it a value, or quote the text before it if the comma belongs to that",
    ),
    "path: {{ input.id }}": (
        "1:7",
        "YAML017",
        14,
        "text that begins with {{ must be quoted",
        'quote it: "{{ input.id }}"',
    ),
    "path: {{ a }}/{{ b }}": ("1:7", "YAML017", 15, "must be quoted", 'quote it: "{{ a }}/{{ b }}"'),
    "[{{ a }}]": ("1:2", "YAML017", 7, "must be quoted", 'quote it: "{{ a }}"'),
    "{{ a }}: b": ("1:1", "YAML017", 7, "must be quoted", 'quote it: "{{ a }}"'),
    "a: {{ b\n  }} c": ("1:4", "YAML017", 2, "must be quoted", "quote the text"),
    "a: yes": ("1:4", "YAML018", 3, '"yes" could be true or text', 'quote it: "yes", or write true'),
    "a: ~": ("1:4", "YAML019", 1, '"~" could be null', 'write null, or quote it: "~"'),
    "a: 2026-05-01": ("1:4", "YAML020", 10, "could be a date", 'quote it: "2026-05-01"'),
    "a: 22:30": ("1:4", "YAML021", 5, "base-60", 'quote it: "22:30"'),
    "a: 1.10": ("1:4", "YAML022", 4, "could be a number", 'quote it: "1.10", or write 1.1'),
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("text", GUARDS, ids=lambda text: repr(text[:30]))
def test_each_guard_gives_one_finding_at_its_exact_place_with_what_to_write_instead(text, parser):
    place, code, length, message, hint = GUARDS[text]
    _, findings = read("f", text, parser=parser)
    assert str(findings[0].position) == f"f:{place}"
    assert (findings[0].code, findings[0].length, findings[0].hint) == (code, length, hint)
    assert message in findings[0].message
    assert len(findings) == 1


def test_every_reading_code_has_an_example_here_and_every_finding_a_code_of_the_table():
    assert {code for _, code, *_ in GUARDS.values()} == {code for code in CODES if code.startswith("YAML")}


@pytest.mark.parametrize("parser", PARSERS)
def test_plain_data_is_read_as_it_stands(parser):
    source, findings = read(
        "f",
        """
text: {plain: a b, single: 'it''s', double: "tab\\t\\u00e9", query: "a == `1`", hash: a#b}
numbers: [0, 7, -12, 12345678901234567890, 0.5, -3.25, 10.01]
words: [true, false, null]
empty: {value: , text: '', list: [], map: {}}
last:
url: https://a.b/c?d=e#f
block: |
  two
  lines
folded: >-
  one
  line
like numbers: [1.0.0, 1.2.3.4, 1,5, 12a, +301s, 2024-10, 0x, e5, -, ., 84-90, 1_a]
like words: [Yes!, nope, truest, nullable, offer, yes no, not, none, None, TRUEST]
"quoted": ["yes", '1.10', "2026-05-01", "~", '00', "<<", "{{ input.x }}"]
""",
        parser=parser,
    )
    assert findings == []
    assert source is not None
    assert source.value == {
        "text": {
            "plain": "a b",
            "single": "it's",
            "double": "tab\té",
            "query": "a == `1`",
            "hash": "a#b",
        },
        "numbers": [0, 7, -12, 12345678901234567890, Decimal("0.5"), Decimal("-3.25"), Decimal("10.01")],
        "words": [True, False, None],
        "empty": {"value": None, "text": "", "list": [], "map": {}},
        "last": None,
        "url": "https://a.b/c?d=e#f",
        "block": "two\nlines\n",
        "folded": "one line",
        "like numbers": ["1.0.0", "1.2.3.4", 1, 5, "12a", "+301s", "2024-10", "0x", "e5", "-", ".", "84-90", "1_a"],
        "like words": ["Yes!", "nope", "truest", "nullable", "offer", "yes no", "not", "none", "None", "TRUEST"],
        "quoted": ["yes", "1.10", "2026-05-01", "~", "00", "<<", "{{ input.x }}"],
    }


def test_fractions_are_decimals_and_never_floats():
    source, _ = read("f", "0.1")
    assert source is not None
    assert isinstance(source.value, Decimal)
    assert source.value == Decimal("0.1")


def test_all_findings_of_a_file_come_at_once_in_the_order_of_the_text():
    source, findings = read("f", "a: yes\nb: 1.10\nb: &x 2\nc: {200: *x}\nd: 'ok'\n")
    assert [(found.position.line, found.code) for found in findings] == [
        (1, "YAML018"),
        (2, "YAML022"),
        (3, "YAML014"),
        (3, "YAML011"),
        (4, "YAML015"),
        (4, "YAML011"),
    ]
    assert source is not None
    assert source.value == {"a": "yes", "b": "1.10", "c": {"200": None}, "d": "ok"}


def test_findings_before_a_syntax_error_are_kept_and_there_is_no_source():
    source, findings = read("f", "a: yes\nb: 'c' d\n")
    assert source is None
    assert [found.code for found in findings] == ["YAML018", "YAML006"]


def test_after_a_hundred_findings_reading_stops():
    source, findings = read("f", "".join(f"a{number}: yes\n" for number in range(1000)))
    assert source is None
    assert len(findings) == 101
    assert findings[-1].code == "YAML005"


def test_of_two_equal_keys_the_first_counts_and_positions_are_its_own():
    source, _ = read("f", "a: {b: 1}\na: {c: [2]}\n")
    assert source is not None
    assert source.value == {"a": {"b": 1}}
    assert str(source.position(("a", "b"))) == "f:1:8"


@pytest.mark.parametrize("parser", PARSERS)
def test_an_unquoted_template_is_read_as_its_text_and_gives_no_second_finding(parser):
    source, findings = read("f", "a: [{{ x }}, b]\nc: {{ y }}\n", parser=parser)
    assert [found.code for found in findings] == ["YAML017", "YAML017"]
    assert source is not None
    assert source.value == {"a": ["{{ x }}", "b"], "c": "{{ y }}"}


def test_hints_quote_so_that_the_text_can_be_pasted():
    for text in ("a: *b", "a: !c'd", 'a: @"e\\'):
        replacement = read("f", text)[1][0].hint.split(": ", 1)[1]
        assert yaml.safe_load(replacement) == text.removeprefix("a: ")


def test_windows_line_ends_change_neither_values_nor_positions():
    source, findings = read("f", "a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 'd'\r\n")
    assert findings == []
    assert source is not None
    assert source.value == {"a": 1, "b": "x\ny\n", "c": "d"}
    assert str(source.position(("c",))) == "f:5:4"
    assert str(source.position(("b",), offset=2)) == "f:4:3"


def test_bytes_and_text_are_read_alike():
    text = "tên: Giao hàng\n"
    from_text, from_bytes = read("f", text)[0], read("f", text.encode())[0]
    assert from_text == from_bytes
    assert from_text is not None
    assert from_text.value == {"tên": "Giao hàng"}


@pytest.mark.parametrize("parser", PARSERS)
def test_the_limits_themselves_are_allowed(parser):
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read("f", deepest, parser=parser)[1] == []
    assert read("f", "#" * (MAX_BYTES - 1) + "\n1", parser=parser)[1][0].code == "YAML003"
    assert read("f", "#" * (MAX_BYTES - 2) + "\n1", parser=parser)[1] == []
