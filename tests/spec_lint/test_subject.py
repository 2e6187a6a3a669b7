"""What rules see of a spec: every query and template with its place; findings land where things are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.compiled.fault import Path as Place
from engine.diagnostics import Diagnostic, Position
from engine.library import exact
from engine.spec.load import Compiled, compile_text
from engine.spec.source import read
from spec_lint.queries import Node, parse
from spec_lint.rule import Finding
from spec_lint.subject import Subject
from tests.spec.compiling import marked, registry

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = (ROOT / "tests" / "spec" / "executed" / "everything.yaml").read_text(encoding="utf-8")
FILE = "spec.yaml"
BROKEN = ")({{"
_AT_ONCE = 40
"""Neither a query nor a template."""


def subject(text: str) -> Subject:
    made = compile_text(FILE, text, registry(), {})
    assert made.source
    assert made.findings
    assert made.integration, [str(one) for one in made.diagnostics]
    return Subject(made.source, made.resolved, made.integration, registry(), (), (), made.findings)


@cache
def everything() -> Subject:
    """Every key that is executed; written as JSON, so that it is broken by replacing a text and nothing else."""
    source, _ = read(FILE, EVERYTHING)
    assert source
    return subject(exact.dumps(source.value).decode())


def texts(value: Any, path: Place = ()) -> Iterator[Place]:
    """The path of every text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, (*path, number))
    elif isinstance(value, str):
        yield path


def broken(paths: Iterable[Place]) -> Compiled:
    """The spec with texts that can't be compiled at these places."""
    value = deepcopy(everything().source.value)
    for path in paths:
        around = value
        for step in path[:-1]:
            around = around[step]
        around[path[-1]] = BROKEN
    return compile_text(FILE, exact.dumps(value).decode(), registry(), {})


def _path_of(found: Diagnostic, places: Mapping[Position, Place]) -> Place | None:
    """The broken text that a finding inside it is about."""
    at = found.position
    return next(
        (path for place, path in places.items() if place.line == at.line and 0 <= at.column - place.column < 6), None
    )


def test_what_is_compiled_as_query_or_template_is_seen_as_one_and_nothing_else_is() -> None:
    """Breaks every text of the spec, some at a time: what then can't be compiled is what rules see."""
    whole = everything()
    seen = {"EXPR011": {x.path for x in whole.queries}, "EXPR001": {x.path for x in whole.templates}}
    written = {code: {whole.findings.written_at(path) for path in paths} for code, paths in seen.items()}
    compiled: dict[str, set[Place]] = {"EXPR011": set(), "EXPR001": set()}
    every = list(texts({key: value for key, value in whole.spec.items() if key != "$defs"}))
    for start in range(_AT_ONCE):
        paths = every[start::_AT_ONCE]
        made = broken(paths)
        assert made.source
        places = {made.source.position(path): path for path in paths}
        for found in made.diagnostics:
            if found.code in compiled and (path := _path_of(found, places)):
                compiled[found.code].add(path)
    for code, met in compiled.items():
        assert met <= written[code], met - written[code]
        assert len(met) > 20


@pytest.mark.parametrize("place", ["queries", "templates"])
def test_every_query_and_template_has_the_text_that_stands_at_its_place(place: str) -> None:
    whole = everything()
    for one in getattr(whole, place):
        value: Any = whole.source.value
        for step in whole.findings.written_at(one.path):
            value = value[step]
        # What pagination writes into a request stands where the spec asked for that, the standard form of a token
        # request where the spec leaves it to the engine.
        is_made = isinstance(value, dict) or one.text in ("{{ page.limit }}", "{{ page.cursor }}")
        assert str(value) == one.text or is_made


SPEC = """\
specVersion: 1
integrationId: acme-shipping
category: shipping
name: Acme
description: A carrier that exists in tests only.
provider: Acme
version: "1.0.0"
status: available
authType: api_key
configSchema: {type: object, properties: {}}
servers: {default: https://api.acme.test}
hosts: [api.acme.test]
auth: [{method: open, type: api_key}]
$defs:
  row: {id: body.row.id, kind: "type(body.row.kind)"}
actions:
  - actionId: look
    category: read
    description: An action of the tests, long enough to be a description.
    inputSchema: {type: object, properties: {}}
    outputSchema: {type: object}
    request: {method: GET, path: /look}
    output:
      row: {$ref: "#/$defs/row"}
      folded: >-
        body.rows[?kind
        == 'x'].id
      plain: body.plain
      single: 'body.single'
      escaped: "body.\\u0061"
"""
OUTPUT = ("actions", 0, "output")


def mark(text: str, found: Finding) -> tuple[int, str]:
    line = text.split("\n")[found.position.line - 1]
    return found.position.line, line[found.position.column - 1 :][: found.length]


def test_a_finding_in_what_a_reference_brought_lands_where_it_is_written() -> None:
    one = subject(SPEC)
    assert mark(SPEC, one.at((*OUTPUT, "row", "kind"), "here", offset=5, length=4)) == (15, "body")
    assert mark(SPEC, one.at((*OUTPUT, "row", "kind"), "here", key=True)) == (15, "kind")
    assert mark(SPEC, one.at((*OUTPUT, "plain"), "here")) == (28, "body.plain")
    assert one.resolved["actions"][0]["output"]["row"]["id"] == "body.row.id"
    assert one.spec["actions"][0]["output"]["row"] == {"$ref": "#/$defs/row"}


def test_a_finding_in_a_folded_text_lands_in_its_line() -> None:
    one = subject(SPEC)
    assert mark(SPEC, one.at((*OUTPUT, "folded"), "here", offset=19, length=3)) == (27, "'x'")


@pytest.mark.parametrize(
    ("name", "new", "written"),
    [
        ("plain", "body.other", "body.other"),
        ("plain", "a: b", '"a: b"'),
        ("plain", "yes", '"yes"'),
        ("plain", "true", '"true"'),
        ("plain", "[a", '"[a"'),
        ("single", "body.other", '"body.other"'),
        ("single", 'body."x"', "'body.\"x\"'"),
        ("folded", "body.other", None),
        ("escaped", "body.other", None),
        ("plain", "two\nlines", None),
    ],
)
def test_a_text_is_rewritten_so_that_it_reads_as_it_was_meant(name: str, new: str, written: str | None) -> None:
    fix = subject(SPEC).rewriting((*OUTPUT, name), new)
    assert (fix.text if fix else None) == written
    if fix:
        assert yaml.safe_load(fix.text) == new


# --- the places of the nodes of a query ---

_OWN_TEXT = {
    "and_expression", "comparator", "field", "filter_projection", "function_expression", "literal", "not_expression",
    "or_expression", "pipe", "projection", "subexpression", "value_projection",
}  # fmt: skip


def shape(node: Node) -> Any:
    return node.kind, node.value, [shape(child) for child in node.children]


QUERIES = [
    "a.b.c",
    "!a.b",
    "rows[?a == null && !b.c].{x: to_number(d[0]), y: [e, 'x' , `5` ]} | (q || [1:2])",
    "  max_by( rows, &n ).id ",
    "a[*].b[] | [0]",
    "map.*.x",
    "'it\\'s' == a",
    '`{"a": [1, 2]}`',
    '"with blank".b',
    "a[-1] > b",
]


@pytest.mark.parametrize("text", [*QUERIES, *sorted({query.text for query in everything().queries})])
def test_the_text_of_a_node_read_alone_gives_the_node(text: str) -> None:
    for node, parents in parse(text).walk_with_parents():
        own = text[node.start : node.end]
        is_step = bool(parents) and parents[-1].kind in ("projection", "filter_projection", "value_projection")
        if node.kind in _OWN_TEXT and not (is_step and not own.strip()) and not own.startswith(("[", ".")):
            assert shape(parse(own)) == shape(node), own
        if parents and node.end > node.start:
            assert parents[-1].start <= node.start
            assert node.end <= parents[-1].end


def test_the_root_of_a_query_is_its_whole_text() -> None:
    for text in QUERIES:
        root = parse(text)
        assert text[root.start : root.end] == text.strip()


def test_words_of_a_template_stand_where_they_say() -> None:
    for template in everything().templates:
        for expression in template.expressions:
            assert template.text[expression.start : expression.end] == expression.text
            for word in expression.words:
                assert word.text in template.text[word.start : word.end]


def test_marks_of_the_compiler_and_of_rules_agree() -> None:
    text = SPEC.replace("body.plain", "bdoy.plain")
    [found] = compile_text(FILE, text, registry(), {}).diagnostics
    assert marked(text, found) == "bdoy"
