"""docs/language.md names everything that an expression may say, and its examples give what it shows."""

from __future__ import annotations

import json

from engine.compiled.query_functions import STANDARD
from engine.library import LIBRARY
from engine.locations import schemas_dir
from engine.runtime.signature import SCHEMES
from tests.docs.language import EXAMPLES, NAMES, OF_JMESPATH, PAGE, page, places

TEXT = PAGE.read_text("utf-8")


def test_the_committed_page_is_what_the_engine_says_today() -> None:
    assert page() == TEXT, "write it again: python -m tests.docs.language"


def test_every_function_has_an_example_that_calls_it() -> None:
    assert set(EXAMPLES) == set(LIBRARY)
    assert set(OF_JMESPATH) == set(STANDARD)
    called = {**EXAMPLES, **{name: text for name, (_, text) in OF_JMESPATH.items()}}
    assert [name for name, text in called.items() if f"| {name}" not in text and f"{name}(" not in text] == []


def test_every_function_says_what_it_does() -> None:
    assert [name for name, function in LIBRARY.items() if not function.call.__doc__] == []


def test_every_name_of_every_place_is_explained() -> None:
    assert {name for _, names in places() for name in names.roots} - set(NAMES) == set()


def test_every_word_that_the_schema_lists_is_there() -> None:
    schema = json.loads((schemas_dir() / "integration.schema.json").read_bytes())["$defs"]
    words = {*schema["pagination"]["properties"]["kind"]["enum"], *schema["pagination"]["properties"], *SCHEMES}
    words |= {"key", "natural", "none", *schema["webhooks"]["properties"]["answers"]["properties"]}
    assert [word for word in sorted(words) if f"`{word}`" not in TEXT] == []
