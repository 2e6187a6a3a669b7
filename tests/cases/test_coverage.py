"""The cases of the project's own specs reach every action and every row of the error rules."""

from __future__ import annotations

import pytest

from engine.cases.replay import replay
from engine.storage.ports import Store
from tests.cases.coverage import traced
from tests.cases.recorded import OURS, cases, catalog

UNREACHABLE = {
    # Only the change of a booked cash-on-delivery amount asks for a one-time password; no action does that.
    "shipping-ghn": {"errors[3].codes.OTP_NOT_VALID", "errors[3].codes.PERMISSION_DENIED_EDIT_COD"},
}
"""Rows that a provider's documents list and that no action of the spec can meet."""


@pytest.mark.parametrize("integration_id", sorted(OURS))
def test_each_action_has_a_success_and_a_failure(integration_id: str) -> None:
    turns = [turn for case in cases() if case.integration_id == integration_id for turn in case.turns]
    outcomes = {(turn.action, turn.has_result) for turn in turns}
    actions = catalog().integrations[integration_id].actions
    assert {(action, has_result) for action in actions for has_result in (True, False)} - outcomes == set()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("integration_id", sorted(OURS))
async def test_each_row_of_the_error_rules_is_hit(integration_id: str, store: Store) -> None:
    """Exactly the rows that are listed as unreachable are not."""
    watched, coverage = traced(catalog())
    for case in cases():
        if case.integration_id == integration_id:
            await replay(case, watched, store)
    assert coverage.missing(integration_id) == sorted(UNREACHABLE.get(integration_id, ()))


@pytest.mark.asyncio(loop_scope="session")
async def test_a_row_without_a_case_is_noticed(store: Store) -> None:
    """Without the one case about refused phone numbers, that row is missing."""
    watched, coverage = traced(catalog())
    for case in cases():
        if case.integration_id == "shipping-ghn" and case.name != "the phone number is refused":
            await replay(case, watched, store)
    assert "errors[3].codes.PHONE_INVALID" in coverage.missing("shipping-ghn")
