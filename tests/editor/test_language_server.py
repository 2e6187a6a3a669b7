"""What an author sees while typing: the real language server of the editors, with the schemas of the language."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.locations import schemas_dir
from engine.spec.check import check_cases, check_structure
from engine.spec.source import read
from tests.editor.language_server import SERVER, Editor, editing
from tests.editor.picture import PICTURE, draw

SPEC = """\
# yaml-language-server: $schema=../../schemas/integration.schema.json
specVersion: 1
integrationId: shipping-acme
category: shipping
name: Acme
description: Sends parcels from a made-up carrier.
provider: Acme
version: "1.0.0"
status: beta
authType: api_key
configSchema:
  type: object
  required: [apiKey]
  properties:
    apiKey: {type: string, title: API key, description: The key of the account., writeOnly: true}
servers:
  default: https://api.acme.test
auth:
  - method: token
    type: api_key
    needs: [apiKey]
    apply:
      headers: {Token: "{{ credentials.apiKey }}"}
errors:
  - status: 404
    code: NOT_FOUND
actions:
  - actionId: quote
    category: read
    description: Quotes the freight of a parcel between two districts.
    inputSchema:
      type: object
      properties:
        weight: {type: integer, description: Weight in grams.}
    outputSchema: {type: object, properties: {fee: {type: integer, description: The freight.}}}
    request:
      method: POST
      path: /fee
      json:
        weight: "{{ input.weight }}"
    output:
      fee: body.fee
"""

CASES = """\
# yaml-language-server: $schema=../../../schemas/case.schema.json
- case: a fee
  action: quote
  source: made up
  given: {input: {weight: 200}}
  exchanges:
    - expect: {method: POST, url: https://api.acme.test/fee}
      answer: {status: 200, json: {fee: 1}}
  result: {fee: 1}
"""


_PROPERTY = 10  # the protocol's number for a key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """specs/ beside schemas/, as in the project."""
    top = tmp_path_factory.mktemp("project")
    shutil.copytree(schemas_dir(), top / "schemas")
    (top / "specs" / "shipping-acme" / "cases").mkdir(parents=True)
    return top


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not SERVER.is_file():
        pytest.skip("yaml-language-server is not installed: run `npm ci` in tests/editor")
    with editing(node, folder) as running:
        yield running


class Author:
    """Writes one file at a time and looks at what the editor shows; `¦` in a text is the cursor."""

    def __init__(self, editor: Editor, folder: Path) -> None:
        self._editor, self._folder, self._number = editor, folder, 0

    def _write(self, text: str) -> Path:
        self._number += 1
        home = self._folder / "specs" / "shipping-acme"
        path = home / (f"cases/{self._number}.yaml" if text.startswith(CASES[:50]) else f"{self._number}.yaml")
        path.write_text(text, encoding="utf-8")
        return path

    def underlined(self, text: str) -> list[tuple[int, int, str]]:
        """Line, column and message of everything that is underlined."""
        found = self._editor.open(self._write(text))
        return sorted(
            (d["range"]["start"]["line"] + 1, d["range"]["start"]["character"] + 1, d["message"]) for d in found
        )

    def offered(self, text: str) -> dict[str, str]:
        """What is offered at the cursor, with the text that it writes."""
        items = self._at_cursor(text, self._editor.complete)
        keys = [item["label"] for item in items if item.get("kind") == _PROPERTY]
        assert len(keys) == len(set(keys)), f"offered twice: {keys}"
        return {item["label"]: item.get("insertText") or item["textEdit"]["newText"] for item in items}

    def shown(self, text: str) -> str:
        """What appears when the mouse rests at the cursor."""
        return str(self._at_cursor(text, self._editor.hover))

    def _at_cursor(self, text: str, ask: Any) -> Any:
        before, after = text.split("¦")
        path = self._write(before + after)
        self._editor.open(path)
        return ask(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


@pytest.fixture(scope="module")
def author(editor: Editor, folder: Path) -> Author:
    return Author(editor, folder)


def changed(old: str, new: str, text: str = SPEC) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


# --- completion ----------------------------------------------------------------------------------------------------


def test_at_the_left_margin_the_keys_that_are_not_there_yet_are_offered(author: Author):
    offered = author.offered(changed("errors:\n", "¦\nerrors:\n"))
    assert {"http", "hosts", "limits", "tables", "test", "webhooks"} <= set(offered)
    assert not {"auth", "errors", "specVersion"} & set(offered)


def test_inside_an_action_its_keys_are_offered(author: Author):
    offered = author.offered(changed("    request:\n", "    ¦\n    request:\n"))
    assert {"checks", "idempotency", "pagination", "rateLimit", "vars"} <= set(offered)
    assert not {"actionId", "category", "specVersion"} & set(offered)


def test_inside_a_request_every_key_is_offered_once(author: Author):
    """The rules that refuse a second body name these keys too; they must not show up as other keys of that name."""
    offered = author.offered(changed("      json:\n", "      ¦\n      json:\n"))
    assert {"headers", "query", "server"} <= set(offered)
    assert [key for key, written in offered.items() if ":" not in written] == []


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("    category: read", "    idempotency: ¦\n    category: write", {"key", "natural", "none"}),
        ("status: beta", "status: ¦", {"available", "beta", "deprecated"}),
        ("category: read", "category: ¦", {"read", "write", "action"}),
        ("method: POST", "method: ¦", {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}),
        ("type: api_key\n    needs", "type: ¦\n    needs", {"api_key", "bearer", "basic", "oauth2", "login"}),
        ("code: NOT_FOUND", "code: ¦", {"NOT_FOUND", "RATE_LIMITED", "OUTCOME_UNKNOWN"}),
    ],
)
def test_values_of_a_list_are_offered(author: Author, old: str, new: str, wanted: set[str]):
    offered = author.offered(changed(old, new))
    assert wanted <= set(offered)
    assert "[object Object]" not in offered


PLACES = [
    changed("errors:\n", "¦\nerrors:\n"),
    changed("    needs: [apiKey]\n", "    needs: [apiKey]\n    ¦\n"),
    changed("    apply:\n      headers:", "    apply:\n      ¦\n      headers:"),
    changed("  - status: 404\n", "  - status: 404\n    ¦\n"),
    changed("    request:\n", "    ¦\n    request:\n"),
    changed("      json:\n", "      ¦\n      json:\n"),
    changed('      json:\n        weight: "{{ input.weight }}"\n', "      ¦\n"),
    changed("  - actionId: quote\n", "  - ¦\n  - actionId: quote\n"),
    changed("  - method: token\n", "  - ¦\n  - method: token\n"),
    changed("errors:\n", "http:\n  ¦\nerrors:\n"),
    changed("errors:\n", "webhooks:\n  ¦\nerrors:\n"),
    changed("  given: {input: {weight: 200}}\n", "  given:\n    ¦\n", CASES),
    changed("  given: {input: {weight: 200}}\n", "  ¦\n", CASES),
    changed("{method: POST, url: https://api.acme.test/fee}", "\n        ¦", CASES),
    changed("{status: 200, json: {fee: 1}}", "\n        status: 200\n        ¦", CASES),
]


def _expanded(snippet: str) -> str:
    """The text of a snippet when the author accepts every placeholder: `${1:text}` and `$1`, `\\}` is a plain brace."""
    filled = re.sub(r"\$\{\d+(?::((?:\\.|[^}\\])*))?\}|\$\d+", lambda found: found[1] or "", snippet)
    return re.sub(r"\\([$}\\])", r"\1", filled)


@pytest.mark.parametrize("text", PLACES, ids=range(len(PLACES)))
def test_what_a_completion_writes_is_yaml_as_specs_are_read(author: Author, text: str):
    """Snippets are made from the schema's examples: a template or a number as text must not lose its quotes."""
    offered = author.offered(text)
    assert len(offered) > 3
    before, after = text.split("¦")
    row = before.rsplit("\n", 1)[1]
    indent = row[: len(row) - len(row.lstrip())]
    for label, snippet in offered.items():
        whole = before + _expanded(snippet).replace("\n", "\n" + indent) + after
        source, found = read("spec.yaml", whole)
        assert source is not None, (label, snippet, [str(one) for one in found])
        assert found == [], (label, snippet, [str(one) for one in found])
        check = check_cases if text.startswith(CASES[:50]) else check_structure
        line = before.count("\n") + 1
        types = [str(one) for one in check(source) if one.code == "SPEC003" and "not null" not in one.message]
        assert [one for one in types if f":{line}:" in one or f":{line + 1}:" in one] == [], (label, snippet)


# --- hover ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    category: read", "    ca¦tegory: read", ["read = changes nothing", "`write`"]),
        ("      path: /fee", "      pa¦th: /fee", ["Example:", "/"]),
        ("    needs:", "    ne¦eds:", ["Fields of configSchema without which it can't work"]),
        ("    output:", "    ou¦tput:", ["What the caller gets", "Example:", "body."]),
        ("  - status: 404", "  - sta¦tus: 404", ["The HTTP status, or a list of them", "Example:", "404"]),
    ],
)
def test_the_mouse_over_a_key_shows_what_it_is_and_an_example(author: Author, old: str, new: str, words: list[str]):
    shown = author.shown(changed(old, new))
    assert [word for word in words if word not in shown] == [], shown


def test_the_mouse_over_a_key_of_a_case_shows_what_it_is(author: Author):
    assert "Where the facts come from" in author.shown(changed("  source:", "  sou¦rce:", CASES))


# --- what is underlined --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SPEC, CASES], ids=["a spec", "cases"])
def test_what_is_right_is_not_underlined(author: Author, text: str):
    assert author.underlined(text) == []


@pytest.mark.parametrize(
    ("old", "new", "word", "message"),
    [
        ("provider: Acme", "providr: Acme", "providr", "Property providr is not allowed."),
        ("    category: read", "    categry: read", "categry", "Property categry is not allowed."),
        ("name: Acme", "name: 5", "5", 'Incorrect type. Expected "string".'),
        ("    needs: [apiKey]", "    needs: apiKey", "apiKey\n    apply", 'Incorrect type. Expected "array".'),
        ("status: 404", "status: '404'", "'404'", "give an HTTP status (100 to 599) or a list of them"),
        ("code: NOT_FOUND", "code: NOTFOUND", "NOTFOUND", "Value is not accepted. Valid values: "),
        ("path: /fee", "path: fee", "fee\n", "a path starts with /"),
        ("fee: body.fee", "fee: 5", "5", "texts here are queries; a literal is written {$const: …}"),
        ("      json:", "      form: {a: b}\n      json:", "{a: b}", "a request has one body, and `json` is given"),
        ("    request:", "    steps: []\n    request:", "\n      method: POST", "an action has either one `request`"),
    ],
)  # fmt: skip
def test_a_mistake_is_underlined_where_it_stands_in_words_for_authors(
    author: Author, old: str, new: str, word: str, message: str
):
    text = changed(old, new)
    start = text.index(word, text.index(new)) + (len(word) - len(word.lstrip()))
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    found = author.underlined(text)
    assert any((at, col) == (line, column) and said.startswith(message) for at, col, said in found), found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  source: made up\n", "  sorce: made up\n", "Property sorce is not allowed."),
        ("status: 200", "statuss: 200", "Property statuss is not allowed."),
        ("  result: {fee: 1}", "  error: {code: NOPE}", "Value is not accepted."),
        ("url: https://api.acme.test/fee", "url: /fee", "write the whole URL, from https:// on"),
        ("url: https://api.acme.test/fee}", "url: 'https://a.test', query: {a: 1}}", "form and query values are text"),
    ],
)
def test_a_mistake_in_a_case_is_underlined_at_its_line(author: Author, old: str, new: str, message: str):
    text = changed(old, new, CASES)
    line = next(number for number, row in enumerate(text.split("\n"), 1) if new.strip() in row)
    found = author.underlined(text)
    assert any(at == line and said.startswith(message) for at, _, said in found), found


# --- the guide -----------------------------------------------------------------------------------------------------


def test_the_picture_of_the_guide_shows_what_the_server_answers_today(editor: Editor, folder: Path):
    assert PICTURE.read_text("utf-8") == draw(editor, folder), "draw it again: python -m tests.editor.picture"
    assert PICTURE.stat().st_size < 60_000


def test_the_server_is_locked_and_the_lock_names_no_registry():
    lock = json.loads((SERVER.parents[3] / "package-lock.json").read_text("utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages)


def test_every_setting_that_the_guide_shows_names_a_schema_that_is_there():
    guide = (PICTURE.parents[1] / "editor.md").read_text("utf-8")
    named = set(re.findall(r"schemas/[\w-]+\.schema\.json", guide))
    assert named == {"schemas/integration.schema.json", "schemas/case.schema.json"}
    assert [name for name in named if not (schemas_dir().parent / name).is_file()] == []
