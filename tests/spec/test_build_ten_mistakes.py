"""A spec with ten mistakes of ten kinds: all are reported at once, each at its place, each with what to write."""

from __future__ import annotations

from engine.diagnostics import render
from tests.spec.compiling import FILE, compiled, marked

TEXT = """\
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
tables:
  payer:
    map: {shop: 1, receiver: 2}
    other: yes
webhooks:
  scope: app
  route: {value: body.shop, equals: config.shop}
  verify: [{scheme: refuse}]
  events: [{type: shipment.updated, data: {code: body.code}}]
actions:
  - actionId: quote
    category: read
    desciption: Quotes the freight of a parcel between two districts.
    inputSchema:
      type: object
      properties:
        weight: {type: integer, description: Weight in grams.}
        payer: {type: string, description: Who pays.}
        code: {type: string, description: Code of a parcel.}
    outputSchema: {type: object, properties: {fee: {type: integer}, currency: {type: string}}}
    errors:
      - {status: 404, code: NOT_FOUND, next: {actionId: qoute}}
    request:
      method: POST
      server: defualt
      path: /fee/{{ input.code }}
      json:
        weight: "{{ input.weight }} {{ input.wieght }}"
        payer: "{{ input.payer | lookup('payr') }}"
    output:
      fee: bdoy.fee
      currency: uper(body.currency)
"""

WANTED = [
    ("YAML018", "yes"),
    ("NAME010", "config.shop"),
    ("SPEC001", "desciption"),
    ("NAME009", "qoute"),
    ("NAME007", "defualt"),
    ("EXPR030", "/fee/{{ input.code }}"),
    ("NAME002", "input.wieght"),
    ("NAME004", "'payr'"),
    ("NAME001", "bdoy"),
    ("NAME003", "uper"),
]


def test_ten_mistakes_give_exactly_ten_diagnostics_each_at_its_place_with_a_hint() -> None:
    integration, found = compiled(TEXT)
    assert integration is None
    assert [(one.code, marked(TEXT, one)) for one in found] == WANTED
    assert all(one.hint for one in found), [str(one) for one in found if not one.hint]
    assert all(one.position.file == FILE for one in found)
    assert [one.position.line for one in found] == sorted(one.position.line for one in found)


def test_their_rendering_shows_each_line_with_carets_under_the_mistake() -> None:
    _, found = compiled(TEXT)
    shown = render(found, {FILE: TEXT})
    assert shown.count("= hint:") == len(WANTED)
    for code, word in WANTED:
        assert code in shown
        assert "^" * len(word) in shown


def test_the_same_spec_without_the_mistakes_compiles() -> None:
    text = TEXT
    for wrong, right in {
        "other: yes": "other: 1",
        "desciption": "description",
        "qoute": "quote",
        "defualt": "default",
        "/fee/{{ input.code }}": "/fee/{{ input.code | default('none') }}",
        " {{ input.wieght }}": "",
        "payr": "payer",
        "bdoy": "body",
        "uper": "upper",
        TEXT[TEXT.index("webhooks:") : TEXT.index("actions:")]: "",
    }.items():
        assert wrong in text
        text = text.replace(wrong, right)
    text = text.replace(
        "path: /fee/{{ input.code | default('none') }}", "path: \"/fee/{{ input.code | default('none') }}\""
    )
    integration, found = compiled(text)
    assert found == []
    assert integration is not None
