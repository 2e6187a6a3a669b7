"""The contract package works with a stock oRPC client: every operation, and every failure as an `ORPCError`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from engine.events.book import EventBook
from engine.events.spread import spread
from engine.events.subscriptions import SubscriptionService
from engine.model import Event
from engine.storage.ports import Store
from tests.api.conformance import DOCUMENT
from tests.api.serving import serving
from tests.api.support import CANARY, START, TOKEN, TickingClock, catalog

CONTRACT = Path(__file__).resolve().parents[2] / "client" / "contract"
_OURS = ("catalog.getLogo", "health.live", "health.ready", "metrics.get", "openapi.get", "status.get")
_OF_PROVIDERS = ("webhooks.", "oauth.")
"""Beside the contract: for operators, and for providers that call us."""
_BY_CONSENT = "connections.authorize"
"""The integration here signs in with a key."""
_SECONDS = 120


async def a_delivered_event(store: Store) -> None:
    """One event and who wants it."""
    subscriptions = SubscriptionService(catalog(), store, TickingClock(), private_ok=False, wake=lambda: None)
    await subscriptions.create("acme", "https://example.com/first", ("*",))
    event_id = str(ULID.from_timestamp(START + 100))
    data = b'{"orderCode":"A1"}'
    await EventBook(store).append(
        [Event(event_id, "acme", "c1", "acme-parcels", "shipment.updated", data, START + 100)]
    )
    await spread(store, START + 101)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict[str, Any]:
    """What the consumer's script saw, all operations and failures in one run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (CONTRACT / "node_modules").is_dir() or not (CONTRACT / "dist").is_dir():
        pytest.skip("client/contract is not installed: run `npm ci` there")
    with serving(tmp_path_factory.mktemp("client"), a_delivered_event) as url:
        run = subprocess.run(
            [node, "test/consumer.mjs", url, TOKEN], cwd=CONTRACT, capture_output=True, timeout=_SECONDS, check=False
        )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_the_contract_has_every_operation_of_the_document_and_no_other(seen):
    described = {
        (operation["operationId"], method.upper(), path)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] not in _OURS and not operation["operationId"].startswith(_OF_PROVIDERS)
    }
    assert {tuple(operation) for operation in seen["operations"]} == described


def test_every_operation_answers_what_the_contract_says(seen):
    """The client validates answers by the contract's schemas; a mismatch would be an error here."""
    ids = [operation[0] for operation in seen["operations"] if operation[0] != _BY_CONSENT]
    assert {name: seen["results"][name] for name in ids if "value" not in seen["results"][name]} == {}


def test_nobody_is_invited_to_consent_where_there_is_nothing_to_consent_to(seen):
    refused = seen["results"][_BY_CONSENT]
    assert (refused["code"], refused["status"], refused["typed"]) == ("BAD_REQUEST", 400, True)


def test_answers_arrive_whole(seen):
    value = {name: result.get("value") for name, result in seen["results"].items()}
    assert value["connections.update"]["name"] == "New name"
    assert value["connections.test"]["success"] is True
    assert value["actions.execute"]["data"] == {"weight": 200}
    assert value["executions.get"]["executionId"] == value["actions.execute"]["executionId"]
    assert value["connections.delete"] == {"success": True}
    assert value["subscriptions.create"]["secret"].startswith("whsec_")
    assert value["events.get"]["data"] == {"orderCode": "A1"}
    assert value["deliveries.redeliver"]["status"] == "pending"
    assert len(value["catalog.list"]["integrations"]) == 1


def test_what_goes_wrong_in_a_call_is_a_value_not_an_error(seen):
    failed = seen["results"]["failed call"]["value"]
    assert failed["success"] is False
    assert (failed["error"]["code"], failed["error"]["retryAfterMs"]) == ("RATE_LIMITED", 1500)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("400 body", 400, "BAD_REQUEST"),
        ("400 form", 400, "BAD_REQUEST"),
        ("400 query", 400, "BAD_REQUEST"),
        ("400 tenant", 400, "BAD_REQUEST"),
        ("400 malformed", 400, "BAD_REQUEST"),
        ("401", 401, "UNAUTHORIZED"),
        ("403", 403, "FORBIDDEN"),
        ("404", 404, "NOT_FOUND"),
        ("404 tenant", 404, "NOT_FOUND"),
        ("404 path", 404, "NOT_FOUND"),
        ("405", 405, "METHOD_NOT_SUPPORTED"),
        ("409", 409, "CONFLICT"),
        ("413", 413, "PAYLOAD_TOO_LARGE"),
        ("415", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("429", 429, "TOO_MANY_REQUESTS"),
        ("500", 500, "INTERNAL_SERVER_ERROR"),
        ("503", 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_every_failure_is_decoded(seen, name, status, code):
    error = seen["results"][name]
    assert error["decoded"] is True
    assert (error["status"], error["code"]) == (status, code)
    assert error["message"]
    assert CANARY not in json.dumps(error)
    if status == 400:
        assert all(issue["message"] and isinstance(issue["path"], list) for issue in error["data"]["issues"])
    else:
        assert error["data"] == {}


def test_issues_name_the_fields(seen):
    def paths(name: str) -> list[Any]:
        return sorted(issue["path"] for issue in seen["results"][name]["data"]["issues"])

    assert paths("400 body") == [["name"], ["nmae"]]
    assert paths("400 form") == [["credentials", "apiKey"]]
    assert paths("400 query") == [["limit"]]


def test_a_client_that_validates_gets_typed_errors(seen):
    assert seen["results"]["409"]["typed"] is True
    assert seen["results"]["401"]["typed"] is False


def test_the_lock_names_no_registry():
    lock = json.loads((CONTRACT / "package-lock.json").read_text(encoding="utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages)
