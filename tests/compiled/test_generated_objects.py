"""The function that is generated for an object gives what its entries give one by one, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.generated import Entry, object_of
from engine.compiled.query import compile_query
from engine.compiled.template import compile_template
from engine.library.absent import ABSENT
from tests.compiled.evaluate import compiled_tree, names, scope, tree

NAMES = ["a", "b", "c"]
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=10,
)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda steps: ("doc", *steps))
keys = st.text(max_size=6) | st.sampled_from(
    ["'", '"', "\n", "\\", "v", "values", "scope", "ABSENT", "c1", "{0}", "%s"]
)
leaves = st.lists(st.tuples(keys, paths, st.booleans(), st.booleans()), max_size=6, unique_by=lambda leaf: leaf[0])


def one_by_one(entries: list[Entry], roots: Any, *, keeps: bool) -> Any:
    """What the function stands for."""
    values = {}
    for entry in entries:
        value = entry.evaluate(roots)
        if value is None and entry.is_query and not entry.keeps_null:
            value = ABSENT
        if value is not ABSENT:
            values[entry.key] = value
    return values if values or keeps else ABSENT


def entry_of(key: str, path: tuple[str, ...], *, is_query: bool, keeps_null: bool) -> Entry:
    text = ".".join(path)
    evaluate = compile_query(text, names()) if is_query else compile_template("{{ " + text + " }}", names())
    return Entry(key, evaluate, path, is_query, keeps_null)


@given(leaves, documents, st.booleans())
@settings(max_examples=1500)
def test_paths_in_line_are_the_closures_of_the_same_paths(leaves: list[Any], document: Any, keeps: bool) -> None:
    entries = [entry_of(key, path, is_query=query, keeps_null=null) for key, path, query, null in leaves]
    found, wanted = (
        object_of(entries, keeps=keeps)(scope({"doc": document})),
        one_by_one(entries, scope({"doc": document}), keeps=keeps),
    )
    assert repr(found) == repr(wanted)  # also the order of the keys, and true from 1


@given(documents, st.dictionaries(st.sampled_from(["p", "q", "r"]), st.sampled_from(["doc.a", "doc.b.c", "doc.a.b.c"])))
@settings(max_examples=500)
def test_a_tree_of_paths_is_the_tree_of_what_they_find(document: Any, node: Mapping[str, str]) -> None:
    texts = {key: "{{ " + path + " }}" for key, path in node.items()}
    singly = {key: tree(text, doc=document) for key, text in texts.items()}
    wanted = {key: value for key, value in singly.items() if value is not ABSENT}
    assert tree(texts, is_root=True, doc=document) == wanted
    assert tree({"in": texts}, is_root=True, doc=document) == ({"in": wanted} if wanted or not texts else {})


@pytest.mark.parametrize("key", ["'); raise SystemExit('", "\n  import os\n", "values", "run", "__builtins__"])
def test_no_text_of_a_spec_becomes_code(key: str) -> None:
    assert tree({key: "{{ doc.a }}"}, is_root=True, doc={"a": 1}) == {key: 1}
    assert tree({key: "doc.a"}, queries=True, is_root=True, doc={"a": 1}) == {key: 1}


def test_what_is_watched_is_asked_through_its_closure() -> None:
    seen = []

    def watch(path: Any, evaluate: Any) -> Any:
        def told(roots: Any) -> Any:
            seen.append(path)
            return evaluate(roots)

        return told

    evaluate, faults = compiled_tree({"k": "doc.a"}, queries=True, is_root=True, watch=watch)
    assert faults == []
    assert evaluate(scope({"doc": {"a": 1}})) == {"k": 1}
    assert seen == [("k",)]
