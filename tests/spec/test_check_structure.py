"""Mistakes in a spec's structure: each is found once, at its own place, with a hint that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.diagnostics import CODES, Diagnostic
from engine.spec.check import check_cases, check_structure
from engine.spec.source import Source, read

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.yaml"))

SPEC = """\
specVersion: 1
integrationId: shipping-acme
category: shipping
name: Acme
description: Sends parcels with Acme.
provider: Acme
version: 1.0.0
status: beta
authType: api_key
configSchema:
  type: object
  required: [apiKey]
  properties:
    apiKey: {type: string, title: API key, writeOnly: true}
    environment: {type: string, enum: [sandbox, production], default: sandbox}
servers: {default: {by: config.environment, sandbox: https://sandbox.acme.test, production: https://api.acme.test}}
hosts: [api.acme.test, sandbox.acme.test]
http: {headers: {Accept: application/json}, encode: {query: {arrays: brackets}}}
auth:
  - method: token
    type: api_key
    apply: {headers: {Token: "{{ credentials.apiKey }}"}}
    sign: {scheme: hmac-sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", put: header.x-signature}
answer: {success: "body.code == `200`", code: body.code, message: body.message}
errors:
  - {messageContains: [Too many], code: RATE_LIMITED, retryable: true}
  - {by: code, codes: {"20101": AUTH_FAILED, "20404": {code: NOT_FOUND}}, other: REJECTED}
tables: {status: {map: {"1": created}, other: unknown}}
limits: [{scope: connection, calls: 100, per: 10}]
test: {action: get_order, accept: {code: [NOT_FOUND]}}
actions:
  - actionId: get_order
    category: read
    description: Shows where a parcel is and its history.
    rateLimit: 100
    inputSchema: {type: object, required: [orderCode], properties: {orderCode: {type: string, pattern: '^[A-Z0-9]+$'}}}
    outputSchema: {type: object, properties: {status: {type: string}}}
    request: {method: GET, path: "/orders/{{ input.orderCode }}"}
    output: {status: body.status, currency: {$const: VND}}
  - actionId: create_order
    category: write
    description: Creates a delivery order and returns its code.
    idempotency: {by: natural, confirm: {action: get_order, input: {orderCode: vars.orderCode}, found: data.status}}
    inputSchema: {type: object}
    outputSchema: {type: object}
    vars: {orderCode: "{{ input.orderCode | default(call.key) }}"}
    request:
      method: POST
      path: /orders
      json: {items: {$each: input.items, $as: line, $value: {sku: "{{ line.sku }}"}}, note: "{{ input.note }}"}
    output: {orderCode: body.code}
webhooks:
  verify:
    - {scheme: hmac-sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", given: headers.x, encoding: hex}
  events: [{type: parcel.updated, dedupe: [body.id], data: {orderCode: body.code}}]
"""


def source_of(text: str, file: str = "spec.yaml") -> Source:
    source, findings = read(file, text)
    assert not findings
    assert source is not None
    return source


class Mistake(NamedTuple):
    claim: str
    old: str
    new: str
    code: str
    at: str
    """The finding points at the first place in the changed text where this stands."""
    says: str
    hint: str


MISTAKES = [
    Mistake(
        "misspelt key",
        "http: {headers:",
        "http: {heders:",
        "SPEC001",
        "heders",
        'unknown key "heders"',
        'did you mean "headers"?',
    ),
    Mistake(
        "misspelt key at the top",
        "answer: {",
        "anwser: {",
        "SPEC001",
        "anwser",
        'unknown key "anwser"',
        'did you mean "answer"?',
    ),
    Mistake(
        "misspelt key in a form field",
        "writeOnly: true",
        "writeonly: true",
        "SPEC001",
        "writeonly",
        "unknown key",
        'did you mean "writeOnly"?',
    ),
    Mistake(
        "misspelt required key",
        "output: {orderCode",
        "ouput: {orderCode",
        "SPEC001",
        "ouput",
        "unknown key",
        'did you mean "output"?',
    ),
    Mistake(
        "key one level too high",
        "    rateLimit: 100\n",
        "    headers: {Zone: b}\n",
        "SPEC001",
        "headers: {Zone",
        "unknown key",
        'it goes into "request"',
    ),
    Mistake(
        "key one level too deep",
        "path: /orders\n",
        "path: /orders\n      vars: {}\n",
        "SPEC001",
        "vars: {}",
        "unknown key",
        'one level up, beside "request"',
    ),
    Mistake(
        "unknown key without a near one",
        "    rateLimit: 100\n",
        "    zzz: 100\n",
        "SPEC001",
        "zzz",
        "unknown key",
        "known: actionId",
    ),
    Mistake(
        "missing key in a list entry",
        "    description: Shows where a parcel is and its history.\n",
        "",
        "SPEC002",
        "actionId: get_order\n    cat",
        '"description" is missing in entry 1 of "actions"',
        "for language models",
    ),
    Mistake(
        "missing key at the top",
        "provider: Acme\n",
        "",
        "SPEC002",
        "specVersion",
        '"provider" is missing',
        "company behind it",
    ),
    Mistake(
        "missing key of an object",
        "{scope: connection, calls: 100, per: 10}",
        "{scope: connection, calls: 100}",
        "SPEC002",
        "{scope",
        '"per" is missing',
        "in so many seconds",
    ),
    Mistake(
        "a signature check without the signature",
        ", given: headers.x, encoding: hex",
        "",
        "SPEC002",
        '{scheme: hmac-sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}"}',
        '"given" is missing',
        "signature that came",
    ),
    Mistake(
        "text instead of a number",
        "rateLimit: 100",
        'rateLimit: "100"',
        "SPEC003",
        '"100"',
        '"rateLimit" must be a whole number, not text',
        "Calls per minute",
    ),
    Mistake(
        "list instead of an object",
        'tables: {status: {map: {"1": created}, other: unknown}}',
        "tables: []",
        "SPEC003",
        "[]\nlimits",
        '"tables" must be an object',
        "Tables for lookup",
    ),
    Mistake(
        "a literal where a query belongs",
        "currency: {$const: VND}",
        "currency: 5",
        "SPEC003",
        "5}",
        "not a number",
        "a literal is written {$const: …}",
    ),
    Mistake(
        "true where a query belongs",
        'success: "body.code == `200`"',
        "success: true",
        "SPEC003",
        "true, code",
        "must be text, not true",
        "a query is text",
    ),
    Mistake(
        "a value that is not in the list",
        'scheme: hmac-sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", put',
        'scheme: hmac-sha-256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", put',
        "SPEC004",
        "hmac-sha-256",
        '"scheme" can\'t be this value',
        'did you mean "hmac-sha256"?',
    ),
    Mistake(
        "an unknown category",
        "category: shipping",
        "category: logistics",
        "SPEC004",
        "logistics",
        "can't be this value",
        "allowed: shipping, payment",
    ),
    Mistake(
        "an unknown error code",
        '"20101": AUTH_FAILED',
        '"20101": AUTH_FAIL',
        "SPEC004",
        "AUTH_FAIL,",
        '"20101" can\'t be this value',
        'did you mean "AUTH_FAILED"?',
    ),
    Mistake(
        "REAUTH_REQUIRED outside auth",
        "code: RATE_LIMITED",
        "code: REAUTH_REQUIRED",
        "SPEC004",
        "REAUTH_REQUIRED",
        "can't be this value",
        "only the errors of an auth method",
    ),
    Mistake(
        "a language version of the future",
        "specVersion: 1",
        "specVersion: 2",
        "SPEC004",
        "2\n",
        '"specVersion" can\'t be this value',
        "allowed: 1",
    ),
    Mistake(
        "a path without its slash",
        "path: /orders\n",
        "path: orders\n",
        "SPEC005",
        "orders\n      json",
        '"path" is not written',
        "starts with /",
    ),
    Mistake(
        "an action id in camelCase",
        "actionId: create_order",
        "actionId: createOrder",
        "SPEC005",
        "createOrder",
        "not written as it must be",
        "snake_case",
    ),
    Mistake(
        "a place that does not exist",
        "put: header.x-signature",
        "put: body.sig",
        "SPEC005",
        "body.sig",
        '"put" is not written',
        "header.<Name>",
    ),
    Mistake(
        "a host without a name",
        "hosts: [api.acme.test",
        "hosts: ['*'",
        "SPEC005",
        "'*'",
        'entry 1 of "hosts"',
        "*.vendor.com",
    ),
    Mistake(
        "two bodies",
        "      path: /orders\n",
        "      path: /orders\n      form: {a: b}\n",
        "SPEC006",
        "form: {a",
        '"form" can\'t stand here',
        "one body, and `json`",
    ),
    Mistake(
        "a URL in an action",
        'path: "/orders/{{ input.orderCode }}"',
        'url: "https://api.acme.test/orders"',
        "SPEC006",
        "url:",
        '"url" can\'t stand here',
        "give `server`",
    ),
    Mistake(
        "request beside steps",
        "    rateLimit: 100\n",
        "    steps: [{stepId: one, effect: read, request: {method: GET, path: /one}}]\n",
        "SPEC006",
        'request: {method: GET, path: "/',
        '"request" can\'t stand here',
        "either one `request` or `steps`",
    ),
    Mistake(
        "a digest with a key",
        '{scheme: hmac-sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", given',
        '{scheme: sha256, text: "{{ request.raw }}", key: "{{ credentials.apiKey }}", given',
        "SPEC006",
        'key: "{{ credentials.apiKey }}", given',
        '"key" can\'t stand here',
        "take no key",
    ),
    Mistake(
        "a key beside $each",
        '$value: {sku: "{{ line.sku }}"}}',
        '$value: {sku: "{{ line.sku }}"}, extra: 1}',
        "SPEC006",
        "extra: 1",
        '"extra" can\'t stand beside "$value"',
        "$each",
    ),
    Mistake(
        "$each without $value",
        ', $value: {sku: "{{ line.sku }}"}',
        "",
        "SPEC002",
        "items: {$each",
        '"$value" is missing in "items": "$each" needs it',
        "What is written",
    ),
    Mistake(
        "a misspelt directive",
        "$each: input.items, $as",
        "$eahc: input.items, $as",
        "SPEC001",
        "$eahc",
        "unknown key",
        'did you mean "$each"?',
    ),
    Mistake(
        "too small a number",
        "rateLimit: 100",
        "rateLimit: 0",
        "SPEC007",
        "0\n    inputSchema",
        '"rateLimit" must be at least 1',
        "Calls per minute",
    ),
    Mistake(
        "an empty list",
        "dedupe: [body.id]",
        "dedupe: []",
        "SPEC007",
        "[], data",
        '"dedupe" must not be empty',
        "same as an earlier one",
    ),
    Mistake(
        "a name that is not camelCase",
        "vars: {orderCode:",
        "vars: {order_code:",
        "SPEC008",
        "order_code",
        '"order_code" is not spelt',
        "camelCase",
    ),
    Mistake(
        "a table with digits as keys",
        'map: {"1": created}',
        'map: {"01": created, "1": []}',
        "SPEC003",
        "[]}",
        '"1" must be text',
        "plain value",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.claim)
def test_a_planted_mistake_is_found_once_at_its_place_with_a_hint(mistake: Mistake) -> None:
    assert SPEC.count(mistake.old) >= 1
    text = SPEC.replace(mistake.old, mistake.new, 1)
    [found] = check_structure(source_of(text))
    before = text[: text.index(mistake.at)]
    assert (found.position.line, found.position.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert found.code == mistake.code
    assert mistake.says in found.message
    assert mistake.hint in found.hint


def test_a_good_spec_has_no_finding() -> None:
    assert check_structure(source_of(SPEC)) == []


def test_every_code_of_a_finding_is_in_the_table_of_codes() -> None:
    assert {mistake.code for mistake in MISTAKES} == {code for code in CODES if "SPEC001" <= code <= "SPEC008"}


def test_mistakes_at_several_places_are_all_found_in_the_order_of_the_text() -> None:
    text = (
        SPEC.replace("status: beta", "status: done").replace("encode:", "encoding:").replace("calls: 100", "calls: 0")
    )
    assert [found.code for found in check_structure(source_of(text))] == ["SPEC004", "SPEC001", "SPEC007"]


def test_a_file_that_is_no_object_is_one_finding() -> None:
    [found] = check_structure(source_of("- a\n- b\n"))
    assert (found.code, found.message) == ("SPEC003", "the file must be an object (name: value), not a list")


def test_no_finding_repeats_a_value() -> None:
    """A credential that was pasted into the wrong place must not travel into logs and reports."""
    secret = "sk_live_4242424242"
    text = SPEC.replace("category: shipping", f"category: {secret}").replace("path: /orders\n", f"path: {secret}\n")
    text = text.replace("rateLimit: 100", f"rateLimit: {secret}")
    found = check_structure(source_of(text))
    assert len(found) == 3
    assert secret not in "\n".join(map(str, found))


def check(path: Path, source: Source) -> list[Diagnostic]:
    return check_cases(source) if path.stem == "cases" else check_structure(source)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_specs_of_real_providers_are_of_the_language(path: Path) -> None:
    assert check(path, source_of(path.read_text(), path.name)) == []


def keys_of(path: Path) -> list[tuple[Path, tuple[str | int, ...]]]:
    found: list[tuple[Path, tuple[str | int, ...]]] = []
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), source_of(path.read_text()).value)]
    while todo:
        at, value = todo.pop()
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, child in entries:
            todo.append(((*at, step), child))
            if isinstance(step, str) and step.isalpha():
                found.append((path, (*at, step)))
    return found


ALL_KEYS = [entry for path in FIXTURES for entry in keys_of(path)]


@given(st.sampled_from(ALL_KEYS), st.sampled_from("qx"))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_misspelt_key_is_at_most_one_finding_and_it_stands_at_the_key(
    entry: tuple[Path, tuple[str | int, ...]], letter: str
) -> None:
    """Names of the author's own and of the provider are free; every other key is known."""
    path, at = entry
    text = path.read_text()
    key = source_of(text).position(at, key=True)
    lines = text.splitlines(keepends=True)
    line = lines[key.line - 1]
    end = key.column - 1 + len(str(at[-1]))
    lines[key.line - 1] = line[:end] + letter + line[end:]
    found = check(path, source_of("".join(lines)))
    assert [(d.code, d.position.line, d.position.column) for d in found] in ([], [("SPEC001", key.line, key.column)])
