"""`integrations serve` delivers: from a provider's webhook to a subscriber, through kills and an orderly stop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.serving import Provider, Service, connect, files_of, leaks, serving, start, write_spec
from tests.events.messages import SECRET, webhook_spec
from tests.support.specs import ID
from tests.support.upstream import Reply

PHONE = "0900000001-canary"


@dataclass
class Post:
    """A service, a subscriber, and the path that the provider calls."""

    service: Service
    subscriber: Provider
    specs: Path
    secret: str
    path: str

    def tell(self, number: int) -> httpx.Response:
        raw = json.dumps({"id": number, "code": "A1", "phone": PHONE}).encode()
        mac = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-signature": mac}
        return httpx.post(self.service.url + self.path, content=raw, headers=headers, trust_env=False, timeout=30)

    def deliveries(self) -> list[dict[str, Any]]:
        with self.service.client() as client:
            found: list[dict[str, Any]] = client.get("/deliveries", params={"limit": 200}).json()["deliveries"]
            return found

    def until(self, count: int, status: str) -> None:
        for _ in range(600):
            if [one["status"] for one in self.deliveries()] == [status] * count:
                return
            time.sleep(0.1)
        raise AssertionError(self.deliveries())

    def again(self) -> None:
        self.service = start(self.service.data_dir, "--specs", str(self.specs), "--allow-private")


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with ExitStack() as stack:
        specs = write_spec(tmp_path / "specs", webhook_spec())
        subscriber = stack.enter_context(Provider(lambda _seen: Reply(204)))
        service = stack.enter_context(serving(tmp_path / "data", "--specs", str(specs), "--allow-private"))
        with service.client() as client:
            made = client.post(
                "/subscriptions", json={"url": f"{subscriber.origin}/?key=canary-4711", "eventTypes": ["*"]}
            )
            assert made.status_code == 200, made.text
            connection = connect(client, ID, credentials={"apiKey": SECRET})
            url = client.post(f"/connections/{connection}/webhooks").json()["url"]
        found = Post(service, subscriber, specs, made.json()["secret"], f"/webhooks/{url.rpartition('/webhooks/')[2]}")
        yield found
        if found.service.process.poll() is None:
            found.service.stop()


def test_a_message_becomes_a_delivery_and_nothing_of_it_is_in_the_output_or_the_files(post: Post):
    assert post.tell(1).status_code == 200
    post.until(1, "delivered")
    (seen,) = post.subscriber.seen
    assert Webhook(post.secret).verify(seen.body, seen.headers)["data"]["data"]["phone"] == PHONE
    with post.service.client() as client:
        figures = client.get("/metrics").text
    assert f'integrations_deliveries_total{{integration="{ID}",outcome="delivered"}} 1' in figures
    assert post.service.stop() == 0
    (line,) = [json.loads(one) for one in post.service.lines if '"event":"delivery"' in one]
    assert (line["outcome"], line["httpStatus"], line["host"], line["attempt"]) == ("delivered", 204, "127.0.0.1", 1)
    assert leaks(post.service.output, PHONE, "canary-4711", post.secret.removeprefix("whsec_")) == []
    assert leaks(files_of(post.service.data_dir), PHONE, "canary-4711", post.secret.removeprefix("whsec_")) == []


@pytest.mark.slow  # the lease of the process that is gone must be over
def test_a_service_that_is_killed_delivers_what_it_took_when_it_is_there_again(post: Post):
    """The subscriber hangs, so that everything is on its way or waits when the process dies."""
    post.subscriber.answers(lambda _seen: Reply(200, delay=60))
    for number in range(25):
        assert post.tell(number).status_code == 200
    post.service.kill()
    post.subscriber.answers(lambda _seen: Reply(200))
    post.again()
    post.until(25, "delivered")
    assert len({seen.headers["webhook-id"] for seen in post.subscriber.seen}) == 25


def test_a_subscriber_that_hangs_does_not_hold_up_the_stop_and_gets_it_after_the_next_start(post: Post):
    post.subscriber.answers(lambda _seen: Reply(200, delay=60))
    assert post.tell(1).status_code == 200
    asyncio.run(post.subscriber.has_seen(1))
    assert post.service.stop() == 0
    assert "Traceback" not in post.service.output
    post.subscriber.answers(lambda _seen: Reply(200))
    post.again()
    post.until(1, "delivered")
