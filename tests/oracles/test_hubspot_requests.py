"""HubSpot: the requests that leave and the answers that are read, held to the vendor's own client."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import hubspot
import pytest
from hubspot.crm import contacts, deals, owners, pipelines
from hubspot.crm.associations import v4 as associations
from hubspot.crm.objects import notes, tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cases.read import read_cases
from engine.locations import specs_dir
from tests.oracles.account import Account, account
from tests.oracles.test_hubspot import ID, catalog
from tests.support.upstream import Reply, Seen, answer

TOKEN = "fake-hubspot-token-0000"

# ---------------------------------------------------------------------------------------------------------- requests


@dataclass
class Wire:
    """A server in HubSpot's place for the vendor's client: keeps what came."""

    origin: str
    seen: list[tuple[str, str, bytes, Mapping[str, str]]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Wire]:
    wire = Wire("")

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            wire.seen.append((self.command, self.path, body, {name.lower(): v for name, v in self.headers.items()}))
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"null")

        do_GET = do_POST = do_PATCH = do_PUT = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        wire.origin = f"http://127.0.0.1:{server.server_port}"
        try:
            yield wire
        finally:
            server.shutdown()


Ask = Callable[[hubspot.HubSpot], object]
Asked = tuple[dict[str, Any], Sequence[Ask]]
"""The input of an action, and each of its requests made with the vendor's client."""

CONTACT = ["email", "firstname", "lastname", "phone", "company", "associatedcompanyid", "hubspot_owner_id"]
CONTACT = [*CONTACT, "lifecyclestage"]
DEAL = ["dealname", "amount", "deal_currency_code", "dealstage", "pipeline", "closedate", "hubspot_owner_id"]
TASK = ["hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_timestamp", "hubspot_owner_id"]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["a=b&c", "Áo thun & quần", "a+b %5B [x] y~z*'\"", "100%", "đ", "🎁"]
)
EMAIL = st.sampled_from(["nguyen+a@example.com", "nguyenvana@example.com", "o'neil%20@example.com"])
FIELDS = st.dictionaries(st.sampled_from(["jobtitle", "city", "birthday"]), st.just("") | TEXT, min_size=1)
NAMES = {
    "firstName": "firstname",
    "lastName": "lastname",
    "phone": "phone",
    "companyName": "company",
    "status": "lifecyclestage",
}
PEOPLE = st.fixed_dictionaries({}, optional={**dict.fromkeys(NAMES, TEXT), "fields": FIELDS, "ownerId": st.just("77")})


def person(found: Mapping[str, Any]) -> dict[str, str]:
    names = {**NAMES, "email": "email", "ownerId": "hubspot_owner_id"}
    return {**found.get("fields", {}), **{theirs: found[ours] for ours, theirs in names.items() if ours in found}}


def link(module: Any, to: str, kind: int) -> Any:
    types = [module.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=kind)]
    return module.PublicAssociationsForObject(to=module.PublicObjectId(id=to), types=types)


def made(module: Any, properties: Mapping[str, str], *links: Any) -> Any:
    return module.SimplePublicObjectInputForCreate(properties=dict(properties), associations=list(links))


def changed(module: Any, properties: Mapping[str, str]) -> Any:
    return module.SimplePublicObjectInput(properties=dict(properties))


def asking(module: Any, conditions: Sequence[Mapping[str, Any]], **more: Any) -> Any:
    group = module.FilterGroup(filters=[module.Filter(**found) for found in conditions])
    return module.PublicObjectSearchRequest(filter_groups=[group] if conditions else None, **more)


def upserting(found: Sequence[Mapping[str, Any]], *, traced: bool) -> Any:
    inputs = [
        contacts.SimplePublicObjectBatchInputUpsert(
            id=one["email"],
            id_property="email",
            properties=person(one),
            object_write_trace_id=str(place) if traced else None,
        )
        for place, one in enumerate(found)
    ]
    return contacts.BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)


def stages(sdk: hubspot.HubSpot) -> object:
    return sdk.crm.pipelines.pipelines_api.get_all("deals")


def one_contact(email: str) -> Asked:
    return {"email": email, "fields": ["city"]}, [
        lambda sdk: sdk.crm.contacts.basic_api.get_by_id(email, properties=[*CONTACT, "city"], id_property="email")
    ]


def some_contacts(found: tuple[str, str]) -> Asked:
    email, text = found
    given: dict[str, Any] = {"email": email, "text": text, "sortBy": "createdate", "descending": True, "limit": 7}
    given["filters"] = [{"field": "lifecyclestage", "operator": "IN", "values": ["lead"]}]
    conditions: list[dict[str, Any]] = [
        {"property_name": "lifecyclestage", "operator": "IN", "values": ["lead"]},
        {"property_name": "email", "operator": "EQ", "value": email},
    ]
    sorts = [{"propertyName": "createdate", "direction": "DESCENDING"}]
    asked = asking(contacts, conditions, query=text, properties=CONTACT, sorts=sorts, limit=7)
    return given, [lambda sdk: sdk.crm.contacts.search_api.do_search(asked)]


def new_contact(found: dict[str, Any]) -> Asked:
    asked = made(contacts, person(found), link(contacts, "301", 1))
    return {**found, "companyId": "301"}, [lambda sdk: sdk.crm.contacts.basic_api.create(asked)]


def other_contact(found: dict[str, Any]) -> Asked:
    asked = changed(contacts, person(found))
    return {"contactId": "51", **found}, [lambda sdk: sdk.crm.contacts.basic_api.update("51", asked)]


def either_contact(found: dict[str, Any]) -> Asked:
    return found, [lambda sdk: sdk.crm.contacts.batch_api.upsert(upserting([found], traced=False))]


def several_contacts(found: list[dict[str, Any]]) -> Asked:
    return {"contacts": found}, [lambda sdk: sdk.crm.contacts.batch_api.upsert(upserting(found, traced=True))]


def deals_of(limit: int) -> Asked:
    read = deals.BatchReadInputSimplePublicObjectId(
        inputs=[deals.SimplePublicObjectId(id="9001")], properties=DEAL, properties_with_history=[]
    )
    return {"contactId": "51", "limit": limit}, [
        lambda sdk: sdk.crm.associations.v4.basic_api.get_page("contacts", "51", "deals", limit=limit),
        lambda sdk: sdk.crm.deals.batch_api.read(read),
        stages,
    ]


def some_deals(name: str) -> Asked:
    asked = asking(deals, [{"property_name": "dealname", "operator": "EQ", "value": name}], properties=DEAL, limit=10)
    return {"name": name}, [lambda sdk: sdk.crm.deals.search_api.do_search(asked), stages]


def shown(deal_id: str) -> Ask:
    return lambda sdk: sdk.crm.deals.basic_api.get_by_id(
        deal_id, properties=DEAL, associations=["contacts", "companies"]
    )


def one_deal(deal_id: str) -> Asked:
    return {"dealId": deal_id}, [shown(deal_id), stages]


def new_deal(found: tuple[str, dict[str, str]]) -> Asked:
    name, fields = found
    given = {"name": name, "stageId": "contractsent", "contactIds": ["51", "52"], "companyId": "301", "fields": fields}
    properties = {**fields, "dealname": name, "pipeline": "default", "dealstage": "contractsent"}
    asked = made(deals, properties, link(deals, "51", 3), link(deals, "52", 3), link(deals, "301", 5))
    return given, [lambda sdk: sdk.crm.deals.basic_api.create(asked)]


def other_deal(name: str) -> Asked:
    given = {
        "dealId": "9001",
        "name": name,
        "amount": {"amount": "1499.90", "currency": "TRY"},
        "closeDate": "2026-03-31",
    }
    properties = {"dealname": name, "amount": "1499.90", "deal_currency_code": "TRY"}
    asked = changed(deals, {**properties, "closedate": "2026-03-31T00:00:00.000Z"})
    return given, [lambda sdk: sdk.crm.deals.basic_api.update("9001", asked), shown("9001"), stages]


def new_note(text: str) -> Asked:
    given = {"text": text, "contactId": "51", "dealId": "9001", "companyId": "301", "at": "2026-02-02T10:00:00Z"}
    properties = {"hs_timestamp": "2026-02-02T10:00:00.000Z", "hs_note_body": text}
    links = [link(notes, to, kind) for to, kind in (("51", 202), ("9001", 214), ("301", 190))]
    asked = made(notes, properties, *links)
    return given, [lambda sdk: sdk.crm.objects.notes.basic_api.create(asked)]


def new_task(subject: str) -> Asked:
    given = {"subject": subject, "dueDate": "2026-03-31", "contactId": "51", "dealId": "9001", "companyId": "301"}
    properties = {"hs_timestamp": "2026-03-31T00:00:00.000Z", "hs_task_subject": subject}
    links = [link(tasks, to, kind) for to, kind in (("51", 204), ("9001", 216), ("301", 192))]
    asked = made(tasks, {**properties, "hs_task_status": "NOT_STARTED"}, *links)
    return given, [lambda sdk: sdk.crm.objects.tasks.basic_api.create(asked)]


def other_task(subject: str) -> Asked:
    asked = changed(tasks, {"hs_task_subject": subject, "hs_task_status": "COMPLETED"})
    given = {"taskId": "701", "subject": subject, "status": "done"}
    return given, [
        lambda sdk: sdk.crm.objects.tasks.basic_api.update("701", asked),
        lambda sdk: sdk.crm.objects.tasks.basic_api.get_by_id("701", properties=TASK),
    ]


def linked(kinds: tuple[str, str]) -> Asked:
    names = {"contact": "contacts", "company": "companies", "deal": "deals", "note": "notes", "task": "tasks"}
    given = {"fromType": kinds[0], "fromId": "1", "toType": kinds[1], "toId": "2"}
    pair = [names[kind] for kind in kinds]
    return given, [lambda sdk: sdk.crm.associations.v4.basic_api.create_default(pair[0], "1", pair[1], "2")]


KINDS = st.sampled_from(["contact", "company", "deal", "note", "task"])
NAMED = st.tuples(EMAIL, PEOPLE).map(lambda found: {"email": found[0], **found[1]})
CALLS: Mapping[str, st.SearchStrategy[Asked]] = {
    "find_contact": st.tuples(EMAIL, TEXT).map(some_contacts),
    "get_contact": EMAIL.map(one_contact),
    "list_contacts": st.integers(1, 100).map(
        lambda limit: (
            {"limit": limit},
            [lambda sdk: sdk.crm.contacts.basic_api.get_page(properties=CONTACT, limit=limit)],
        )
    ),
    "create_contact": NAMED.map(new_contact),
    "update_contact": PEOPLE.filter(bool).map(other_contact),
    "upsert_contact": NAMED.map(either_contact),
    "upsert_contacts": st.lists(NAMED, min_size=1, max_size=3).map(several_contacts),
    "list_contact_deals": st.integers(1, 100).map(deals_of),
    "find_deals": TEXT.map(some_deals),
    "get_deal": st.integers(1, 10**12).map(str).map(one_deal),
    "create_deal": st.tuples(TEXT, FIELDS).map(new_deal),
    "update_deal": TEXT.map(other_deal),
    "list_deal_stages": st.just(({}, [stages])),
    "list_owners": EMAIL.map(
        lambda email: (
            {"email": email},
            [lambda sdk: sdk.crm.owners.owners_api.get_page(email=email, limit=100)],
        )
    ),
    "create_note": TEXT.map(new_note),
    "create_task": TEXT.map(new_task),
    "update_task": TEXT.map(other_task),
    "link_records": st.tuples(KINDS, KINDS).map(linked),
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("hubspot"), ID, config={}, credentials={"accessToken": TOKEN}) as opened:
        yield opened


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with listening() as opened:
        yield opened


def led_on(seen: Seen) -> Reply:
    """Just enough that an action of several requests goes on; all others are refused."""
    record = {"id": "9001", "properties": {"dealname": "Order 1001"}}
    if "/associations/deals" in seen.target:
        return answer({"results": [{"toObjectId": "9001", "associationTypes": []}]})
    if "/batch/read" in seen.target or "/deals/search" in seen.target:
        return answer({"results": [record]})
    if seen.method in ("GET", "PATCH") and re.search("/objects/(deals|tasks)/", seen.target):
        return answer(record)
    return answer({"status": "error", "message": "no"}, 400)


def test_every_action_is_held_to_the_client_but_the_one_that_it_lacks() -> None:
    assert set(catalog().integrations[ID].actions) - set(CALLS) == {"get_account"}


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data())
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_what_leaves_is_what_the_client_sends(name: str, office: Account, wire: Wire, data: st.DataObject) -> None:
    given, asks = data.draw(CALLS[name])
    before = len(office.seen)
    office.call(name, given, led_on)
    ours = office.seen[before:]
    wire.seen.clear()
    sdk = hubspot.HubSpot(access_token=TOKEN, host=wire.origin)
    for ask in asks:
        ask(sdk)
    assert len(ours) == len(wire.seen) == len(asks)
    for sent, (method, target, body, headers) in zip(ours, wire.seen, strict=True):
        assert (sent.method, sent.path) == (method, target.partition("?")[0].rstrip("/"))
        assert sorted(parse_qsl(sent.query)) == sorted(parse_qsl(target.partition("?")[2]))
        assert (sent.json() if sent.body else None) == (json.loads(body) if body else None)
        same = ["authorization", *(["content-type"] if body else [])]
        assert [sent.headers.get(header) for header in same] == [headers.get(header) for header in same]


# ----------------------------------------------------------------------------------------------------------- answers

ANSWERS: Sequence[tuple[str, Any, str]] = (
    ("POST /crm/v3/objects/contacts/search", contacts, "CollectionResponseWithTotalSimplePublicObjectForwardPaging"),
    ("POST /crm/v3/objects/contacts/batch/upsert", contacts, "BatchResponseSimplePublicUpsertObjectWithErrors"),
    ("POST /crm/v3/objects/contacts", contacts, "SimplePublicObject"),
    ("PATCH /crm/v3/objects/contacts/.+", contacts, "SimplePublicObject"),
    ("GET /crm/v3/objects/contacts/.+", contacts, "SimplePublicObjectWithAssociations"),
    ("GET /crm/v3/objects/contacts", contacts, "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging"),
    ("POST /crm/v3/objects/deals/search", deals, "CollectionResponseWithTotalSimplePublicObjectForwardPaging"),
    ("POST /crm/v3/objects/deals/batch/read", deals, "BatchResponseSimplePublicObjectWithErrors"),
    ("POST /crm/v3/objects/deals", deals, "SimplePublicObject"),
    ("PATCH /crm/v3/objects/deals/.+", deals, "SimplePublicObject"),
    ("GET /crm/v3/objects/deals/.+", deals, "SimplePublicObjectWithAssociations"),
    ("POST /crm/v3/objects/notes", notes, "SimplePublicObject"),
    ("(POST|PATCH) /crm/v3/objects/tasks.*", tasks, "SimplePublicObject"),
    ("GET /crm/v3/objects/tasks/.+", tasks, "SimplePublicObjectWithAssociations"),
    ("GET /crm/v3/pipelines/deals", pipelines, "CollectionResponsePipelineNoPaging"),
    ("GET /crm/v3/owners", owners, "CollectionResponsePublicOwnerForwardPaging"),
    ("GET /crm/v4/.+", associations, "CollectionResponseMultiAssociatedObjectWithLabelForwardPaging"),
    ("PUT /crm/v4/.+", associations, "BatchResponsePublicDefaultAssociation"),
)


NEWER = {"url"}
"""In the published description of the API (August 2026), not yet in this version of the client."""


def strangers(module: Any, kind: str, value: Any) -> Iterator[str]:
    """Names in an answer that the client's model of it doesn't know."""
    inner = re.fullmatch(r"list\[(.+)\]|dict\[str, (.+)\]", kind)
    if inner is not None and value is not None:
        for one in value if inner[1] else value.values():
            yield from strangers(module, inner[1] or inner[2], one)
    elif isinstance(value, dict) and hasattr(module, kind):
        model = getattr(module, kind)
        names = {theirs: ours for ours, theirs in model.attribute_map.items()}
        yield from (f"{kind}.{name}" for name in value.keys() - names.keys() - NEWER)
        for name in value.keys() & names.keys():
            yield from strangers(module, model.openapi_types[names[name]], value[name])


def recorded() -> Iterator[tuple[str, Any]]:
    """Every good answer of the API in our cases, under its request."""
    for case in read_cases(specs_dir() / ID)[0]:
        for exchange in (one for turn in case.turns for one in turn.exchanges):
            expect, got = exchange.expect, exchange.answer
            path = expect["url"].partition("?")[0].removeprefix("https://api.hubapi.com")
            if got.get("status") in (200, 201, 207) and got.get("json") and path.startswith("/crm/"):
                yield f"{expect['method']} {path}", got["json"]


def test_the_client_knows_every_name_in_the_answers_of_our_cases() -> None:
    met = set()
    for request, value in recorded():
        pattern, module, kind = next(found for found in ANSWERS if re.fullmatch(found[0], request))
        assert list(strangers(module, kind, value)) == [], request
        met.add(pattern)
    assert met == {pattern for pattern, _, _ in ANSWERS}
