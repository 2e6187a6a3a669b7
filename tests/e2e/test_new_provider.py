"""A provider that nobody has seen: one folder written by hand, and everything works, with no line of code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.serving import ROOT, Provider, Service, connect, execute, leaks, problem, serving
from tests.support.upstream import answer

SPEC = """\
specVersion: 1
integrationId: shipping-skua
category: shipping
name: Skua Parcel
description: A carrier of the northern islands that delivers by boat twice a week and can be followed by parcel number.
provider: Skua Islands Post
version: 0.3.0
status: beta
authType: api_key
configSchema:
  type: object
  additionalProperties: false
  required: [apiKey, depot]
  properties:
    apiKey: {type: string, title: API key, description: The key from the page Access of your account., writeOnly: true}
    depot: {type: string, title: Depot, description: Code of the depot that takes your parcels., pattern: '^[A-Z]{3}$'}
    system: {type: string, title: System, description: Which of the two to use., enum: [trial, live], default: live}
servers:
  default: {by: config.system, trial: https://trial.skua.example/v2, live: https://api.skua.example/v2}
hosts: [trial.skua.example, api.skua.example]
auth:
  - method: key
    type: api_key
    needs: [apiKey]
    apply: {headers: {X-Skua-Key: "{{ credentials.apiKey }}"}}
answer: {code: body.fault.id, message: body.fault.text}
errors:
  - by: code
    codes:
      NO_BOAT: REJECTED
      KEY_UNKNOWN: AUTH_FAILED
      TRY_LATER: {code: PROVIDER_UNAVAILABLE, retryable: true}
tables:
  state: {map: {A: waiting, B: at_sea, C: delivered}, other: unknown}
test: {action: track_parcel, input: {parcelNumber: SK 1/7}}
actions:
  - actionId: track_parcel
    category: read
    name: Track a parcel
    description: Tells where a parcel is and when its boat is expected, by the number that book_parcel gave.
    rateLimit: 30
    inputSchema:
      type: object
      additionalProperties: false
      required: [parcelNumber]
      properties:
        parcelNumber: {type: string, minLength: 1, description: Number of the parcel as book_parcel gave it.}
        language: {type: string, enum: [en, is], default: en, description: Language of the texts in the answer.}
        events: {type: boolean, description: Whether the stops so far are wanted too.}
    outputSchema:
      type: object
      required: [state]
      properties:
        state: {type: string, description: Where the parcel is., enum: [waiting, at_sea, delivered, unknown]}
        expectedAt: {type: string, description: When the boat is expected.}
        stops: {type: array, items: {type: string}, description: Names of the harbours so far.}
    request:
      method: GET
      path: /parcels/{{ input.parcelNumber }}/state
      query: {lang: "{{ input.language }}", events: "{{ input.events }}"}
    output:
      state: lookup(body.state, 'state')
      expectedAt: body.boat.due
      stops: body.stops[].harbour
  - actionId: book_parcel
    category: write
    name: Book a parcel
    description: Books a place on the next boat for one parcel; the freight is charged to the account at once.
    inputSchema:
      type: object
      additionalProperties: false
      required: [harbour, grams]
      properties:
        harbour: {type: string, minLength: 1, description: Harbour that the parcel goes to.}
        grams: {type: integer, minimum: 1, description: Weight of the parcel in grams.}
        receiver: {type: string, x-sensitive: true, description: Name of the person who fetches the parcel.}
    outputSchema:
      type: object
      required: [parcelNumber]
      properties:
        parcelNumber: {type: string, description: Number of the parcel; track_parcel takes it.}
        price: {type: number, description: What was charged in crowns.}
    idempotency: key
    request:
      method: POST
      path: /parcels
      headers: {Skua-Once: "{{ call.key }}"}
      json:
        from: "{{ config.depot }}"
        to: "{{ input.harbour }}"
        weight: {g: "{{ input.grams }}"}
        name: "{{ input.receiver }}"
    output: {parcelNumber: text(body.number), price: body.price}
"""

CASES = """\
- case: a parcel at sea
  action: track_parcel
  source: invented for this test
  given:
    config: {depot: RVK}
    credentials: {apiKey: skua-key-of-the-cases}
    input: {parcelNumber: SK 1/7}
  exchanges:
    - expect:
        method: GET
        url: https://api.skua.example/v2/parcels/SK%201%2F7/state?lang=en
        headers: {X-Skua-Key: skua-key-of-the-cases}
      answer:
        status: 200
        json: {state: B, boat: {due: "2026-05-03T08:00:00Z"}, stops: [{harbour: Vik}, {harbour: Hofn}]}
  result: {state: at_sea, expectedAt: "2026-05-03T08:00:00Z", stops: [Vik, Hofn]}

- case: no boat goes there
  action: book_parcel
  source: invented for this test
  given:
    config: {depot: RVK}
    credentials: {apiKey: skua-key-of-the-cases}
    input: {harbour: Atlantis, grams: 5}
  exchanges:
    - expect:
        method: POST
        url: https://api.skua.example/v2/parcels
        headers: {X-Skua-Key: skua-key-of-the-cases}
        json: {from: RVK, to: Atlantis, weight: {g: 5}}
        match: subset
      answer: {status: 422, json: {fault: {id: NO_BOAT, text: no boat goes there}}}
  error: {code: REJECTED, retryable: false, providerCode: NO_BOAT}

- case: a booking
  action: book_parcel
  source: invented for this test
  given:
    idempotencyKey: order-9
    config: {depot: RVK}
    credentials: {apiKey: skua-key-of-the-cases}
    input: {harbour: Vik, grams: 1200, receiver: Anna}
  exchanges:
    - expect:
        method: POST
        url: https://api.skua.example/v2/parcels
        headers: {X-Skua-Key: skua-key-of-the-cases}
        json: {from: RVK, to: Vik, weight: {g: 1200}, name: Anna}
      answer: {status: 201, json: {number: 70012345678901234567, price: 12.5}}
  result: {parcelNumber: "70012345678901234567", price: 12.5}
"""

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><circle r="1"/></svg>'
KEY = "skua-key-of-the-cases"
ID = "shipping-skua"
TRACK = {"parcelNumber": "SK 1/7"}
BOOK = {"harbour": "Vik", "grams": 1200, "receiver": "Anna"}


def write_folder(specs: Path, *, logo: str | None = None) -> Path:
    """All that an author writes."""
    (specs / ID / "cases").mkdir(parents=True)
    (specs / ID / "spec.yaml").write_text(SPEC)
    (specs / ID / "cases" / "parcels.yaml").write_text(CASES)
    if logo is not None:
        (specs / ID / "logo.svg").write_text(logo)
    return specs


@dataclass
class Sandbox:
    service: Service
    client: httpx.Client
    connection_id: str


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("skua") / "specs")


@pytest.fixture(scope="module")
def sandbox(specs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    data_dir = tmp_path_factory.mktemp("sandbox") / "data"
    with serving(data_dir, "--sandbox", "--specs", str(specs)) as service, service.client() as client:
        connection_id = connect(client, ID, config={"depot": "RVK"}, credentials={"apiKey": KEY})
        yield Sandbox(service, client, connection_id)


def test_the_linter_takes_the_spec(specs: Path):
    program = str(Path(sys.executable).parent / "spec-lint")
    done = subprocess.run(
        [program, "--no-cases", str(specs)], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_stands_in_the_catalogue(sandbox: Sandbox):
    listed = sandbox.client.get("/catalog", params={"category": "shipping", "status": "beta"}).json()["integrations"]
    [summary] = [one for one in listed if one["integrationId"] == ID]
    assert (summary["name"], summary["authType"], summary["authMethods"]) == ("Skua Parcel", "api_key", ["key"])
    assert "logoUrl" not in summary
    detail = sandbox.client.get(f"/catalog/{ID}").json()
    assert detail["configSchema"]["properties"]["apiKey"]["writeOnly"] is True
    assert detail["configSchema"]["required"] == ["apiKey", "depot"]
    assert [one["actionId"] for one in detail["actions"]] == ["track_parcel", "book_parcel"]


def test_its_actions_show_their_schemas(sandbox: Sandbox):
    actions = sandbox.client.get(f"/catalog/{ID}/actions").json()["actions"]
    assert [(one["actionId"], one["category"]) for one in actions] == [
        ("track_parcel", "read"),
        ("book_parcel", "write"),
    ]
    track = sandbox.client.get(f"/catalog/{ID}/actions/track_parcel").json()
    assert track["rateLimit"] == 30
    assert track["inputSchema"]["properties"]["language"]["enum"] == ["en", "is"]
    assert track["outputSchema"]["required"] == ["state"]


def test_without_a_logo_there_is_none_and_with_one_it_is_served_to_everybody(sandbox: Sandbox, tmp_path: Path):
    problem(sandbox.client.get(f"/catalog/{ID}/logo.svg"), 404, "NOT_FOUND")
    specs = write_folder(tmp_path / "specs", logo=LOGO)
    with serving(tmp_path / "data", "--specs", str(specs)) as service:
        with service.client() as client:
            url = client.get(f"/catalog/{ID}").json()["logoUrl"]
        shown = httpx.get(url, trust_env=False, verify=False)
    assert shown.text == LOGO
    assert shown.headers["content-type"].startswith("image/svg+xml")


def test_it_connects_and_proves_its_key(sandbox: Sandbox):
    shown = sandbox.client.get(f"/connections/{sandbox.connection_id}")
    assert shown.json()["config"] == {"depot": "RVK"}
    assert shown.json()["status"] == "active"
    assert leaks(shown.text, KEY) == []
    proof = sandbox.client.post(f"/connections/{sandbox.connection_id}/test").json()
    assert proof["success"] is True, proof
    wrong = sandbox.client.post(
        "/connections",
        json={"integrationId": ID, "name": "x", "config": {"depot": "rvk"}, "credentials": {"apiKey": KEY}},
    )
    [issue] = problem(wrong, 400, "BAD_REQUEST")["data"]["issues"]
    assert issue["path"] == ["config", "depot"]


def test_its_read_is_answered_by_the_case_and_logged(sandbox: Sandbox):
    done = execute(sandbox.client, "track_parcel", connectionId=sandbox.connection_id, input=TRACK).json()
    assert done["success"] is True, done
    assert done["data"] == {"state": "at_sea", "expectedAt": "2026-05-03T08:00:00Z", "stops": ["Vik", "Hofn"]}
    row = sandbox.client.get(f"/executions/{done['executionId']}").json()
    assert (row["integrationId"], row["actionId"], row["status"]) == (ID, "track_parcel", "success")
    assert (row["input"], row["output"]) == (TRACK, done["data"])


def test_its_write_keeps_every_digit_and_masks_the_person_in_the_log(sandbox: Sandbox):
    done = execute(sandbox.client, "book_parcel", integrationId=ID, input=BOOK, key="order-9")
    body = done.json()
    assert body["data"]["parcelNumber"] == "70012345678901234567", body
    assert body["data"]["price"] == 12.5
    row = sandbox.client.get(f"/executions/{body['executionId']}").json()
    assert row["input"] == {**BOOK, "receiver": "•••"}
    again = execute(sandbox.client, "book_parcel", integrationId=ID, input=BOOK, key="order-9")
    assert again.json() == body
    assert again.headers["idempotent-replayed"] == "true"


def test_its_own_error_words_become_the_engines(sandbox: Sandbox):
    asked = {"harbour": "Atlantis", "grams": 5}
    error = execute(sandbox.client, "book_parcel", integrationId=ID, input=asked).json()["error"]
    assert (error["code"], error["providerCode"], error["message"]) == ("REJECTED", "NO_BOAT", "no boat goes there")


def test_what_no_case_fits_names_the_nearest_one(sandbox: Sandbox):
    asked = {"parcelNumber": "SK 9"}
    error = execute(sandbox.client, "track_parcel", connectionId=sandbox.connection_id, input=asked).json()["error"]
    assert error["code"] == "REJECTED"
    assert "a parcel at sea" in error["message"]
    assert leaks(error["message"], KEY) == []


def test_against_a_server_it_sends_exactly_what_the_folder_says(specs: Path, tmp_path: Path):
    flaky: list[Any] = [
        answer({"fault": {"id": "TRY_LATER", "text": "low tide"}}, 503),
        answer({"number": 7, "price": 1}),
    ]
    with (
        Provider(lambda _seen: flaky.pop(0)) as provider,
        serving(tmp_path / "data", "--specs", str(specs), "--upstream", f"{ID}={provider.origin}") as service,
        service.client() as client,
    ):
        made = connect(client, ID, config={"depot": "HUS", "system": "trial"}, credentials={"apiKey": KEY})
        done = execute(client, "book_parcel", connectionId=made, input={"harbour": "Höfn", "grams": 10}).json()
        assert done["data"] == {"parcelNumber": "7", "price": 1}, done
        first, second = provider.seen
        assert (first.method, first.target) == ("POST", "/v2/parcels")
        assert first.headers["x-upstream-host"] == "trial.skua.example"
        assert first.headers["x-skua-key"] == KEY
        assert first.json() == {"from": "HUS", "to": "Höfn", "weight": {"g": 10}}
        assert first.headers["skua-once"] == second.headers["skua-once"], "the retry carries the same key"
        flaky.append(answer({"state": "Z"}))
        done = execute(
            client, "track_parcel", connectionId=made, input={"parcelNumber": "a/b c?", "events": True}
        ).json()
        assert done["data"] == {"state": "unknown"}
        assert provider.seen[-1].target == "/v2/parcels/a%2Fb%20c%3F/state?lang=en&events=true"
