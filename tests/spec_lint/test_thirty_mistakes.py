"""The mistakes that authors make, one at a time, in the spec of the tutorial: each is found at its very characters."""

from __future__ import annotations

import shutil
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.bootstrap import open_registry
from engine.diagnostics import Diagnostic
from spec_lint.collect import collect, targets
from tests.docs.tutorial import TUTORIAL, final

SPEC, BOOK = "spec.yaml", "cases/book_parcel.yaml"


@dataclass(frozen=True)
class Mistake:
    """The first text of `edit` stands once in the file and becomes the second; the caret is under `caret`.

    That is the first one in what was changed, or behind the place where `at` begins. `also`: what else follows from
    the mistake, besides cases that the spec does not fulfil any more.
    """

    name: str
    edit: tuple[str, str]
    code: str
    caret: str
    at: str = ""
    file: str = SPEC
    also: Set[str] = frozenset()


DESCRIPTION = "Books a place for one parcel in a locker; the price is charged at once. Find lockers with list_lockers."
FULL = "- case: the locker is full\n  action: book_parcel"
CODE = "  code: body.error.code"
NOTE = '"{{ input.note }}"'
NOTE_FIELD = "        note: {type: string, description: A few words for the label of the parcel.}"


def rule(text: str) -> tuple[str, str]:
    """One more error rule, before the others."""
    return "errors:\n", f"errors:\n  - {text}\n"


M = Mistake
MISTAKES = [
    # reading YAML
    M("an unquoted yes", ("name: Book a parcel", "name: yes"), "YAML018", "yes"),
    M("an unquoted template", ('"{{ input.lockerId | integer }}"', "{{ input.lockerId | integer }}"), "YAML017",
      "{{ input.lockerId | integer }}"),
    M("a version that is a number", ("version: 0.1.0", "version: 1.10"), "YAML022", "1.10", also={"SPEC005"}),
    M("digits that begin with 0", ('lockerId: "99"', "lockerId: 099"), "YAML022", "099", file=BOOK),
    M("a time of day", ("note: Books}}\n  ex", "note: 22:30}}\n  ex"), "YAML021", "22:30", file=BOOK),
    M("a tab", ("      path: /v1/parcels", "\tpath: /v1/parcels"), "YAML007", "\t"),
    M("a key given twice", ("    idempotency: key", "    idempotency: key\n    idempotency: none"), "YAML014",
      "idempotency", at="idempotency: none"),
    # keys and values
    M("a typo in a key", ("category: write", "categry: write"), "SPEC001", "categry"),
    M("a directive that is none", ("$each: body.lockers", "$ech: body.lockers"), "SPEC001", "$ech", also={"NAME001"}),
    M("no description", (f"    description: {DESCRIPTION}\n", ""), "SPEC002", "a", at="actionId: book_parcel"),
    M("a pagination without a cap", ("default: 50, max: 100}", "default: 50}"), "SPEC002", "limit", at="limit: {into"),
    M("text for a list", ("needs: [apiKey]", "needs: apiKey"), "SPEC003", "apiKey"),
    M("a literal where a query stands", ("price: body.price", "price: 20000"), "SPEC003", "20000"),
    M("a code of the provider's own", ("locker_full: CONFLICT", "locker_full: LOCKED"), "SPEC004", "LOCKED"),
    M("a path without /", ("path: /v1/parcels", "path: v1/parcels"), "SPEC005", "v1/parcels"),
    M("two bodies", ("json:\n        locker", "form: {a: b}\n      json:\n        locker"), "SPEC006", "form"),
    # names
    M("a typo in an input", ("{{ input.weight }}", "{{ input.wieght }}"), "NAME002", "input.wieght"),
    M("a typo in the body", ("body.price", "bdoy.price"), "NAME001", "bdoy"),
    M("a typo in a filter", ("| integer }}", "| intger }}"), "NAME003", "intger"),
    M("a typo in a function", ("text(body.parcel)", "txt(body.parcel)"), "NAME003", "txt"),
    M("an action that is not there", ("test:\n  action: list_lockers", "test:\n  action: list_locker"), "NAME009",
      "list_locker"),
    M("a secret in a body", (NOTE, '"{{ credentials.apiKey }}"'), "NAME001", "credentials"),
    M("a bare true", (CODE, f"  success: body.ok == true\n{CODE}"), "NAME001", "true"),
    M("double quotes around a text", (CODE, f"  success: 'body.state == \"ok\"'\n{CODE}"), "NAME001", '"ok"'),
    # parts that do not fit together
    M("a path with an input that may be absent", ("path: /v1/parcels", 'path: "/v1/parcels/{{ input.note }}"'),
      "EXPR030", '"/v1/parcels/{{ input.note }}"'),
    M("a query in a path", ("path: /v1/lockers", "path: /v1/lockers?all=1"), "SPEC062", "/v1/lockers?all=1"),
    M("a host that is not listed", ("default: https://api.heron.example", "default: https://api.herons.example"),
      "SPEC066", "https://api.herons.example"),
    M("nothing about repeating", ("    idempotency: key\n", ""), "SPEC075", "book_parcel", at="actionId: book_parcel"),
    M("a key that is not sent", ('"{{ call.key }}"', '"fixed"'), "SPEC076", "key", at="idempotency: key"),
    M("a limit that is sent nowhere", ("{into: query.limit, default: 50, max: 100}", "{default: 50, max: 100}"),
      "SPEC102", "limit", at="limit: {default"),
    M("a default below the least", ("integer, minimum: 1,", "integer, minimum: 1, default: 0,"), "SPEC093", "0"),
    M("a pattern that can explode", ("'^[0-9]+$'", "'^(?=7)[0-9]+$'"), "SPEC091", "'^(?=7)[0-9]+$'"),
    # queries
    M("a ! before a path", (CODE, f'  success: "!body.error.code"\n{CODE}'), "QRY002", "!body.error.code"),
    M("contains of what may be null", rule("{status: 422, when: \"contains(body.reason, 'full')\", code: CONFLICT}"),
      "QRY006", "body.reason"),
    M("a header with capitals", (CODE, '  code: headers."X-Error"'), "QRY004", '"X-Error"'),
    M("a page that is no number", ("items: body.lockers\n", "items: body.lockers\n      more: page < body.pages\n"),
      "QRY009", "page < body.pages"),
    # templates
    M("a filter that binds tighter", ("input.weight }}", "input.weight / 1000 | fixed(1) }}"), "TPL001", "| fixed"),
    M("braces left out", (NOTE, "input.note"), "TPL002", "input.note", also={"USE004"}),
    M("a slash inside an expression", ("path: /v1/parcels", "path: \"/v1/{{ 'parcels/a' }}\""), "TPL004",
      "'parcels/a'", also={"TPL006"}),
    M("encoded twice", ("path: /v1/parcels", 'path: "/v1/{{ input.lockerId | percent }}"'), "TPL005", "percent"),
    M("a text that falls as a whole", (NOTE, '"For {{ input.lockerId }}: {{ input.note }}"'), "TPL007",
      "{{ input.note }}"),
    # error rules
    M("a rule that swallows a 503", rule('{when: "!(body.ok)", code: REJECTED}'), "ERR001", '"!(body.ok)"'),
    M("a rule that is never reached", rule("{status: 409, code: CONFLICT}\n  - {status: 409, code: REJECTED}"),
      "ERR002", "status", at="{status: 409, code: REJECTED}"),
    M("a message that stands elsewhere", ("body.error.message", "body.error.text"), "ERR009", "body.error.text"),
    M("a promise that nobody can keep", rule("{status: 500, code: PROVIDER_UNAVAILABLE, notProcessed: true}"),
      "ERR003", "true", at="notProcessed"),
    M("a code that nothing reads", (f"{CODE}\n", ""), "ERR005", "code", at="code\n    codes:"),
    # secrets and hosts
    M("a key in a URL", ("      headers:\n        X-Heron-Key", "      query:\n        key"), "SEC005",
      "{{ credentials.apiKey }}"),
    M("a password that is no credential", ("  properties:\n    apiKey:",
      "  properties:\n    password: {type: string, title: Password, description: Of the account.}\n    apiKey:"),
      "SEC004", "password", also={"USE003"}),
    M("http", ("default: https://api", "default: http://api"), "SEC006", "http://"),
    M("a host that anybody can have", ("[api.heron.example]", '[api.heron.example, "*.herokuapp.com"]'), "SEC007",
      '"*.herokuapp.com"', also={"SEC008"}),
    M("personal data in the log", (NOTE_FIELD, NOTE_FIELD + "\n" + NOTE_FIELD.replace("note", "phone")), "SEC009",
      "phone", also={"USE004"}),
    # what a language model sees
    M("a description of three words", (DESCRIPTION, "Books a parcel."), "TOOL002", "Books a parcel."),
    M("an input that nobody explains", (NOTE_FIELD, "        note: {type: string}"), "TOOL003", "note"),
    M("an action that a description misspells", ("Find lockers with list_lockers.", "Find lockers with list_locker."),
      "TOOL008", "list_locker"),
    M("a choice at the root", ("      required: [lockerId, weight]\n",
      "      required: [lockerId]\n      anyOf: [{required: [note]}, {required: [weight]}]\n"), "TOOL011", "anyOf"),
    M("an array without items", (NOTE_FIELD, NOTE_FIELD.replace("string", "array")), "TOOL012", "array"),
    # what nothing uses
    M("a table that nothing uses", ("actions:\n", "tables:\n  size: {map: {s: small}}\nactions:\n"), "USE001", "size"),
    M("a required field that is none", ("[id, city, free]", "[id, city, fre]"), "USE006", "fre"),
    M("an output that nobody promised", ("price: body.price", "prise: body.price"), "USE010", "prise"),
    M("an input that goes nowhere", (f"        note: {NOTE}\n", ""), "USE004", "note", at="note: {type"),
    # cases
    M("a typo in a case", ("answer: {drop: after}", "answer: {dropp: after}"), "SPEC001", "dropp", file=BOOK),
    M("a case of no action", (FULL, FULL + "s"), "NAME009", "book_parcels", file=BOOK),
    M("two cases of one name", ("case: the locker is full", "case: there is no such locker"), "CASE001", "c",
      at='case: there is no such locker\n  action: book_parcel\n  source: Heron\'s documentation, errors\n'
      '  given: {credentials: {apiKey: fake-heron-key-0000}, input: {lockerId: "8"', file=BOOK),
    M("a wrong type in a case", ("json: {locker: 8, weight_g: 500}", 'json: {locker: "8", weight_g: 500}'), "COV008",
      "the locker is full", at=FULL, file=BOOK),
    M("a rule that no case meets", ("locker_full: CONFLICT", "locker_full: CONFLICT\n      broken: REJECTED"), "COV003",
      "broken"),
]  # fmt: skip


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that an author has at the end of the tutorial."""
    return final(TUTORIAL.read_text("utf-8"), tmp_path_factory.mktemp("right")) / "my-specs"


def found_in(specs: Path) -> tuple[Diagnostic, ...]:
    return collect(targets([specs]), open_registry()).findings


def test_without_a_mistake_nothing_is_found(right: Path):
    assert [str(one) for one in found_in(right)] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_mistake_is_found_at_its_characters_with_a_hint(mistake: Mistake, right: Path, tmp_path: Path):
    shutil.copytree(right, tmp_path / "specs")
    path = tmp_path / "specs" / "shipping-heron" / mistake.file
    old, new = mistake.edit
    before = path.read_text("utf-8")
    assert before.count(old) == 1, f"{old!r} stands {before.count(old)} times"
    text = before.replace(old, new)
    path.write_text(text, encoding="utf-8")
    start = text.index(mistake.caret, text.index(mistake.at) if mistake.at else before.index(old))
    line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    found = found_in(tmp_path / "specs")
    shown = [str(one) for one in found]
    hits = [one for one in found if one.code == mistake.code and one.position.file == str(path)]
    places = [(one.position.line, one.position.column, one.length) for one in hits]
    assert places == [(line, column, len(mistake.caret))], shown
    assert hits[0].hint, shown
    assert {one.code for one in found if not one.code.startswith("COV")} - {mistake.code} == set(mistake.also), shown
