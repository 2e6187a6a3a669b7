"""Google Calendar: every request of the spec, held to Google's own description of the API.

The discovery document (calendar.v3.json) comes with Google's client, the package google-api-python-client. It says
which paths, parameters and fields there are, and which scopes open which method. Nothing here reaches the internet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.model import Case, ConsentCase, ErrandCase, WebhookCase
from engine.cases.read import read_folder
from engine.catalog import Integration
from engine.locations import schemas_dir, specs_dir
from engine.spec.load import load_catalog
from tests.oracles.account import Account, account
from tests.support.upstream import answer

ID = "calendar-google"
BASE = "https://www.googleapis.com/calendar/v3/"
EVENTS = "https://www.googleapis.com/auth/calendar.events"

OPERATIONS: Mapping[str, set[str]] = {
    "list_calendars": {"calendarList.list"},
    "get_calendar": {"calendarList.get"},
    "check_availability": {"freebusy.query"},
    "list_events": {"events.list"},
    "list_event_instances": {"events.instances"},
    "list_event_changes": {"events.list"},
    "get_event": {"events.get"},
    "create_event": {"events.insert", "events.get"},
    "update_event": {"events.get", "events.patch"},
    "reschedule_event": {"events.patch", "events.get"},
    "move_event": {"events.move", "events.get"},
    "cancel_event": {"events.delete", "events.get"},
    "subscribe": {"events.watch"},
    "unsubscribe": {"channels.stop"},
    "test": {"calendarList.get", "events.list"},
    "consent": {"calendarList.get", "events.list"},
}
"""What each action and errand is meant to call, by Google's names. A look after a lost answer is an events.get, and a
consent is followed by the test of the connection."""
ACTIONS = sorted(OPERATIONS.keys() - {"subscribe", "unsubscribe", "test", "consent"})


@dataclass(frozen=True)
class Sent:
    """A request, and what the case says that Google answers."""

    what: str
    label: str
    method: str
    url: str
    query: Mapping[str, list[str]]
    body: Any
    status: int | None = None
    reply: Any = None

    @property
    def path(self) -> str:
        return self.url.removeprefix(BASE)


@cache
def document() -> Mapping[str, Any]:
    text = (files("googleapiclient") / "discovery_cache" / "documents" / "calendar.v3.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


@cache
def integration() -> Integration:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir()).integrations[ID]


@cache
def client() -> Any:
    """Google's client, built from the document; it never calls anybody here."""
    http = import_module("httplib2").Http()
    return import_module("googleapiclient.discovery").build_from_document(dict(document()), http=http)


def operations() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource, block in document()["resources"].items():
        for name, method in block["methods"].items():
            yield f"{resource}.{name}", method


def find(sent: Sent) -> tuple[str, Mapping[str, Any], dict[str, str]]:
    """The one operation that has this method and path, and what its path holds."""
    hits = []
    for name, method in operations():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(method["path"]))
        found = re.fullmatch(pattern, sent.path)
        if found and method["httpMethod"] == sent.method:
            hits.append((name, method, {key: unquote(value) for key, value in found.groupdict().items()}))
    assert len(hits) == 1, f"{sent.label}: {sent.method} {sent.url} is {[name for name, *_ in hits]}"
    return hits[0]


# --------------------------------------------------------------------------------------------------------- the cases


def recorded() -> Iterator[Sent]:
    for case in read_folder(specs_dir() / ID)[0]:
        if isinstance(case, Case):
            for turn in case.turns:
                for exchange in turn.exchanges:
                    yield _sent(turn.action, case.name, exchange.expect, exchange.answer)
        elif isinstance(case, ConsentCase | ErrandCase | WebhookCase):
            for exchange in getattr(case, "exchanges", ()):
                yield _sent(getattr(case, "does", "consent"), case.name, exchange.expect, exchange.answer)


def _sent(what: str, label: str, expect: Mapping[str, Any], reply: Mapping[str, Any]) -> Sent:
    assert expect.get("match", "exact") == "exact", f"{label}: parts of a request prove nothing about the rest"
    url, _, text = expect["url"].partition("?")
    named = {name: value if isinstance(value, list) else [value] for name, value in expect.get("query", {}).items()}
    query = named or parse_qs(text, keep_blank_values=True, strict_parsing=bool(text))
    return Sent(what, label, expect["method"], url, query, expect.get("json"), reply.get("status"), reply.get("json"))


def of_the_api() -> list[Sent]:
    return [sent for sent in recorded() if sent.url.startswith(BASE)]


def check_parameters(sent: Sent, method: Mapping[str, Any], held: Mapping[str, str]) -> None:
    known = method.get("parameters", {})
    for name, values in sent.query.items():
        assert known.get(name, {}).get("location") == "query", f"{sent.label}: no parameter {name}"
        assert known[name].get("repeated") or len(values) == 1, f"{sent.label}: {name} stands {len(values)} times"
        for value in values:
            check_text(f"{sent.label}: {name}", value, known[name])
    given_names = {*sent.query, *held}
    missing = [name for name, said in known.items() if said.get("required") and name not in given_names]
    assert not missing, f"{sent.label}: {missing} must be given"


def check_text(where: str, value: str, said: Mapping[str, Any]) -> None:
    if said["type"] == "boolean":
        assert value in {"true", "false"}, where
    if said["type"] == "integer":
        assert int(said.get("minimum", 0)) <= int(value) <= int(said.get("maximum", 2**31)), where
    if "enum" in said:
        assert value in said["enum"], where
    check_format(where, value, said)


def check_format(where: str, value: str, said: Mapping[str, Any]) -> None:
    if said.get("format") == "date-time":
        # "A time zone offset is required unless a time zone is explicitly specified in timeZone."
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", value), f"{where}: {value}"
        datetime.fromisoformat(value)
    if said.get("format") == "date":
        date.fromisoformat(value)
    if said.get("format") == "int64":
        int(value)


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def check_value(where: str, value: Any, said: Mapping[str, Any], *, written: bool) -> None:
    """`value` against a schema of the document. `written`: by us, where nothing may be there that it doesn't know."""
    if "$ref" in said:
        said = {"type": "object", **document()["schemas"][said["$ref"]]}
    if value is None:
        assert written, f"{where}: Google leaves out what it doesn't tell"
        return
    kind = KINDS[said["type"]]
    assert type(value) is kind, f"{where} is {type(value).__name__}, not {said['type']}"
    if isinstance(value, str):
        check_format(where, value, said)
    if isinstance(value, list):
        for number, element in enumerate(value):
            check_value(f"{where}[{number}]", element, said["items"], written=written)
    if isinstance(value, dict):
        check_object(where, value, said, written=written)


def check_object(where: str, value: Mapping[str, Any], said: Mapping[str, Any], *, written: bool) -> None:
    for name, inner in value.items():
        known = said.get("properties", {}).get(name, said.get("additionalProperties"))
        assert known is not None, f"{where}: Google knows no field {name}"
        assert not (written and "Read-only" in known.get("description", "")), f"{where}.{name} is read-only"
        check_value(f"{where}.{name}", inner, known, written=written)
    if "dateTime" in value and written:
        has_offset = re.search(r"(Z|[+-]\d\d:\d\d)$", value["dateTime"] or "Z")
        assert has_offset or value.get("timeZone"), f"{where}: a naive time"


def check(sent: Sent) -> str:
    """Raises AssertionError where the document knows better; gives Google's name of the operation."""
    name, method, held = find(sent)
    assert method.get("deprecated") is None
    check_parameters(sent, method, held)
    assert (sent.body is not None) == ("request" in method), f"{sent.label}: a body where none belongs, or none"
    if sent.body is not None:
        check_value(sent.label, sent.body, method["request"], written=True)
        check_required(sent, name)
    return name


def check_required(sent: Sent, name: str) -> None:
    """Fields that the document calls required for this operation (an annotation of theirs)."""
    schema = document()["schemas"][find(sent)[1]["request"]["$ref"]]
    for field, said in schema["properties"].items():
        if f"calendar.{name}" in said.get("annotations", {}).get("required", ()):
            assert field in sent.body, f"{sent.label}: {field} is required"


@pytest.mark.parametrize("sent", of_the_api(), ids=lambda sent: f"{sent.what}: {sent.label}")
def test_every_request_of_a_case_is_one_that_the_document_describes(sent: Sent) -> None:
    assert check(sent) in OPERATIONS[sent.what]


GOOD = Sent("x", "x", "GET", f"{BASE}calendars/primary/events", {"maxResults": ["5"]}, None)
BOOK = Sent("x", "x", "POST", GOOD.url, {}, {"start": {"date": "2026-02-05"}, "end": {"date": "2026-02-06"}})


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, method="PUT"),
        replace(GOOD, url=f"{BASE}calendars/primary/event"),
        replace(GOOD, url=f"{BASE}calendars//events"),
        replace(GOOD, query={"pageSize": ["5"]}),
        replace(GOOD, query={"maxResults": ["0"]}),
        replace(GOOD, query={"maxResults": ["5", "6"]}),
        replace(GOOD, query={"singleEvents": ["True"]}),
        replace(GOOD, query={"orderBy": ["start"]}),
        replace(GOOD, query={"timeMin": ["2026-02-05"]}),
        replace(GOOD, body={}),
        replace(BOOK, body=None),
        replace(BOOK, body={"start": BOOK.body["start"]}),
        replace(BOOK, body={**BOOK.body, "title": "Fitting"}),
        replace(BOOK, body={**BOOK.body, "htmlLink": "https://example.com"}),
        replace(BOOK, body={**BOOK.body, "attendees": {"email": "a@example.com"}}),
        replace(BOOK, body={**BOOK.body, "colorId": 5}),
        replace(BOOK, body={**BOOK.body, "start": {"dateTime": "2026-02-05T14:00:00"}}),
        replace(BOOK, body={**BOOK.body, "start": {"date": "2026-02-30"}}),
        replace(BOOK, url=f"{BASE}calendars/primary/events/e1/move", body=None),
    ],
)
def test_the_document_would_find_what_is_wrong(wrong: Sent) -> None:
    assert (check(GOOD), check(BOOK)) == ("events.list", "events.insert")
    with pytest.raises((AssertionError, ValueError)):
        check(wrong)


@pytest.mark.parametrize("sent", of_the_api(), ids=lambda sent: f"{sent.what}: {sent.label}")
def test_googles_own_client_writes_the_same_url_and_body(sent: Sent) -> None:
    """It refuses unknown parameters and values outside an enum itself."""
    name, method, held = find(sent)
    resource, verb = name.split(".")
    said = method.get("parameters", {})
    given_values: dict[str, Any] = dict(held)
    for key, values in sent.query.items():
        typed = [value == "true" if said[key]["type"] == "boolean" else value for value in values]
        given_values[key] = typed if said[key].get("repeated") else typed[0]
    if sent.body is not None:
        given_values["body"] = sent.body
    theirs = getattr(getattr(client(), resource)(), verb)(**given_values)
    query = {key: values for key, values in parse_qs(urlsplit(theirs.uri).query).items() if key != "alt"}
    assert (theirs.method, theirs.uri.partition("?")[0]) == (sent.method, sent.url)
    assert query == sent.query
    assert sent.body is None or json.loads(theirs.body) == sent.body


@pytest.mark.parametrize(
    "sent", [one for one in of_the_api() if one.status == 200 and one.reply], ids=lambda sent: sent.label
)
def test_what_google_answers_in_a_case_has_only_fields_that_the_document_knows(sent: Sent) -> None:
    check_value(sent.label, sent.reply, find(sent)[1]["response"], written=False)


# ----------------------------------------------------------------------------------------------------------- the spec


def test_every_action_and_errand_shows_all_operations_that_it_calls() -> None:
    seen: dict[str, set[str]] = {}
    for sent in of_the_api():
        seen.setdefault(sent.what, set()).add(find(sent)[0])
    assert seen == OPERATIONS
    assert sorted(integration().actions) == ACTIONS


@pytest.mark.parametrize("action_id", ACTIONS)
def test_the_scopes_that_an_action_needs_open_every_operation_that_it_calls(action_id: str) -> None:
    methods = dict(operations())
    needed = integration().actions[action_id].needs_scopes
    assert needed
    for name in OPERATIONS[action_id]:
        assert set(needed) & set(methods[name]["scopes"]), f"{name} is not opened by {needed}"


def test_the_watch_and_its_end_are_opened_by_a_scope_that_is_asked_for() -> None:
    methods = dict(operations())
    assert all(EVENTS in methods[name]["scopes"] for name in ("events.watch", "channels.stop"))


def test_all_scopes_are_known_to_google_and_those_that_imply_others_open_the_same() -> None:
    scopes = integration().methods[0].scopes
    assert scopes is not None
    known = document()["auth"]["oauth2"]["scopes"]
    assert set(scopes.request) <= known.keys()
    for wide, narrow in scopes.implies.items():
        assert wide in known
        for name in {one for names in OPERATIONS.values() for one in names}:
            opened = dict(operations())[name]["scopes"]
            needed = [one for one in narrow if one in opened]
            assert not needed or wide in opened, f"{wide} does not open {name}, which {needed} opens"


def test_our_limits_lie_within_those_of_the_document() -> None:
    """Longest pages, and the letters of an event's id (base32hex, in the words of the document)."""
    for action_id, operation in [("list_calendars", "calendarList.list"), ("list_events", "events.list")]:
        largest = integration().actions[action_id].input_schema.raw["properties"]["limit"]["maximum"]
        said = dict(operations())[operation]["parameters"]["maxResults"]["description"]
        (theirs,) = re.findall(r"never be larger than (\d+)", said)
        assert largest <= int(theirs)
    for sent in of_the_api():
        if find(sent)[0] == "events.insert":
            assert re.fullmatch("[a-v0-9]{5,1024}", sent.body["id"])


# ---------------------------------------------------------------------------------------- what really leaves the engine


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account whose provider refuses everything: only what is sent matters here."""
    token = {"access": "fake-google-access-0000"}
    config = {"calendarId": "shop@example.com", "timeZone": "Asia/Ho_Chi_Minh", "sendUpdates": "all"}
    with account(tmp_path_factory.mktemp("google"), ID, config=config, credentials={}, token=token) as made:
        yield made


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
EMAIL = st.sampled_from(["a@example.com", "nguyen.van.a+1@example.com"])
ZONE = st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Istanbul", "America/New_York", "UTC"])
OFFSET = st.sampled_from(["Z", "+07:00", "-03:30"])
BOOL = st.booleans()
GUEST = st.fixed_dictionaries({"email": EMAIL}, optional={"name": TEXT, "optional": BOOL})
DETAILS: dict[str, st.SearchStrategy[Any]] = {
    "description": TEXT, "location": TEXT, "attendees": st.lists(GUEST, max_size=3), "reference": TEXT,
    "withMeeting": BOOL, "status": st.sampled_from(["booked", "pending"]), "showAs": st.sampled_from(["busy", "free"]),
    "visibility": st.sampled_from(["default", "public", "private"]), "colorId": st.just("11"),
    "recurrence": st.just(["RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;VALUE=DATE:20260212"]),
    "reminders": st.lists(
        st.fixed_dictionaries({"method": st.sampled_from(["popup", "email"]), "minutes": st.integers(0, 40320)}),
        max_size=5,
    ),
    "guestsCanModify": BOOL, "guestsCanInviteOthers": BOOL, "guestsCanSeeOtherGuests": BOOL,
    "sendUpdates": st.sampled_from(["all", "externalOnly", "none"]), "calendarId": EMAIL,
}  # fmt: skip


@st.composite
def spans(draw: st.DrawFn) -> dict[str, str]:
    """A start and an end, with offsets, in a zone, or as dates."""
    kind = draw(st.sampled_from(["offset", "zone", "both", "days"]))
    if kind == "days":
        return {"start": "2026-02-05", "end": draw(st.sampled_from(["2026-02-06", "2026-03-01"]))}
    offset = "" if kind == "zone" else draw(OFFSET)
    zone = {} if kind == "offset" else {"timeZone": draw(ZONE)}
    return {"start": f"2026-02-05T14:00:00{offset}", "end": f"2026-02-05T14:30:00{offset}", **zone}


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, str]:
    found = draw(spans())
    zone = {"timeZone": draw(ZONE)} if "T" not in found["start"] else {}
    return {"from": found["start"], "to": found["end"], **{k: v for k, v in found.items() if k == "timeZone"}, **zone}


def with_details(**needed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(needed, optional=DETAILS)


SEARCH = st.fixed_dictionaries(
    {},
    optional={
        "query": TEXT, "reference": TEXT, "includeCancelled": BOOL, "calendarId": EMAIL, "limit": st.integers(1, 500),
        "updatedSince": st.just("2026-02-01T00:00:00Z"),
        "eventTypes": st.lists(st.sampled_from(["default", "focusTime", "birthday"]), min_size=1, unique=True),
    },
)  # fmt: skip
INPUTS: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "create_event": st.tuples(with_details(title=TEXT), spans()).map(lambda both: both[0] | both[1]),
    "update_event": with_details(eventId=TEXT, title=TEXT),
    "reschedule_event": spans().map(lambda span: {"eventId": "b42h7v1c9", **span}),
    "list_events": st.tuples(SEARCH, bounds()).map(lambda both: both[0] | both[1]),
    "check_availability": st.tuples(
        st.fixed_dictionaries({}, optional={"calendarIds": st.lists(TEXT, min_size=1, max_size=50, unique=True)}),
        bounds(),
    ).map(lambda both: both[0] | both[1]),
}


@pytest.mark.parametrize("action_id", INPUTS)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_whatever_a_caller_gives_what_leaves_is_what_the_document_describes(
    action_id: str, shop: Account, data: st.DataObject
) -> None:
    asked = data.draw(INPUTS[action_id])
    refusal = {"error": {"errors": [{"domain": "global", "reason": "invalid", "message": "Invalid"}], "code": 400}}
    made = shop.call(action_id, asked, lambda _seen: answer(refusal, 400))
    assert made.error is not None
    assert made.error.details.get("httpStatus") == 400, made.error.message
    seen = shop.sent
    url, _, query = f"https://www.googleapis.com{seen.target}".partition("?")
    body = json.loads(seen.body) if seen.body else None
    name = check(Sent(action_id, action_id, seen.method, url, parse_qs(query, strict_parsing=bool(query)), body))
    assert name in OPERATIONS[action_id]
