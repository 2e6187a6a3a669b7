"""`--upstream`: the requests arrive there whole; whatever comes back is an answer, never an HTTP error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CREDENTIALS, Place, acme
from tests.e2e.serving import Provider, connect, execute, refused, serving, write_spec
from tests.support.ports import free_port
from tests.support.specs import HOST, ID, action
from tests.support.upstream import Reply, Seen, answer

JSON = {"content-type": "application/json"}


def test_path_and_query_are_kept_and_the_intended_host_is_told(place: Place):
    place.provider.answers(lambda _seen: answer({"ok": True}))
    town = "a/b?c#d é%2F😀"
    done = execute(place.client, "quote", connectionId=place.connection_id, input={"weight": 5, "town": town}).json()
    assert done["success"] is True, done
    [seen] = place.provider.seen
    assert seen.target == "/quote/a%2Fb%3Fc%23d%20%C3%A9%252F%F0%9F%98%80?w=5"
    assert seen.headers["x-upstream-host"] == HOST
    assert seen.headers["host"] == place.provider.origin.partition("//")[2]
    assert seen.headers["x-api-key"] == CREDENTIALS["apiKey"]


def test_a_body_arrives_as_it_was_made(place: Place):
    place.provider.answers(lambda _seen: answer({"ok": True}))
    execute(place.client, "book", connectionId=place.connection_id, input={"order": 9007199254740993})
    [seen] = place.provider.seen
    assert (seen.method, seen.body) == ("POST", b'{"order":9007199254740993}')
    assert seen.headers["content-type"].startswith("application/json")


REFUSALS: dict[str, tuple[Reply, str]] = {
    "400": (answer({"m": "bad"}, 400), "INVALID_INPUT"),
    "401": (answer({"m": "who"}, 401), "AUTH_FAILED"),
    "402": (answer({"m": "pay"}, 402), "REJECTED"),
    "403": (answer({"m": "no"}, 403), "FORBIDDEN"),
    "404": (answer({"m": "none"}, 404), "NOT_FOUND"),
    "404 in HTML": (Reply(404, {"content-type": "text/html"}, b"<h1>nope</h1>"), "NOT_FOUND"),
    "409": (answer({"m": "twice"}, 409), "CONFLICT"),
    "410": (answer({"m": "gone"}, 410), "NOT_FOUND"),
    "418": (answer({"m": "tea"}, 418), "REJECTED"),
    "422": (answer({"m": "odd"}, 422), "INVALID_INPUT"),
    "redirect": (Reply(302, {"location": "http://127.0.0.1:1/elsewhere"}), "INVALID_RESPONSE"),
    "500": (answer({"m": "oops"}, 500), "OUTCOME_UNKNOWN"),
    "503 in HTML": (Reply(503, {"content-type": "text/html"}, b"<h1>down</h1>"), "OUTCOME_UNKNOWN"),
    "200 that is no JSON": (Reply(200, JSON, b'{"a": '), "INVALID_RESPONSE"),
    "200 that is too deep": (Reply(200, JSON, b"[" * 200_000 + b"]" * 200_000), "INVALID_RESPONSE"),
    "200 with a number of a gigabyte": (Reply(200, JSON, b'{"a": 1e999999999}'), "INVALID_RESPONSE"),
    "200 that is too large": (Reply(200, JSON, b'"' + b"x" * (6 * 1024 * 1024) + b'"'), "PAYLOAD_TOO_LARGE"),
    "200 whose output is too large": (Reply(200, JSON, b'"' + b"x" * (2 * 1024 * 1024) + b'"'), "PAYLOAD_TOO_LARGE"),
    "dropped": (Reply(fault="drop"), "OUTCOME_UNKNOWN"),
    "cut in half": (Reply(200, JSON, b'{"ok": true}', fault="half"), "OUTCOME_UNKNOWN"),
    "a bad chunk": (Reply(200, JSON, fault="bad chunk"), "OUTCOME_UNKNOWN"),
    "half of a chunk": (Reply(200, {"transfer-encoding": "chunked"}, b"ff\r\n{", fault="half"), "OUTCOME_UNKNOWN"),
    "no HTTP at all": (Reply(fault="garbage"), "OUTCOME_UNKNOWN"),
    "bad gzip": (Reply(200, {**JSON, "content-encoding": "gzip"}, b"not gzip"), "OUTCOME_UNKNOWN"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_whatever_goes_wrong_at_the_provider_is_an_answer_with_its_row(place: Place, what: str):
    """A write, so nothing is sent twice; afterwards a good answer is a good answer again."""
    reply, code = REFUSALS[what]
    place.provider.answers(lambda _seen: reply)
    done = execute(place.client, "book", connectionId=place.connection_id, input={"order": 1})
    assert done.status_code == 200
    body = done.json()
    assert set(body) == {"success", "executionId", "error", "latencyMs"}
    error = body["error"]
    assert (body["success"], error["code"], error["retryable"]) == (False, code, False), body
    assert len(place.provider.seen) == 1
    row = place.client.get(f"/executions/{body['executionId']}").json()
    assert (row["status"], row["errorCode"]) == ("error", code)
    assert row["errorMessage"] == error["message"]
    assert "output" not in row
    refused_account = code == "AUTH_FAILED"
    state = place.client.get(f"/connections/{place.connection_id}").json()
    assert state["status"] == ("error" if refused_account else "active")
    place.provider.answers(lambda _seen: answer({"ok": True}))
    assert execute(place.client, "book", connectionId=place.connection_id, input={"order": 2}).json()["success"] is True
    assert place.client.get(f"/connections/{place.connection_id}").json()["status"] == "active"


def test_a_429_tells_how_long_to_wait(place: Place):
    place.provider.answers(lambda _seen: answer({}, 429, retry_after="77"))
    error = execute(place.client, "book", connectionId=place.connection_id, input={"order": 1}).json()["error"]
    assert (error["code"], error["retryable"]) == ("RATE_LIMITED", True)
    assert 70_000 <= error["retryAfterMs"] <= 77_000


def test_a_read_that_fails_once_is_read_again(place: Place):
    replies = [answer({}, 503), Reply(fault="drop"), answer({"ok": True})]
    place.provider.answers(lambda _seen: replies.pop(0))
    done = execute(place.client, "quote", connectionId=place.connection_id).json()
    assert done["data"] == {"got": {"ok": True}}
    assert len(place.provider.seen) == 3


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"0", b'""', b"false", b"{}", b'{"a":1.10}', b"12345678901234567890123"]
)
def test_small_and_odd_answers_come_through(place: Place, body: bytes):
    place.provider.answers(lambda _seen: Reply(200, JSON, body))
    done = execute(place.client, "quote", connectionId=place.connection_id)
    assert done.json()["success"] is True
    assert done.json()["data"] == ({"got": json.loads(body)} if body != b"null" else {})


def test_an_upstream_that_is_not_there_is_an_answer(tmp_path: Path):
    specs = write_spec(tmp_path / "specs", acme())
    wires = ["--upstream", f"{ID}=http://127.0.0.1:{free_port()}"]
    with serving(tmp_path / "data", "--specs", str(specs), *wires) as service, service.client() as client:
        made = connect(client, ID, credentials=CREDENTIALS)
        error = execute(client, "book", connectionId=made, input={"order": 1}).json()["error"]
    assert (error["code"], error["retryable"]) == ("PROVIDER_UNAVAILABLE", True)
    assert "127.0.0.1" not in error["message"]


def test_too_slow_an_answer_is_a_timeout_or_unknown(tmp_path: Path):
    hasty = [action("look", timeoutSeconds=1), action("order", "write", timeoutSeconds=1)]

    def late(_seen: Seen) -> Reply:
        return Reply(200, JSON, b"{}", delay=2.5)

    with Provider(late) as provider:
        specs = write_spec(tmp_path / "specs", acme(actions=hasty, test=None))
        wires = ["--upstream", f"{ID}={provider.origin}"]
        with serving(tmp_path / "data", "--specs", str(specs), *wires) as service, service.client() as client:
            made = connect(client, ID, credentials=CREDENTIALS)
            read: dict[str, Any] = execute(client, "look", connectionId=made).json()
            assert (read["error"]["code"], read["error"]["retryable"]) == ("TIMEOUT", True)
            write = execute(client, "order", connectionId=made).json()
            assert (write["error"]["code"], write["error"]["retryable"]) == ("OUTCOME_UNKNOWN", False)
            assert client.get(f"/executions/{read['executionId']}").json()["status"] == "timeout"


@pytest.mark.parametrize(
    "origin", ["ftp://x", "http://", "127.0.0.1:1", "http://u:p@h", "http://h/path", "http://h?q=1"]
)
def test_an_origin_that_is_none_ends_the_start(tmp_path: Path, origin: str):
    done = refused(tmp_path, "--upstream", f"{ID}={origin}")
    assert done.returncode == 2
    assert "INTEGRATIONS_UPSTREAMS" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_upstream_for_an_integration_that_does_not_exist_is_told_with_the_nearest_name(tmp_path: Path):
    specs = write_spec(tmp_path / "specs", acme())
    done = refused(tmp_path, "--specs", str(specs), "--upstream", "acme-shiping=http://127.0.0.1:1")
    assert done.returncode == 2
    assert 'did you mean "acme-shipping"' in done.stderr
