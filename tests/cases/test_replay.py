"""Every recorded case is what the engine does, and a case that is wrong is found with the right words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.cases.model import Case
from engine.cases.replay import replay
from engine.storage.ports import Store
from tests.cases.recorded import case_of, cases, catalog, changed, label

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEE = ("shipping-ghn", "fee of a light parcel")
FAULTS = ("shipping-ghn", "a fault at GHN, three times")
PARTS = dict[str, Any]


@pytest.mark.parametrize("case", cases(), ids=label)
async def test_the_engine_does_what_the_case_says(case: Case) -> None:
    assert await replay(case, catalog()) == []


@pytest.mark.parametrize("integration_id", sorted({case.integration_id for case in cases()}))
async def test_it_does_the_same_over_the_store_of_the_service(integration_id: str, store: Store) -> None:
    """A few of each: in one store for all they share their circuits, and many failures in a row open one."""
    some = [case for case in cases() if case.integration_id == integration_id][:5]
    assert [await replay(case, catalog(), store) for case in some] == [[]] * len(some)


def _wanted(parts: PARTS) -> PARTS:
    expect: PARTS = parts["exchanges"][0]["expect"]
    return expect


def _other_amount(parts: PARTS) -> None:
    parts["result"]["fee"] += 1


def _further_field_in_the_result(parts: PARTS) -> None:
    parts["result"]["discount"] = 0


def _other_weight(parts: PARTS) -> None:
    _wanted(parts)["json"]["weight"] = 201


def _weight_as_text(parts: PARTS) -> None:
    _wanted(parts)["json"]["weight"] = "200"


def _no_weight(parts: PARTS) -> None:
    del _wanted(parts)["json"]["weight"]


def _further_field(parts: PARTS) -> None:
    _wanted(parts)["json"]["colour"] = "red"


def _further_header(parts: PARTS) -> None:
    _wanted(parts)["headers"]["X-Client"] = "us"


def _other_header(parts: PARTS) -> None:
    _wanted(parts)["headers"]["ShopId"] = "1"


def _no_token(parts: PARTS) -> None:
    _wanted(parts)["absentHeaders"] = ["token"]


def _other_path(parts: PARTS) -> None:
    _wanted(parts)["url"] += "s"


def _a_query(parts: PARTS) -> None:
    _wanted(parts)["query"] = {"page": 1}


def _by_get(parts: PARTS) -> None:
    _wanted(parts)["method"] = "GET"


def _no_body(parts: PARTS) -> None:
    del _wanted(parts)["json"]


def _bytes(parts: PARTS) -> None:
    _wanted(parts)["raw"] = "{}"


def _nothing_sent(parts: PARTS) -> None:
    parts["exchanges"] = []


def _sent_twice(parts: PARTS) -> None:
    parts["exchanges"] *= 2


def _counted_wrong(parts: PARTS) -> None:
    parts["sent"] = 2


def _a_refusal(parts: PARTS) -> None:
    parts.update(has_result=False, error={"code": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_other_amount, "result.fee: expected 36301, got 36300"),
        (_further_field_in_the_result, "result.discount: expected 0, got nothing"),
        (_other_weight, "request 1: json.weight: expected 201, got 200"),
        (_weight_as_text, 'request 1: json.weight: expected "200", got 200'),
        (_no_weight, "request 1: json.weight: expected nothing, got 200"),
        (_further_field, 'request 1: json.colour: expected "red", got nothing'),
        (_further_header, "request 1: header X-Client: expected us, got nothing"),
        (_other_header, "request 1: header ShopId: expected 1, got another value"),
        (_no_token, "request 1: header token: expected none"),
        (_other_path, "/v2/shipping-order/fees, got https://"),
        (_a_query, 'request 1: query.page: expected "1", got nothing'),
        (_by_get, "request 1: method: expected GET, got POST"),
        (_no_body, "request 1: body: expected none, got "),
        (_bytes, "request 1: raw: the bytes of the body differ"),
        (_nothing_sent, "is not expected by the case"),
        (_sent_twice, "1 expected request was not sent"),
        (_counted_wrong, "expected 2 requests, sent 1"),
        (_a_refusal, "expected NOT_FOUND, got a result"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
async def test_a_wrong_case_is_found(edit: Callable[[PARTS], None], words: str) -> None:
    problems = await replay(changed(case_of(*FEE), edit), catalog())
    assert [problem for problem in problems if words in problem], problems


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("waited_ms", 86_400_000, "expected to wait 86400000 ms, waited "),
        ("error", {"code": "TIMEOUT"}, 'error.code: expected "TIMEOUT", got "PROVIDER_UNAVAILABLE"'),
        ("error", {"code": "PROVIDER_UNAVAILABLE", "retryable": False}, "error.retryable: expected false, got true"),
        ("has_result", True, "expected a result, got PROVIDER_UNAVAILABLE: "),
    ],
)
async def test_a_wrong_failure_is_found(part: str, value: Any, words: str) -> None:
    case = changed(case_of(*FAULTS), lambda parts: parts.update({part: value}))
    problems = await replay(case, catalog())
    assert [problem for problem in problems if words in problem], problems


async def test_the_second_of_two_differing_calls_is_named() -> None:
    """A case with several calls says in which one the engine differs."""
    case = case_of(*FEE)
    wrong = changed(case, _other_amount).turns[0]
    assert await replay(replace(case, turns=(case.turns[0], wrong)), catalog()) == [
        "call 2: result.fee: expected 36301, got 36300"
    ]
