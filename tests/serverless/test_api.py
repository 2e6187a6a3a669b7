"""The API as a function: under the official runtime client it is the same API, and it knows callers by the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serverless.runtime import Lambda, http_event, running
from tests.support import specs
from tests.support.upstream import Upstream, answer

AGENT = "arn:aws:sts::111122223333:assumed-role/agents/session-1"
ADMIN = "arn:aws:iam::111122223333:user/lan"
ACME = {"x-tenant-id": "acme"}
POLICY = """\
policyVersion: 1
allow:
  - principals: ["arn:aws:iam::111122223333:role/agents"]
    tenants: [acme]
    actions: [execute]
  - principals: ["arn:aws:iam::111122223333:user/lan"]
    tenants: ["*"]
    actions: [execute, connections, administer]
"""
HANDLER = "engine.api.lambda_handler.handler"
ACCOUNT = {
    "integrationId": "shipping-ghn",
    "name": "Shop",
    "config": {"shopId": "885"},
    "credentials": {"apiKey": "fake-ghn-token-0000"},
}
ACME_ACCOUNT = {"integrationId": specs.ID, "name": "Acme", "credentials": {"apiKey": "fake-acme-token-0000"}}
QUOTE = {"integrationId": specs.ID, "actionId": "quote", "input": {}}


def environment(folder: Path, **more: str) -> dict[str, str]:
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    return {
        "INTEGRATIONS_DATA_DIR": str(folder / "data"),
        "INTEGRATIONS_AUTH": "sigv4",
        "INTEGRATIONS_POLICY": str(policy),
        "INTEGRATIONS_PUBLIC_URL": "https://api.example.com",
        **more,
    }


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    folder = tmp_path_factory.mktemp("function")
    with running(HANDLER, folder, environment(folder)) as one:
        yield one


def test_health_and_logos_are_open_and_text_stays_text(function):
    assert function.http("GET", "/healthz")[:2] == (200, {"status": "ok"})
    assert function.http("GET", "/readyz")[:2] == (200, {"status": "ok"})
    status, logo, headers = function.http("GET", "/catalog/shipping-ghn/logo.svg")
    assert (status, headers["content-type"]) == (200, "image/svg+xml")
    assert logo.startswith("<svg")


def test_the_caller_is_who_the_gateway_says_and_does_what_the_policy_says(function):
    assert function.http("GET", "/catalog", arn=AGENT, headers=ACME)[0] == 200
    assert function.http("GET", "/catalog", arn=AGENT, headers={"x-tenant-id": "other"})[0] == 403
    assert function.http("POST", "/connections", {}, arn=AGENT, headers=ACME)[0] == 403
    assert function.http("GET", "/status", arn=AGENT)[0] == 403
    assert function.http("GET", "/status", arn=ADMIN)[0] == 200
    stranger = "arn:aws:iam::999988887777:user/lan"
    assert function.http("GET", "/catalog", arn=stranger, headers=ACME)[0] == 403


def test_without_the_gateways_word_nobody_is_anybody(function):
    for headers in (ACME, {**ACME, "authorization": "Bearer anything"}, {**ACME, "x-amzn-iam-user-arn": ADMIN}):
        status, body, shown = function.http("GET", "/catalog", headers=headers)
        assert (status, body["code"]) == (401, "UNAUTHORIZED")
        assert shown["www-authenticate"] == "AWS4-HMAC-SHA256"


def test_bodies_queries_and_failures_are_those_of_the_api(function):
    made = function.http("POST", "/connections", ACCOUNT, arn=ADMIN, headers=ACME)[1]
    assert made["status"] == "active"
    listed = function.http(
        "GET", "/connections", arn=ADMIN, headers=ACME, query="integrationId=shipping-ghn&status=active"
    )
    assert [one["connectionId"] for one in listed[1]["connections"]] == [made["connectionId"]]
    status, body, _ = function.http("POST", "/execute", "not json", arn=ADMIN, headers=ACME)
    assert (status, set(body)) == (400, {"defined", "code", "status", "message", "data"})
    assert function.http("DELETE", f"/connections/{made['connectionId']}", arn=ADMIN, headers=ACME)[0] == 200
    status, body, _ = function.http("GET", f"/connections/{made['connectionId']}", arn=ADMIN, headers=ACME)
    assert (status, body["code"]) == (404, "NOT_FOUND")


def test_a_message_of_a_provider_needs_no_caller(function):
    event = http_event("POST", "/webhooks/01JTXK3V9QW8Z2M4N6P8R0S2T4/a b%c3", {"a": 1}, query="b=%20c")
    answer = function.call(event)
    assert (answer["statusCode"], answer["body"]) == (401, "")  # nobody's connection: it proves nothing
    assert "content-type" not in answer["headers"]


def test_an_event_of_the_older_format_makes_nobody_a_caller(function):
    context = {"identity": {"sourceIp": "192.0.2.1", "userArn": ADMIN}}
    event = {"version": "1.0", "httpMethod": "GET", "path": "/catalog", "headers": ACME, "requestContext": context}
    answer = function.call(event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"version": "2.0", "requestContext": {}},
        {"version": "2.0", "requestContext": {"http": {}}, "headers": None},
        {**http_event("POST", "/execute"), "body": "canary-4711 not base64!", "isBase64Encoded": True},
        {**http_event("GET", "/healthz"), "headers": {"host": "canary-4711:a:b"}},
    ],
)
def test_whatever_the_event_is_the_answer_has_the_five_keys(function, event):
    answer = function.call(event)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert set(body) == {"defined", "code", "status", "message", "data"}
    assert answer["headers"]["x-request-id"] in function.output
    assert "canary-4711" not in answer["body"] + function.output
    assert function.http("GET", "/healthz")[0] == 200


async def test_calls_share_one_loop_and_its_connections_and_leave_a_line(tmp_path: Path):
    specs.catalog(tmp_path / "specs", specs.spec())
    async with Upstream(lambda _seen: answer({"price": 7})) as provider:
        given = environment(
            tmp_path,
            INTEGRATIONS_SPECS_DIRS=str(tmp_path / "specs"),
            INTEGRATIONS_UPSTREAMS=f"{specs.ID}={provider.origin}",
        )
        answers, output = await asyncio.to_thread(_three_calls, tmp_path, given)
    assert [one["data"] for one in answers] == [{"got": {"price": 7}}] * 3
    assert len(provider.seen) == 3
    assert provider.connections == 1
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"event":"call"')]
    assert [line["actionId"] for line in lines] == ["quote"] * 3
    assert "fake-acme-token-0000" not in output


def _three_calls(folder: Path, given: dict[str, str]) -> tuple[list[Any], str]:
    with running(HANDLER, folder, given) as one:
        one.http("POST", "/connections", ACME_ACCOUNT, arn=ADMIN, headers=ACME)
        answers = [one.http("POST", "/execute", QUOTE, arn=AGENT, headers=ACME)[1] for _ in range(3)]
        return answers, one.output


def test_a_store_that_can_not_be_opened_is_told_by_each_call_and_not_for_ever(tmp_path: Path):
    given = environment(tmp_path)
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    with running(HANDLER, tmp_path, given) as one:
        status, body, _ = one.http("GET", "/healthz")
        assert (status, set(body)) == (500, {"defined", "code", "status", "message", "data"})
        blocked.unlink()
        assert one.http("GET", "/healthz")[0] == 200
