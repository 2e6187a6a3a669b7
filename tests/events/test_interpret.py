"""What a message says once its sender is proved: read, each, events, identity; and what can't be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.events.answer import render
from engine.events.interpret import MOST_ITEMS
from engine.runtime.message import Message
from tests.events.messages import MADE, events, message, read, signed, webhook


def test_the_first_event_whose_condition_holds_is_taken(tmp_path: Path) -> None:
    """A condition that can't be answered does not hold; what matches nothing is understood and becomes nothing."""
    made = webhook(
        tmp_path,
        events=[
            {"when": "starts_with(body.kind, 'test')", "ignore": True},
            {"when": "body.kind == 'moved'", "type": "parcel.moved", "data": {"code": "body.code"}},
            {"when": "body.kind", "type": "parcel.seen"},
        ],
    )
    assert events(read(made, signed({"kind": "moved", "code": "A1"}))) == [("parcel.moved", {"code": "A1"})]
    assert events(read(made, signed({"kind": "lost"}))) == [("parcel.seen", {})]
    others: list[Any] = [{"kind": "testing"}, {"kind": None}, {}, [], "text", None]
    for body in others:
        assert (read(made, signed(body)).outcome, events(read(made, signed(body)))) == ("understood", [])


def test_each_element_is_an_event_of_its_own_with_what_was_read_once(tmp_path: Path) -> None:
    made = webhook(
        tmp_path,
        read={"rows": "parse_json(form.rows)", "first": "read.rows[0].id"},
        each="read.rows",
        events=[{"when": "item.ok", "type": "parcel.moved", "data": {"id": "item.id", "first": "read.first"}}],
    )
    rows = [{"id": 1, "ok": True}, {"id": 2}, {"id": 3, "ok": True}]
    came = signed(b"rows=" + json.dumps(rows).encode(), **{"content-type": "application/x-www-form-urlencoded"})
    assert events(read(made, came)) == [
        ("parcel.moved", {"id": 1, "first": 1}),
        ("parcel.moved", {"id": 3, "first": 1}),
    ]


@pytest.mark.parametrize(
    ("rows", "outcome", "count"),
    [
        (None, "understood", 0),
        ([], "understood", 0),
        ([{}] * MOST_ITEMS, "understood", MOST_ITEMS),
        ([{}] * (MOST_ITEMS + 1), "failed", 0),
        ({"a": 1}, "failed", 0),
        ("text", "failed", 0),
    ],
)
def test_each_takes_a_list_of_bounded_length(rows: Any, outcome: str, count: int, tmp_path: Path) -> None:
    made = webhook(tmp_path, each="body.rows", events=[{"type": "parcel.moved"}])
    reading = read(made, signed({"rows": rows}))
    assert (reading.outcome, len(reading.happenings)) == (outcome, count)


def test_events_of_one_message_can_not_grow_without_end(tmp_path: Path) -> None:
    made = webhook(tmp_path, each="body.rows", events=[{"type": "parcel.moved", "data": {"all": "body"}}])
    reading = read(made, signed({"rows": [1] * 1000, "text": "x" * 10_000}))
    assert (reading.outcome, reading.happenings) == ("failed", ())


@pytest.mark.parametrize("kind", ["application/json", "application/xml", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"<a>", b"%ff=%zz", b"\x00" * 50])
def test_what_is_not_what_it_is_declared_to_be_is_refused(raw: bytes, kind: str, tmp_path: Path) -> None:
    """Also with a good signature: what nobody can read is no message of this provider."""
    reading = read(webhook(tmp_path), signed(raw, **{"content-type": kind}))
    readable = kind.endswith("urlencoded") and raw in (b"{", b"<a>", b"\x00" * 50)
    assert reading.outcome == ("understood" if readable else "refused")
    assert reading.happenings == () or readable


def test_a_compressed_body_and_a_query_without_end_are_refused(tmp_path: Path) -> None:
    made = webhook(tmp_path)
    assert read(made, signed({"id": 1}, **{"content-encoding": "gzip"})).outcome == "refused"
    came = signed({"id": 1})
    assert read(made, replace(came, url=MADE["url"] + "?" + "&".join(["a=1"] * 1001))).outcome == "refused"
    assert read(made, replace(came, url=MADE["url"] + "?" + "&".join(["a=1"] * 999))).outcome == "understood"


def test_data_that_can_not_be_made_is_our_failure_so_that_the_provider_sends_again(tmp_path: Path) -> None:
    made = webhook(tmp_path, events=[{"type": "parcel.moved", "data": {"at": "from_time(body.at, '%Y')"}}])
    reading = read(made, signed({"at": "not a year, but a secret"}))
    assert reading.outcome == "failed"
    assert "secret" not in reading.reason


def test_the_same_values_are_the_same_event_and_another_type_is_another(tmp_path: Path) -> None:
    made = webhook(
        tmp_path,
        dedupe=["body.id", "body.at"],
        events=[
            {"when": "body.kind == 'a'", "type": "parcel.moved"},
            {"when": "body.kind == 'b'", "type": "parcel.seen"},
            {"type": "parcel.lost", "dedupe": ["body.own"]},
        ],
    )

    def identity(**body: Any) -> str | None:
        (happening,) = read(made, signed(body)).happenings
        return happening.dedupe

    first = identity(kind="a", id=1, at=2)
    assert identity(kind="a", at=2, id=1, note="other") == first
    others = [identity(kind="a", id="1", at=2), identity(kind="a", id=12), identity(kind="a", id=1, at=None)]
    assert len({first, *others, identity(kind="b", id=1, at=2), identity(kind="c", own=1)}) == 6
    assert identity(kind="a") is identity(kind="c", id=1) is None, "nothing tells it from another: none is dropped"


def test_a_handshake_is_answered_once_it_is_proved_and_becomes_nothing(tmp_path: Path) -> None:
    """It may come by another method than messages do."""
    challenge = {"status": 202, "text": "{{ request.query.challenge }}"}
    token = {"scheme": "equals", "given": "query.token", "key": "{{ webhook.token }}"}
    made = webhook(
        tmp_path,
        handshakes=[
            {"when": "query.hello", "unsigned": True, "answer": {"status": 200}},
            {"when": "query.challenge", "verify": [token], "answer": challenge},
        ],
    )
    hello = read(made, message(method="GET", query="?hello=1"))
    assert (hello.outcome, hello.answer and hello.answer.status) == ("handshake", 200)
    reading = read(made, message(method="GET", query=f"?challenge=ping&token={MADE['token']}"))
    assert reading.answer is not None
    answer = render(reading.answer, reading.scope)
    assert (reading.outcome, answer.status, answer.body) == ("handshake", 202, b"ping")
    for query in ("?challenge=ping", "?challenge=ping&token=x"):
        assert read(made, message(method="GET", query=query)).outcome == "refused"
    assert read(made, message(method="GET")).outcome == "refused"


def test_the_answer_of_an_event_is_that_of_the_first_that_has_one(tmp_path: Path) -> None:
    made = webhook(
        tmp_path,
        each="body",
        events=[
            {"when": "item == `1`", "type": "parcel.moved", "answer": {"xml": {"Response": "one"}}},
            {"when": "item == `2`", "ignore": True, "answer": {"form": {"a": ["x y", "{{ request.method }}"]}}},
            {"type": "parcel.seen"},
        ],
    )
    wanted = {
        (3, 1, 2): (b"application/xml; charset=utf-8", b"<Response>one</Response>"),
        (2, 1): (b"application/x-www-form-urlencoded", b"a%5B0%5D=x+y&a%5B1%5D=POST"),
    }
    for items, (kind, body) in wanted.items():
        reading = read(made, signed(list(items)))
        assert reading.answer is not None
        answer = render(reading.answer, reading.scope)
        assert (answer.headers["content-type"].encode(), answer.body.split(b"?>")[-1].strip()) == (kind, body)
    assert read(made, signed([3])).answer is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=60) | st.text(max_size=40).map(str.encode),
    kind=st.sampled_from(["application/json", "text/xml", "application/x-www-form-urlencoded", "text/html", "", "a/b"]),
    query=st.text(max_size=20),
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    is_signed=st.booleans(),
)
def test_whatever_comes_gets_one_of_the_four_readings(
    raw: bytes, kind: str, query: str, method: str, is_signed: bool, tmp_path: Path
) -> None:
    """Nothing raises, and nothing unsigned becomes an event."""
    made = webhook(
        tmp_path,
        read={"first": "list(body)[0]"},
        each="list(body)",
        events=[{"type": "parcel.moved", "dedupe": ["item"], "data": {"item": "item", "text": "upper(text)"}}],
    )
    came = signed(raw) if is_signed else message(raw)
    came = Message(method, MADE["url"] + "?" + query, {**came.headers, "content-type": kind}, raw, None)
    reading = read(made, came)
    assert reading.outcome in ("understood", "refused", "failed")
    assert is_signed or (reading.outcome, reading.happenings) == ("refused", ())
