"""Steps 1 and 2 of a call: who is asked, and what may be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RequestError
from engine.library import exact
from tests.support.scene import TENANT, Scene, connect, replies, running
from tests.support.specs import action, fields, spec, text, whole

SEND = action(
    "send_parcel",
    inputSchema=fields(
        ("weight",),
        weight=whole(minimum=1, maximum=30_000),
        note=text(maxLength=10),
        service=text(enum=["standard", "express"], default="standard"),
        sizes={"type": "array", "description": "Sizes.", "items": whole(), "default": [1, 2]},
        phone=text(),
        email=text(),
    ),
    checks=[{"require": "!(input.phone && input.email)", "message": "give phone or email, not both", "field": "email"}],
    request={
        "method": "POST",
        "path": "/parcels",
        "json": {
            "weight": "{{ input.weight }}",
            "service": "{{ input.service }}",
            "sizes": "{{ input.sizes }}",
            "note": "{{ input.note }}",
        },
    },
)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running(tmp_path, spec(SEND, action()), replies()) as made:
        yield made


async def test_defaults_are_filled_in_before_the_request_is_made(scene: Scene) -> None:
    await scene.call("send_parcel", {"weight": 5})
    assert scene.upstream.seen[0].json() == {"weight": 5, "service": "standard", "sizes": [1, 2]}


async def test_an_integral_fraction_is_sent_as_the_integer_that_it_is(scene: Scene) -> None:
    await scene.call("send_parcel", {"weight": 500.0, "sizes": [Decimal("3.00")]})
    assert scene.upstream.seen[0].body == b'{"weight":500,"service":"standard","sizes":[3]}'


async def test_the_callers_own_input_stays_as_it_was(scene: Scene) -> None:
    given: dict[str, Any] = {"weight": 500.0, "sizes": [7.0]}
    await scene.call("send_parcel", given)
    assert repr(given) == "{'weight': 500.0, 'sizes': [7.0]}"


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        ({}, ["weight"], "is required"),
        ({"weight": 0}, ["weight"], "at least 1"),
        ({"weight": 1.5}, ["weight"], "must be integer"),
        ({"weight": "5"}, ["weight"], "must be integer"),
        ({"weight": True}, ["weight"], "must be integer"),
        ({"weight": 5, "note": "x" * 11}, ["note"], "at most 10 characters"),
        ({"weight": 5, "service": "slow"}, ["service"], "must be one of standard, express"),
        ({"weight": 5, "sizes": [1, "two"]}, ["sizes", 1], "must be integer"),
        ({"weight": 5, "wieght": 6}, ["wieght"], "did you mean weight?"),
        ({"weight": 5, "email": "a", "phone": "b"}, ["email"], "not both"),
    ],
)
async def test_an_input_that_does_not_fit_names_the_field_and_sends_nothing(
    scene: Scene, given: dict[str, Any], path: list[str | int], says: str
) -> None:
    done = await scene.call("send_parcel", given)
    assert not done.success
    assert done.error is not None
    assert (done.error.code, done.error.retryable) == ("INVALID_INPUT", False)
    assert [issue["path"] for issue in done.error.details["issues"]] == [path]
    assert says in done.error.message
    assert scene.seen == 0


async def test_every_issue_of_an_input_is_told_at_once(scene: Scene) -> None:
    done = await scene.call("send_parcel", {"weight": 0, "note": "x" * 11, "colour": "red"})
    assert done.error is not None
    assert len(done.error.details["issues"]) == 3


async def test_no_message_repeats_what_was_sent(scene: Scene) -> None:
    done = await scene.call("send_parcel", {"weight": "canary-91", "service": "canary-92", "note": "canary-93-long"})
    assert "canary" not in repr(done)


async def test_an_unknown_action_names_the_nearest_one(scene: Scene) -> None:
    done = await scene.call("send_parcels")
    assert done.error is not None
    assert done.error.code == "ACTION_NOT_FOUND"
    assert "did you mean send_parcel?" in done.error.message


async def test_an_inactive_connection_is_not_called(scene: Scene) -> None:
    inactive = await connect(scene.engine, status="inactive")
    assert await scene.code(connection_id=inactive.connection_id) == "CONNECTION_INACTIVE"
    assert scene.seen == 0


async def test_a_connection_in_error_may_still_be_called(scene: Scene) -> None:
    broken = await connect(scene.engine, status="error", last_error="refused")
    assert (await scene.call(connection_id=broken.connection_id)).success


async def test_what_never_reached_the_provider_is_a_logged_execution_all_the_same(scene: Scene) -> None:
    inactive = await connect(scene.engine, status="inactive")
    answers = [
        await scene.call("send_parcel", {"weight": 0}, caller_service="agents", caller_ref="chat-7"),
        await scene.call("fly", {}),
        await scene.call(connection_id=inactive.connection_id),
    ]
    rows = {row.execution_id: row for row in await scene.log()}
    codes = [(rows[one.execution_id].status, rows[one.execution_id].error_code) for one in answers]
    assert codes == [("error", "INVALID_INPUT"), ("error", "ACTION_NOT_FOUND"), ("error", "CONNECTION_INACTIVE")]
    first = rows[answers[0].execution_id]
    assert (first.caller_service, first.caller_ref, first.integration_id) == ("agents", "chat-7", "acme-shipping")
    assert exact.loads(first.input) == {"weight": 0}
    assert first.output is None


async def test_a_success_is_logged_with_its_input_and_output(scene: Scene) -> None:
    done = await scene.call("send_parcel", {"weight": 5})
    row = await scene.engine.store.executions.get(TENANT, done.execution_id)
    assert row is not None
    assert (row.status, row.error_code) == ("success", None)
    assert exact.loads(row.input) == {"weight": 5}
    assert exact.loads(row.output or b"") == {"got": {"ok": True}}


@pytest.mark.parametrize("ids", [{"connection_id": "01JZZZZZZZZZZZZZZZZZZZZZZZ"}, {"tenant_id": "tenant-b"}])
async def test_an_unknown_connection_and_another_tenants_are_the_same_404(scene: Scene, ids: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        await scene.call(**ids)
    assert (caught.value.code, str(caught.value)) == ("NOT_FOUND", "no such connection")
    assert await scene.log() == []


async def test_an_integration_stands_for_the_tenants_only_active_connection(scene: Scene) -> None:
    await connect(scene.engine, status="inactive")
    await connect(scene.engine, tenant="tenant-b")
    done = await scene.call(connection_id=None, integration_id="acme-shipping")
    assert done.success
    assert (await scene.log())[0].connection_id == scene.connection.connection_id


async def test_an_integration_with_two_active_connections_needs_the_id_of_one(scene: Scene) -> None:
    await connect(scene.engine)
    with pytest.raises(RequestError, match="2 active connections: name connectionId") as caught:
        await scene.call(connection_id=None, integration_id="acme-shipping")
    assert caught.value.code == "BAD_REQUEST"


async def test_an_integration_without_an_active_connection_is_not_found(scene: Scene) -> None:
    with pytest.raises(RequestError, match="no active connection") as caught:
        await scene.call(connection_id=None, integration_id="acme-shipping", tenant_id="tenant-b")
    assert caught.value.code == "NOT_FOUND"


async def test_an_unknown_integration_names_the_nearest_one(scene: Scene) -> None:
    with pytest.raises(RequestError, match="did you mean acme-shipping") as caught:
        await scene.call(connection_id=None, integration_id="acme-shiping")
    assert caught.value.code == "NOT_FOUND"


async def test_a_connection_whose_integration_is_gone_ends_as_a_logged_answer(scene: Scene) -> None:
    orphan = await connect(scene.engine, "acme-gone")
    assert await scene.code(connection_id=orphan.connection_id) == "ACTION_NOT_FOUND"
    assert (await scene.log())[0].integration_id == "acme-gone"
