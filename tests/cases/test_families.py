"""Providers of one kind are read alike: swapping one for another changes the integration id and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.cases.replay import staged
from engine.catalog import Action, Integration
from engine.library import exact
from engine.locations import schemas_dir
from engine.model import Command
from engine.runtime.explain import explain
from engine.spec.load import read_models
from tests.cases.recorded import OURS, cases, catalog

CARRIERS = sorted(one for one in OURS if one.startswith("shipping-"))
PAYMENTS = sorted(one for one in OURS if one.startswith("payment-"))

SHAPES: Mapping[str, Mapping[str, str]] = {
    "shipping": {"calculate_fee": "fee-quote", "create_order": "shipment-order", "track_order": "shipment"},
    "payment": {
        "create_payment": "payment-request",
        "create_payment_url": "payment-request",
        "create_payment_link": "payment-request",
        "create_checkout_session": "payment-request",
        "get_payment_status": "payment",
        "get_payment_intent": "payment",
        "refund_payment": "refund",
        "create_refund": "refund",
        "get_refund_status": "refund",
        "get_refund": "refund",
    },
}
"""Which model an action answers with, by category."""

BOOKING: Mapping[str, Any] = {
    "clientOrderCode": "DH-2001",
    "to": {
        "name": "Nguyen Van A",
        "phone": "0900000001",
        "address": "1 Le Loi",
        "wardName": "Phường Bến Nghé",
        "districtName": "Quận 1",
        "provinceName": "Hồ Chí Minh",
    },
    "from": {
        "name": "Tran Thi B",
        "phone": "0900000002",
        "address": "2 Trang Tien",
        "wardName": "Phường Tràng Tiền",
        "districtName": "Quận Hoàn Kiếm",
        "provinceName": "Hà Nội",
    },
    "weight": 500,
    "length": 20,
    "width": 15,
    "height": 10,
    "codValue": 250000,
    "insuranceValue": 300000,
    "payer": "shop",
    "content": "ao thun",
    "note": "goi truoc khi giao",
    "items": [{"name": "Ao thun", "quantity": 2, "weight": 250}],
}
"""A parcel in words that every carrier understands."""


def ours(ids: list[str]) -> Iterator[Integration]:
    for one in ids:
        yield catalog().integrations[one]


def shaped() -> Iterator[tuple[str, Action, str]]:
    for integration in ours([*CARRIERS, *PAYMENTS]):
        for action in integration.actions.values():
            model = SHAPES[integration.category].get(action.action_id)
            if model is not None:
                yield integration.integration_id, action, model


@pytest.mark.parametrize(
    ("action", "model"), [pytest.param(action, model, id=f"{of}-{action.action_id}") for of, action, model in shaped()]
)
def test_an_action_answers_with_the_model_of_its_kind(action: Action, model: str) -> None:
    assert set(action.output_schema.raw["properties"]) == set(read_models(schemas_dir())[model]["properties"])
    assert action.output_schema.raw["required"] == read_models(schemas_dir())[model]["required"]
    assert action.output_schema.raw["additionalProperties"] is False


@pytest.mark.parametrize("integration_id", CARRIERS)
def test_a_carrier_quotes_books_and_cancels(integration_id: str) -> None:
    assert {"calculate_fee", "create_order", "cancel_order"} <= set(catalog().integrations[integration_id].actions)


@pytest.mark.parametrize("integration_id", PAYMENTS)
def test_a_payment_provider_takes_money_tells_its_state_and_gives_it_back(integration_id: str) -> None:
    models = {SHAPES["payment"].get(action) for action in catalog().integrations[integration_id].actions}
    assert {"payment-request", "payment", "refund"} <= models


async def explained(integration_id: str, action: str, given: Mapping[str, Any]) -> list[Any]:
    """The requests of a call with the account of a recorded booking. Raises `CallError` where the input is refused."""
    case = next(
        one
        for one in cases()
        if one.integration_id == integration_id and one.turns[0].action == "create_order" and one.turns[0].has_result
    )
    stage = await staged(case, catalog())
    command = Command(
        tenant_id=stage.connection.tenant_id,
        connection_id=stage.connection.connection_id,
        action_id=action,
        input=dict(given),
    )
    return [step.request for step in (await explain(stage.engine, command, stage.connection)).steps]


@pytest.mark.parametrize("integration_id", CARRIERS)
async def test_one_booking_suits_every_carrier(integration_id: str) -> None:
    """Addresses in names, weight in grams, lengths in centimetres, money in dong."""
    requests = await explained(integration_id, "create_order", BOOKING)
    assert any(request is not None and b"DH-2001" in request.body for request in requests)


@pytest.mark.parametrize("integration_id", CARRIERS)
@pytest.mark.parametrize("action", ["track_order", "cancel_order"])
async def test_a_parcel_is_named_alike_everywhere(integration_id: str, action: str) -> None:
    if action in catalog().integrations[integration_id].actions:
        requests = await explained(integration_id, action, {"orderCode": "CODE-2001"})
        sent = [exact.dumps([request.url, request.body.decode()]) for request in requests if request is not None]
        assert any(b"CODE-2001" in one for one in sent)
