"""Both functions over the storage on AWS: an event wakes who delivers, through the queue; tokens are kept there too."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.identity.tokens import TokenBook
from engine.storage.ports import Store
from tests.events.delivering import status, until
from tests.events.messages import SECRET, compiled, webhook_spec
from tests.serverless.runtime import Lambda, running
from tests.serverless.test_api import ACME, ADMIN, environment
from tests.support.aws import ROOT_USER, Servers, client, open_empty
from tests.support.upstream import Upstream

MOVED = {"id": 1, "code": "A1", "phone": "0900000001"}


@pytest.fixture
async def store(aws_servers: Servers, aws_user: None) -> AsyncIterator[Store]:
    opened = await asyncio.to_thread(open_empty, aws_servers, "ministack")
    yield opened
    await opened.lifetime.close()


@pytest.fixture
def queue(aws_servers: Servers) -> str:
    return str(client("sqs", aws_servers.secrets).create_queue(QueueName="integrations-wake")["QueueUrl"])


def given(folder: Path, servers: Servers, queue: str, **more: str) -> dict[str, str]:
    on_aws = {
        **ROOT_USER,
        "AWS_ENDPOINT_URL": servers.secrets,
        "INTEGRATIONS_STORAGE": "aws",
        "INTEGRATIONS_WAKE_QUEUE": queue,
        "INTEGRATIONS_SPECS_DIRS": str(folder / "specs"),
        "INTEGRATIONS_ALLOW_PRIVATE": "1",
    }
    return {**environment(folder), **on_aws, **more}


def waiting(servers: Servers, queue: str) -> list[Any]:
    """The messages of the queue as Lambda is given them; they are gone from it."""
    sqs = client("sqs", servers.secrets)
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    for one in found:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    return [{"messageId": one["MessageId"], "body": one["Body"], "eventSource": "aws:sqs"} for one in found]


def _told(function: Lambda, subscriber: str) -> tuple[int, str]:
    """A tenant connects and subscribes, and its provider tells something."""

    def ask(method: str, path: str, body: Any = None) -> Any:
        answered, value, _ = function.http(method, path, body, arn=ADMIN, headers=ACME)
        assert answered == 200, value
        return value

    account = {"integrationId": "acme-shipping", "name": "Main", "credentials": {"apiKey": SECRET}}
    connection = ask("POST", "/connections", account)["connectionId"]
    shown = ask("POST", f"/connections/{connection}/webhooks")
    ask("POST", "/subscriptions", {"url": subscriber, "eventTypes": ["*"]})
    raw = json.dumps(MOVED)
    mac = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    path = shown["url"].removeprefix("https://api.example.com")
    answered, _, _ = function.http("POST", path, raw, headers={"x-signature": mac})
    return answered, connection


async def test_an_event_wakes_the_other_function_and_is_delivered_once(tmp_path, aws_servers, store, queue):
    compiled(tmp_path / "specs", webhook_spec())
    async with Upstream(status(204)) as subscriber:
        names = given(tmp_path, aws_servers, queue)
        with running("engine.api.lambda_handler.handler", tmp_path, names) as api:
            assert (await asyncio.to_thread(_told, api, f"{subscriber.origin}/hook"))[0] == 200
            assert "can't be told" not in api.output
        messages = await asyncio.to_thread(waiting, aws_servers, queue)
        assert [json.loads(one["body"]) for one in messages] == [{"wake": "deliveries"}]
        assert subscriber.seen == []
        (tmp_path / "work").mkdir()
        with running("engine.api.lambda_work.handler", tmp_path / "work", names) as work:
            for _ in range(2):  # a message may come twice
                answer = await asyncio.to_thread(work.call, {"Records": messages}, 60.0)
                assert answer == {"batchItemFailures": []}
            assert await asyncio.to_thread(work.call, {"detail-type": "Scheduled Event"}, 60.0) == {"idle": True}
        assert [json.loads(one.body)["type"] for one in subscriber.seen] == ["parcel.moved"]


async def test_a_queue_that_is_not_there_costs_no_call_its_answer(tmp_path, aws_servers, store, queue):
    compiled(tmp_path / "specs", webhook_spec())
    names = given(tmp_path, aws_servers, f"{queue}-of-nobody")
    with running("engine.api.lambda_handler.handler", tmp_path, names) as api:
        assert (await asyncio.to_thread(_told, api, "http://127.0.0.1:9/hook"))[0] == 200
        assert "the queue of deliveries can't be told" in api.output
    assert len(await store.deliveries.arrivals(10)) == 1  # the schedule finds it


async def test_the_book_of_tokens_is_kept_on_aws_as_anywhere(store):
    books = [TokenBook(store, time.time) for _ in range(2)]
    token = await books[0].create("agents", "token", ["execute"], ["acme"])
    key = await books[1].create("ci", "key", ["execute"], ["*"])
    await asyncio.gather(*(books[i % 2].create(f"t{i}", "token", ["execute"], ["*"]) for i in range(4)))
    known = {one.name: one for one in await books[1].tokens()}
    assert set(known) == {"agents", "ci", "t0", "t1", "t2", "t3"}
    assert known["agents"].secrets[0].key_id == hashlib.sha256(token.secret.encode()).hexdigest()
    assert books[0].secret_of(known["ci"].secrets[0]) == key.secret
    await books[0].revoke("agents")

    async def is_gone() -> bool:
        return "agents" not in {one.name for one in await books[1].tokens()}

    await until(is_gone)
