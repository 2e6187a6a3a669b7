"""A provider that nobody has seen before is one folder and nothing else."""

from __future__ import annotations

from pathlib import Path

from engine.bootstrap import open_registry
from engine.catalog import Catalog
from engine.compiled.scope import Scope
from engine.locations import schemas_dir, specs_dir
from engine.spec.load import load_catalog

SPEC = """\
specVersion: 1
integrationId: shipping-nobody-knows
category: shipping
name: Nobody Knows
description: A carrier that did not exist when this program was written.
provider: Nobody Knows Ltd
version: "0.1.0"
status: beta
authType: api_key
configSchema:
  type: object
  required: [apiKey]
  properties:
    apiKey: {type: string, title: API key, description: The key of the account., writeOnly: true}
servers:
  default: https://api.nobody-knows.example/v3
auth:
  - method: key
    type: api_key
    needs: [apiKey]
    apply: {headers: {X-Key: "{{ credentials.apiKey }}"}}
errors:
  - {status: 404, code: NOT_FOUND}
tables:
  state: {map: {"1": created, "2": delivered}, other: unknown}
actions:
  - actionId: track
    category: read
    description: Says where a parcel is, by its code.
    inputSchema:
      type: object
      required: [code]
      properties: {code: {type: string, description: Code of the parcel.}}
    outputSchema:
      type: object
      required: [state]
      properties: {state: {type: string, description: Where it is.}}
    request: {method: GET, path: "/parcels/{{ input.code }}", query: {lang: en}}
    output: {state: "lookup(body.state, 'state')"}
"""


def catalog(folder: Path) -> Catalog:
    return load_catalog([specs_dir(), folder], open_registry(), schemas_dir())


def test_one_folder_adds_a_provider_beside_those_that_are_there(tmp_path: Path) -> None:
    before = set(catalog(tmp_path).integrations)
    (tmp_path / "shipping-nobody-knows").mkdir()
    (tmp_path / "shipping-nobody-knows" / "spec.yaml").write_text(SPEC, encoding="utf-8")
    after = catalog(tmp_path).integrations
    assert set(after) - before == {"shipping-nobody-knows"}
    action = after["shipping-nobody-knows"].actions["track"]
    assert (action.category, action.effect, action.name) == ("read", "read", "Track")
    request = action.steps[0].request
    scope = Scope({"input": {"code": "a/b"}, "config": {}})
    assert request.path is not None
    assert request.path(scope) == "/parcels/a%2Fb"
    assert action.output is not None
    assert action.output(Scope({"body": {"state": 2}})) == {"state": "delivered"}
    assert after["shipping-nobody-knows"].hosts.literal == {"api.nobody-knows.example"}
    assert after["shipping-nobody-knows"].form.credentials == {"apiKey"}
