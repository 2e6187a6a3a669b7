"""A message to an app becomes events at the connections of its accounts, of all tenants, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cases.memory import memory_store
from engine.events.receive_app import FOR_NOBODY, MOST_CONNECTIONS
from engine.model import Connection
from engine.runtime.account import Account, Accounts
from engine.runtime.apps import APP
from engine.runtime.message import Message
from engine.runtime.routes import changed, digest, learned, proved, route_of
from engine.storage.sqlite import open_store
from tests.events.app_messages import (
    CLIENT_SECRET,
    CONSENT,
    OPERATORS,
    PRIVATE,
    SIGNED,
    URL,
    Clock,
    Place,
    app_catalog,
    app_spec,
    item,
    operators_app_is,
    said,
)
from tests.support.specs import ID, fields, secret, setting

OWN = {"clientId": "fake-client-0001", "clientSecret": "fake-own-secret-0001"}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    store = open_store(data_dir=tmp_path / "data")
    await operators_app_is(store, OPERATORS)
    yield Place(store, app_catalog(tmp_path / "specs"), Clock())
    await store.lifetime.close()


async def test_every_connection_of_the_account_gets_the_event_whosever_it_is(place: Place) -> None:
    await place.connect("c1", config={"region": "north"})
    await place.connect("c2", tenant="tenant-b")
    await place.connect("c3", "2002")
    receipt = await place.tell(said(item("1001")))
    assert (receipt.outcome, receipt.answer.status, len(receipt.event_ids)) == ("accepted", 204, 2)
    (first,) = await place.events()
    assert (first.type, json.loads(first.data)) == ("contact.updated", {"contactId": "7", "region": "north"})
    (second,) = await place.events("tenant-b")
    assert json.loads(second.data) == {"contactId": "7"}


async def test_each_item_goes_to_its_own_account(place: Place) -> None:
    await place.connect("c1")
    await place.connect("c2", "2002", "tenant-b")
    await place.tell(said(item("1001", 1), item("2002", 2), item("1001", 3), item("3003", 4)))
    assert await place.told() == {"c1": 2, "c2": 1}


async def test_what_is_told_again_is_a_duplicate_for_each_connection_by_itself(place: Place) -> None:
    await place.connect("c1")
    assert (await place.tell(said(item("1001")))).outcome == "accepted"
    again = await place.tell(said(item("1001")))
    assert (again.outcome, again.answer.status) == ("duplicate", 208)
    await place.connect("c2", tenant="tenant-b")
    assert (await place.tell(said(item("1001")))).outcome == "accepted"
    assert await place.told() == {"c1": 1, "c2": 1}


async def test_thirty_of_the_same_at_once_make_one_event_for_each(place: Place) -> None:
    await place.connect("c1")
    await place.connect("c2", tenant="tenant-b")
    await asyncio.gather(*(place.tell(said(item("1001"))) for _ in range(30)))
    assert await place.told() == {"c1": 1, "c2": 1}


async def test_a_message_for_nobody_is_accepted_and_says_so_to_the_operator(place: Place) -> None:
    await place.connect("c1")
    receipt = await place.tell(said(item("9009")))
    assert (receipt.outcome, receipt.reason, receipt.integration_id) == ("ignored", FOR_NOBODY, ID)
    assert receipt.answer.status == 204


@pytest.mark.parametrize("portal", ["1001 ", " 1001", "01001", "1001\n", "", None, True, ["1001"], {"a": 1}])
async def test_accounts_are_compared_exactly(place: Place, portal: Any) -> None:
    await place.connect("c1")
    assert digest(ID, portal) != digest(ID, "1001")
    await place.tell(said({**item(portal), "portal": portal}))
    assert await place.told() == {}


def test_a_number_is_the_same_account_as_its_text() -> None:
    assert digest(ID, 1001) == digest(ID, "1001")


async def test_an_app_that_was_taken_away_is_an_ordinary_event_and_changes_no_connection(place: Place) -> None:
    """The next call finds out what became of the grant, and then the connection is in error."""
    made = await place.connect("c1")
    await place.tell(said(item("1001", kind="gone")))
    (event,) = await place.events()
    assert event.type == "connection.revoked"
    assert await place.store.connections.get("tenant-a", "c1") == made


@pytest.mark.parametrize("status", ["inactive", "error"])
async def test_connections_that_are_switched_off_or_broken_are_told_all_the_same(place: Place, status: Any) -> None:
    await place.connect("c1", status=status)
    assert (await place.tell(said(item("1001")))).outcome == "accepted"


async def test_a_connection_whose_webhook_was_closed_is_told_nothing(place: Place) -> None:
    await place.connect("c1")
    await place.store.secrets.put("tenant-a", "c1", "webhook", {"closed": True})
    assert (await place.tell(said(item("1001")))).reason == FOR_NOBODY


async def test_messages_of_connections_have_no_address_here(place: Place) -> None:
    """One URL for all; and what an app is told can't come in where a connection would be told."""
    await place.connect("c1")
    receipt = await place.receiver().receive("c1", said(item("1001")))
    assert (receipt.outcome, receipt.answer.status) == ("refused", 401)
    for unknown in ("nobody", "", ID + "x", "@apps"):
        assert (await place.tell(said(item("1001")), unknown)).outcome == "refused"
    assert await place.told() == {}


# --- who is believed ---


@pytest.mark.parametrize(
    "message",
    [
        said(item("1001"), key="another"),
        replace(said(item("1001")), headers={"content-type": "application/json"}),
        replace(said(item("1001")), body=json.dumps([item("1001", 2)]).encode()),
        replace(said(item("1001")), method="PUT"),
        said(item("1001"), key=""),
        said(item("1001"), key=OPERATORS["clientId"]),
    ],
)
async def test_what_nobody_proves_touches_no_connection(place: Place, message: Message) -> None:
    await place.connect("c1")
    await place.connect("c2", tenant="tenant-b", own_app=OWN)
    receipt = await place.tell(message)
    assert (receipt.outcome, receipt.answer.status, receipt.event_ids) == ("refused", 401, ())
    assert await place.told() == {}
    assert (await place.tell(said(item("1001")))).outcome == "accepted"  # its identity was not used up


async def test_without_the_operators_app_nothing_is_believed(place: Place) -> None:
    await place.connect("c1")
    await operators_app_is(place.store, {})
    assert (await place.tell(said(item("1001")))).outcome == "refused"
    assert (await place.tell(said(item("1001"), key=""))).outcome == "refused"


async def test_a_secret_that_follows_another_proves_at_once_and_the_old_one_while_it_is_kept(place: Place) -> None:
    await place.connect("c1")
    receiver = place.receiver()
    assert (await receiver.receive_app(ID, said(item("1001", 1)))).outcome == "accepted"
    new = {**OPERATORS, "clientSecret": "fake-next-secret-0000", "previousClientSecret": CLIENT_SECRET}
    await operators_app_is(place.store, new)
    place.clock.time += 6
    assert (await receiver.receive_app(ID, said(item("1001", 2), key="fake-next-secret-0000"))).outcome == "accepted"
    assert (await receiver.receive_app(ID, said(item("1001", 3)))).outcome == "accepted"
    await operators_app_is(place.store, {**new, "previousClientSecret": None})
    place.clock.time += 61
    assert (await receiver.receive_app(ID, said(item("1001", 4)))).outcome == "refused"


async def test_what_the_operators_app_proves_is_not_for_a_connection_with_its_own(place: Place) -> None:
    await place.connect("c1", own_app=OWN)
    receipt = await place.tell(said(item("1001")))
    assert (receipt.outcome, receipt.reason) == ("ignored", FOR_NOBODY)


async def test_what_a_connections_own_app_proves_is_for_that_connection_alone(place: Place) -> None:
    await place.connect("c1", own_app=OWN)
    await place.connect("c2")
    await place.connect("c3", own_app={**OWN, "clientSecret": "fake-own-secret-0003"})
    await place.connect("c4", "2002", "tenant-b", own_app={**OWN, "clientSecret": "fake-own-secret-0004"})
    receipt = await place.tell(said(item("1001"), item("2002", 2), key=OWN["clientSecret"]))
    assert (receipt.outcome, receipt.answer.status) == ("accepted", 204)
    assert await place.told() == {"c1": 1}


async def test_one_own_app_may_serve_several_connections(place: Place) -> None:
    await place.connect("c1", own_app=OWN)
    await place.connect("c2", "2002", own_app=OWN)
    await place.tell(said(item("1001"), item("2002", 2), key=OWN["clientSecret"]))
    assert await place.told() == {"c1": 1, "c2": 1}


async def test_who_signs_in_without_the_app_is_not_told_what_the_app_may_see(place: Place) -> None:
    await place.connect("c1", credentials={"privateToken": "fake-private-0000"})
    await place.connect("c2", tenant="tenant-b")
    await place.tell(said(item("1001")))
    assert await place.told() == {"c2": 1}


async def test_an_account_that_was_only_typed_gets_nothing_of_it(place: Place) -> None:
    await place.connect("c1", is_proved=False)
    assert (await place.tell(said(item("1001")))).reason == FOR_NOBODY


async def test_an_account_that_was_changed_since_it_was_proved_gets_nothing_of_either(place: Place) -> None:
    """Also where whoever changed it forgot to say so."""
    made = await place.connect("c1")
    await place.store.connections.update(replace(made, config={"portalId": "2002"}))
    assert (await place.tell(said(item("1001"), item("2002", 2)))).reason == FOR_NOBODY


async def test_a_deleted_connection_gets_nothing(place: Place) -> None:
    await place.connect("c1")
    await place.store.connections.delete("tenant-a", "c1")
    assert (await place.tell(said(item("1001")))).reason == FOR_NOBODY


async def test_a_handshake_is_answered_for_the_right_token_only_and_touches_nothing(place: Place) -> None:
    def hello(token: str) -> Message:
        url = f"{URL}/webhooks/apps/{ID}?hub.verify_token={token}&hub.challenge=4711"
        return Message("GET", url, {}, b"")

    right = await place.tell(hello(OPERATORS["verifyToken"]))
    assert (right.outcome, right.answer.status, right.answer.body) == ("handshake", 200, b"4711")
    for wrong in ("", "fake-verify-token-000", CLIENT_SECRET):
        refused = await place.tell(hello(wrong))
        assert (refused.outcome, refused.answer.status, refused.answer.body) == ("refused", 401, b"")


async def test_an_unproved_message_that_names_thousands_looks_up_a_few(tmp_path: Path, place: Place) -> None:
    looked: list[str] = []
    connections = place.store.connections
    inner = connections.routed

    async def counted(route: str, limit: int) -> Any:
        looked.append(route)
        return await inner(route, limit)

    connections.routed = counted  # type: ignore[method-assign]
    items = [item(str(number), number) for number in range(1500)]
    assert (await place.tell(said(*items, key="another"))).outcome == "refused"
    assert len(looked) == 20


async def test_a_store_that_fails_makes_the_provider_send_again(place: Place) -> None:
    await place.store.lifetime.close()
    receipt = await place.tell(said(item("1001")))
    assert (receipt.outcome, receipt.answer.status, receipt.integration_id) == ("failed", 503, ID)


async def test_one_connection_that_can_not_be_told_keeps_no_other_from_its_event(tmp_path: Path, place: Place) -> None:
    events = [{"type": "contact.updated", "dedupe": ["item.id"], "data": {"at": "from_time(config.region, 'unix')"}}]
    place.catalog = app_catalog(tmp_path / "more", app_spec(events=events))
    await place.connect("c1", config={"region": "nowhere"})
    await place.connect("c2", tenant="tenant-b", config={"region": "1777600000"})
    receipt = await place.tell(said(item("1001")))
    assert (receipt.outcome, receipt.answer.status) == ("failed", 503)
    assert await place.told() == {"c2": 1}
    assert (await place.tell(said(item("1001")))).outcome == "failed"
    assert await place.told() == {"c2": 1}


async def test_an_account_with_too_many_connections_tells_the_first_ones(place: Place, caplog: Any) -> None:
    place.store = memory_store(place.clock.now)
    await operators_app_is(place.store, OPERATORS)
    for number in range(MOST_CONNECTIONS + 3):
        await place.connect(f"c{number}")
    assert len((await place.tell(said(item("1001")))).event_ids) == MOST_CONNECTIONS
    assert "the others get no events of it" in caplog.text


# --- the law ---

_PORTALS = st.sampled_from(["1", "2", "3"])
_SECRETS = st.sampled_from([CLIENT_SECRET, "fake-own-secret-0001", "fake-own-secret-0002", "nobodys"])
_CONNECTIONS = st.lists(
    st.tuples(
        _PORTALS,
        st.sampled_from(["tenant-a", "tenant-b", "tenant-c"]),
        st.sampled_from([None, "fake-own-secret-0001", "fake-own-secret-0002"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
)


@given(_CONNECTIONS, st.lists(_PORTALS, min_size=1, max_size=5), _SECRETS)
def test_exactly_those_get_it_whose_account_it_is_and_whose_app_proved_it(
    shared: Any, connections: Any, portals: list[str], key: str
) -> None:
    async def run() -> None:
        place = Place(memory_store(Clock().now), shared, Clock())
        await operators_app_is(place.store, OPERATORS)
        wanted: dict[str, int] = {}
        for number, (portal, tenant, own, is_proved, is_private) in enumerate(connections):
            await place.connect(
                f"c{number}",
                portal,
                tenant,
                own_app={**OWN, "clientSecret": own} if own else None,
                is_proved=is_proved,
                credentials={"privateToken": "fake-private-0000"} if is_private else {},
            )
            is_theirs = key == own if own else key == CLIENT_SECRET and not is_private
            if is_proved and is_theirs and portal in portals:
                wanted[f"c{number}"] = portals.count(portal)
        await place.tell(said(*(item(portal, number) for number, portal in enumerate(portals)), key=key))
        assert await place.told() == wanted

    asyncio.run(run())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return app_catalog(tmp_path_factory.mktemp("specs"))


# --- what proves an account ---


async def account_of(place: Place, made: Connection) -> Account:
    return await Accounts(place.catalog, place.store).read(made)


async def test_a_route_stands_while_what_was_proved_stands(place: Place) -> None:
    integration = place.catalog.integrations[ID]
    made = await place.connect("c1", is_proved=False)
    known = proved(made, integration)
    assert known.route == route_of(integration, {"portalId": "1001"}) is not None
    assert changed(replace(known, name="other"), integration) == replace(known, name="other")
    assert changed(replace(known, config={"portalId": "2002"}), integration).route is None
    assert changed(made, integration).route is None
    assert learned(made, await account_of(place, made)) == known  # readOnly: only an answer can have told it
    assert proved(replace(made, config={}), integration).route is None


async def test_a_token_of_less_rights_proves_nothing_also_after_it_is_taken_away(place: Place) -> None:
    """Who may read contacts by a token of his own, and then gives it up, must not hear of everything by the app."""
    made = await place.connect("c1", is_proved=False, credentials={"privateToken": "fake-private-0000"})
    account = await account_of(place, made)
    assert learned(made, account) == learned(made, account, signed_in=True) == made
    await place.store.secrets.put("tenant-a", "c1", "credentials", {})
    assert (await place.tell(said(item("1001")))).reason == FOR_NOBODY


async def test_an_app_of_its_own_proves_by_itself(place: Place) -> None:
    made = await place.connect("c1", is_proved=False, own_app=OWN)
    assert learned(made, await account_of(place, made)).route is not None


async def test_what_a_person_typed_is_shown_by_a_sign_in_and_by_nothing_else(tmp_path: Path, place: Place) -> None:
    typed = app_spec("typed-shop")
    typed["configSchema"] = fields((), portalId=setting(), region=setting(), privateToken=secret())
    typed["hosts"] = ["*.acme.example"]
    typed["auth"] = [PRIVATE, {**CONSENT, "exchange": {"request": {"url": "https://{{ config.portalId }}/token"}}}]
    place.catalog = app_catalog(tmp_path / "typed", typed)
    made = await place.connect("c1", "shop.acme.example", is_proved=False, integration_id="typed-shop")
    account = await account_of(place, made)
    assert learned(made, account).route is None
    assert learned(made, account, signed_in=True).route == digest("typed-shop", "shop.acme.example")


async def test_the_same_account_at_two_integrations_is_two(place: Place) -> None:
    assert digest("one", "1001") != digest("two", "1001")
    assert digest("one", "\n1001") is not None


async def test_an_own_app_that_is_empty_is_none(place: Place) -> None:
    await place.connect("c1")
    await place.store.secrets.put("tenant-a", "c1", APP, {})
    assert (await place.tell(said(item("1001")))).outcome == "accepted"


async def test_a_proof_may_use_the_app_where_each_connection_has_its_address(tmp_path: Path, place: Place) -> None:
    webhooks: dict[str, Any] = {"scope": "connection", "route": None, "handshakes": None, "each": None}
    one = app_spec(**webhooks, verify=[SIGNED], events=[{"type": "contact.updated", "dedupe": ["body[0].id"]}])
    place.catalog = app_catalog(tmp_path / "more", one)
    await place.connect("c1")
    await place.store.secrets.put("tenant-a", "c1", "webhook", {"token": "t", "secret": "s"})
    assert (await place.receiver().receive("c1", said(item("1001")))).outcome == "accepted"
    assert (await place.receiver().receive("c1", said(item("1001", 2), key="x"))).outcome == "refused"
