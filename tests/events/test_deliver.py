"""Events reach their subscribers at least once, signed, and nobody waits for anybody else."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from engine.errors import RequestError
from engine.events.backoff import DELAYS, TOO_OLD
from engine.events.deliver import LARGEST_ANSWER
from engine.events.subscriptions import SubscriptionChange
from engine.events.target import opened
from engine.telemetry.lines import line_of
from engine.telemetry.metrics import Metrics
from tests.events.delivering import PHONE, QUICK, TENANT, Place, event, hanging, placed, status, until
from tests.support.upstream import Reply

# --- what arrives --------------------------------------------------------------------------------------------------


async def test_an_event_arrives_as_the_api_shows_it_signed_so_that_the_official_library_accepts_it(
    place: Place,
) -> None:
    subscriber = await place.subscriber(status(204))
    told = await place.subscribe(subscriber)
    one = event(data={"code": "A1", "amount": 12345678901234567890, "name": "Nguyễn Văn A"})
    await place.tell(one)
    await place.deliver()
    (done,) = await place.all_are("delivered", 1)
    (seen,) = subscriber.seen
    assert (seen.method, seen.target) == ("POST", "/hook?token=canary-4711")
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == one.event_id
    assert told.secret is not None
    body = Webhook(told.secret).verify(seen.body, seen.headers)
    assert sorted(body) == ["data", "timestamp", "type"]
    assert (body["type"], body["timestamp"]) == ("parcel.moved", body["data"]["receivedAt"])
    assert body["data"] == {
        "eventId": one.event_id,
        "tenantId": TENANT,
        "connectionId": "c1",
        "integrationId": "acme-shipping",
        "type": "parcel.moved",
        "data": {"code": "A1", "amount": 12345678901234567890, "name": "Nguyễn Văn A"},
        "receivedAt": body["timestamp"],
    }
    assert (done.attempts, done.http_status, done.error) == (1, 204, None)


async def test_each_subscription_gets_what_it_wants_of_its_own_tenant_from_its_beginning_on(place: Place) -> None:
    everything, parcels, money, other, late = [await place.subscriber(status(200)) for _ in range(5)]
    await place.subscribe(everything)
    await place.subscribe(parcels, "parcel.*")
    await place.subscribe(money, "payment.paid")
    await place.subscribe(other, tenant="tenant-b")
    kinds = ("parcel.moved", "parcel.lost", "payment.paid")
    ids = dict(zip(kinds, await place.tell(*(event(type=kind) for kind in kinds)), strict=True))
    (theirs,) = await place.tell(event(tenant_id="tenant-b"))
    place.clock.ahead = 1.0
    await place.subscribe(late)
    await place.deliver()
    await place.all_are("delivered", 6)
    await place.all_are("delivered", 1, tenant="tenant-b")

    def got(subscriber: object) -> list[str]:
        return sorted(seen.headers["webhook-id"] for seen in subscriber.seen)  # type: ignore[attr-defined]

    assert got(everything) == sorted(ids.values())
    assert got(parcels) == sorted([ids["parcel.moved"], ids["parcel.lost"]])
    assert got(money) == [ids["payment.paid"]]
    assert got(other) == [theirs]
    assert got(late) == []


async def test_two_secrets_sign_while_one_follows_the_other(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    first = await place.subscribe(subscriber)
    second = await place.service.rotate(TENANT, first.subscription.subscription_id, 3600)
    await place.tell(event())
    await place.deliver()
    await subscriber.arrived(1)
    assert second.secret not in (None, first.secret)
    for secret in (first.secret, second.secret):
        Webhook(str(secret)).verify(subscriber.seen[0].body, subscriber.seen[0].headers)
    await place.service.rotate(TENANT, first.subscription.subscription_id, 0)
    await place.tell(event())
    await subscriber.arrived(2)
    assert subscriber.seen[1].headers["webhook-signature"].count("v1,") == 1


async def test_an_event_is_delivered_at_once_where_the_deliverer_is_woken(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    await place.subscribe(subscriber)
    deliverer = await place.deliver(replace(QUICK, idle=3600.0))
    await asyncio.sleep(0.05)
    await place.tell(event())
    deliverer.wake()
    await place.all_are("delivered", 1)


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "http_status", "error"),
    [
        (status(500), 500, "the subscriber answered 500"),
        (status(400), 400, "the subscriber answered 400"),
        (status(302, location="http://127.0.0.1:1/elsewhere"), 302, "redirects are not followed"),
        (hanging, None, "no whole answer came in time"),
        (lambda _: Reply(200, body=b"x", fault="drop"), None, "failed before the answer was whole"),
        (lambda _: Reply(200, body=b"x" * 100, fault="trickle"), None, "no whole answer came in time"),
        (lambda _: Reply(200, body=b"x" * (LARGEST_ANSWER + 1)), None, "larger than"),
    ],
    ids=["500", "400", "redirect", "hangs", "drops", "trickles", "floods"],
)
async def test_what_is_no_2xx_is_tried_again_with_the_same_id_and_a_new_signature(
    place: Place, handler: object, http_status: int | None, error: str
) -> None:
    subscriber = await place.subscriber(handler)  # type: ignore[arg-type]
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    tried = await place.tried(1)
    assert (tried.status, tried.http_status) == ("pending", http_status)
    assert error in str(tried.error)
    assert tried.due_at - float(tried.last_attempt_at or 0) == pytest.approx(DELAYS[0], abs=0.01)
    subscriber.handler = status(200)
    place.clock.ahead = DELAYS[0]
    (done,) = await place.all_are("delivered", 1)
    first, second = subscriber.seen
    assert (done.attempts, done.error) == (2, None)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    Webhook(str(told.secret)).verify(second.body, second.headers)


async def test_nobody_listening_is_a_failure_like_others(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    await place.subscribe(subscriber)
    await subscriber.hang_up()
    await place.tell(event())
    await place.deliver()
    assert (await place.tried(1)).error == "the connection was refused or failed"


async def test_a_subscriber_that_never_takes_it_is_tried_ten_times_and_then_the_delivery_is_dead_and_visible(
    place: Place,
) -> None:
    subscriber = await place.subscriber(status(503))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    for number, delay in enumerate(DELAYS, 1):
        await place.tried(number)
        assert len(subscriber.seen) == number
        place.clock.ahead += delay + 1
    (dead,) = await place.all_are("dead", 1)
    assert (dead.attempts, dead.http_status, dead.error) == (10, 503, "the subscriber answered 503")
    (shown,) = await place.service.find(TENANT)
    assert shown.failing_since is not None
    assert shown.subscription == told.subscription
    assert [one.outcome for one in place.diary.deliveries] == ["retry"] * 9 + ["dead"]


@pytest.mark.parametrize("before", ["dead", "delivered"])
async def test_a_delivery_that_is_over_can_be_put_in_again(place: Place, before: str) -> None:
    subscriber = await place.subscriber(status(200))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    deliverer = await place.deliver()
    (one,) = await place.all_are("delivered", 1)
    if before == "dead":
        await place.store.deliveries.record(replace(one, status="dead", attempts=10, error="no"))
    again = await place.service.redeliver(TENANT, one.delivery_id)
    assert (again.status, again.attempts) == ("pending", 0)
    deliverer.wake()
    await subscriber.arrived(2)
    (done,) = await place.all_are("delivered", 1)
    assert (done.attempts, done.error) == (1, None)
    assert subscriber.seen[0].headers["webhook-id"] == subscriber.seen[1].headers["webhook-id"]
    Webhook(str(told.secret)).verify(subscriber.seen[1].body, subscriber.seen[1].headers)


async def test_what_can_not_be_put_in_again_is_said(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    (one,) = await place.all_are("delivered", 1)
    await place.service.update(TENANT, told.subscription.subscription_id, SubscriptionChange(status="disabled"))
    with pytest.raises(RequestError, match="disabled"):
        await place.service.redeliver(TENANT, one.delivery_id)
    await place.service.update(TENANT, told.subscription.subscription_id, SubscriptionChange(status="active"))
    await place.store.events.expire(time.time() + 1)
    with pytest.raises(RequestError, match="kept no longer"):
        await place.service.redeliver(TENANT, one.delivery_id)
    for tenant, identity in (("tenant-b", one.delivery_id), (TENANT, "nobody")):
        with pytest.raises(RequestError, match="no such delivery"):
            await place.service.redeliver(tenant, identity)


async def test_a_wait_that_a_subscriber_asks_for_is_kept_for_all_that_goes_there(place: Place) -> None:
    subscriber = await place.subscriber(status(429, retry_after="600"))
    await place.subscribe(subscriber)
    (first,) = await place.tell(event())
    await place.deliver()
    tried = await place.tried(1)
    assert tried.due_at - float(tried.last_attempt_at or 0) == pytest.approx(600, abs=1)
    subscriber.handler = status(200)
    await place.tell(event())
    place.clock.ahead = 590
    await asyncio.sleep(0.3)
    assert [seen.headers["webhook-id"] for seen in subscriber.seen] == [first]
    place.clock.ahead = 610
    await place.all_are("delivered", 2)


async def test_gone_ends_the_subscription_visibly_and_all_that_was_pending(place: Place) -> None:
    subscriber = await place.subscriber(status(500))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    await place.tried(1)
    subscriber.handler = status(410)
    await place.tell(event())
    dead = await place.all_are("dead", 2)
    assert {one.error for one in dead} == {"the subscriber answered 410 Gone"}
    stored = await place.stored(told)
    assert (stored.status, stored.reason) == ("disabled", "the subscriber answered 410 Gone")
    await place.tell(event())
    await asyncio.sleep(0.2)
    assert (len(subscriber.seen), len(await place.deliveries())) == (2, 2)
    subscriber.handler = status(200)
    back = SubscriptionChange(status="active")
    assert (await place.service.update(TENANT, told.subscription.subscription_id, back)).subscription.reason is None
    await place.service.redeliver(TENANT, dead[0].delivery_id)
    await place.all_are("delivered", 1, status="delivered")


async def test_an_event_that_is_kept_no_longer_makes_its_delivery_dead(place: Place) -> None:
    subscriber = await place.subscriber(status(500))
    await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    await place.tried(1)
    await place.store.events.expire(time.time() + 1)
    place.clock.ahead = DELAYS[0]
    (dead,) = await place.all_are("dead", 1)
    assert dead.error == "the event is kept no longer"
    assert len(subscriber.seen) == 1


async def test_what_waits_behind_a_subscriber_that_fails_for_days_does_not_wait_for_ever(place: Place) -> None:
    """One at a time is tried there: the others would never get to their tenth attempt."""
    subscriber = await place.subscriber(status(500))
    await place.subscribe(subscriber)
    await place.tell(*(event() for _ in range(40)))
    await place.deliver()
    await subscriber.arrived(11)
    place.clock.ahead = 4 * 86_400 + 60
    await until(lambda: _are_all_dead(place))
    assert TOO_OLD in {one.error for one in await place.deliveries()}


async def _are_all_dead(place: Place) -> bool:
    place.clock.ahead += 10  # pauses go by
    return {one.status for one in await place.deliveries()} == {"dead"}


# --- the guard, and what is not told -------------------------------------------------------------------------------


async def test_a_host_that_resolves_to_a_private_address_is_not_connected_to(tmp_path: Path) -> None:
    """Its name passed the check of the text; the address is judged at every attempt."""
    async with placed(tmp_path, private_ok=False) as place:
        subscriber = await place.subscriber(status(200))
        told = await place.subscribe("https://example.com/hook")
        for url in (f"http://127.0.0.1:{subscriber.port}/", f"http://localhost:{subscriber.port}/"):
            where = replace(opened(place.store.vault, told.subscription), url=url)
            await _point(place, told.subscription.subscription_id, where.url)
            place.diary.deliveries.clear()
            await place.tell(event())
            await place.deliver()
            await until(lambda: _has_failed(place))
            await place.stop()
            assert place.diary.deliveries[0].reason in (
                "the host is not a public address",
                "the host has no public address",
            )
        assert subscriber.connections == 0


async def _has_failed(place: Place) -> bool:
    return any(one.outcome == "retry" for one in place.diary.deliveries)


async def _point(place: Place, subscription_id: str, url: str) -> None:
    """As if the name had come to mean this host after it was checked."""
    place.service._private_ok = True
    await place.service.update(TENANT, subscription_id, SubscriptionChange(url=url))
    place.service._private_ok = False


async def test_a_redirect_is_not_followed(place: Place) -> None:
    inner = await place.subscriber(status(200))
    outer = await place.subscriber(lambda _seen: Reply(307, {"location": f"{inner.origin}/inside"}))
    await place.subscribe(outer)
    await place.tell(event())
    await place.deliver()
    await place.tried(1)
    assert inner.connections == 0


async def test_names_are_looked_up_in_threads_that_nobody_else_needs(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    await place.subscribe(f"http://localhost:{subscriber.port}/hook")
    before = {thread.ident for thread in threading.enumerate()}
    await place.tell(event())
    await place.deliver()
    await place.all_are("delivered", 1)
    assert any(one.name.startswith("lookup") and one.ident not in before for one in threading.enumerate())


async def test_no_line_figure_or_file_holds_the_data_the_secret_or_the_url(place: Place) -> None:
    echo = await place.subscriber(lambda seen: Reply(500, {"x-said": PHONE}, seen.body))
    told = await place.subscribe(echo)
    await place.tell(event())
    await place.deliver()
    await place.tried(1)
    (noted,) = place.diary.deliveries
    line = line_of(noted)
    metrics = Metrics()
    metrics.delivery(noted)
    await place.store.lifetime.check()
    files = b"".join(file.read_bytes() for file in place.data_dir.glob("integrations.db*"))
    assert json.loads(line)["httpStatus"] == 500
    assert b"parcel.moved" in files
    for hidden in (PHONE, "canary-4711", str(told.secret), str(told.secret).removeprefix("whsec_"), "/hook"):
        assert hidden not in line
        assert hidden not in metrics.text({})
        assert hidden.encode() not in files
        assert hidden not in repr(told)
