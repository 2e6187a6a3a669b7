"""Every case of this repository, recorded once more as if it were real, is a case that replays."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.cases.model import Case
from engine.cases.origins import DEFAULT_NOW
from engine.cases.record import Outcome, Recorded, make_case
from engine.cases.replay import play
from engine.cases.tape import Recording, RecordingClock
from engine.runtime.inputs import find_action
from engine.runtime.transport import Transport
from engine.spec.source import read
from tests.cases.recorded import cases, catalog, label, spec_text

SINGLE = [case for case in cases() if len(case.turns) == 1 and case.turns[0].exchanges and case.turns[0].sent is None]
ACCOUNT = ("config", "credentials", "app", "token", "input")


def _epoch(case: Case) -> float:
    return datetime.fromisoformat(str(case.turns[0].given.get("now", DEFAULT_NOW))).timestamp()


async def recorded_again(case: Case) -> Outcome:
    """The case, played, and made a case of once more."""
    tapes: list[Recording] = []

    def around(wire: Transport) -> Transport:
        tapes.append(Recording(wire))
        return tapes[0]

    (played,) = await play(case, catalog(), around=around)
    integration, turn = catalog().integrations[case.integration_id], case.turns[0]
    text = spec_text(case.integration_id)
    source, _ = read("spec.yaml", text)
    assert source is not None
    again = Recorded(
        name="again",
        source=case.source,
        integration=integration,
        action=find_action(integration, turn.action),
        given={name: turn.given.get(name, {}) for name in ACCOUNT},
        learned=[],
        key=turn.given.get("idempotencyKey"),
        clock=RecordingClock(_epoch(case), list(turn.given.get("random", ())), [played.answer.execution_id]),
        heard=tapes[0].heard,
        answer=played.answer,
    )
    return await make_case(again, catalog(), source.value, text)


def signs_its_answers(case: Case) -> bool:
    actions = catalog().integrations[case.integration_id].actions
    return any(bool(actions[turn.action].verify_answer) for turn in case.turns if turn.action in actions)


@pytest.mark.parametrize("case", [one for one in SINGLE[::5] if not signs_its_answers(one)], ids=label)
async def test_a_case_that_is_recorded_again_comes_out_alike(case: Case) -> None:
    outcome = await recorded_again(case)
    assert outcome.problems == ()
    assert ("result" in outcome.block) == case.turns[0].has_result
    assert len(outcome.block["exchanges"]) == len(case.turns[0].exchanges)


async def test_an_answer_that_the_provider_signed_cannot_be_made_anew_and_that_is_said() -> None:
    signed = next(one for one in SINGLE if signs_its_answers(one) and one.turns[0].has_result)
    outcome = await recorded_again(signed)
    assert any("the signature of the provider's answer does not fit" in problem for problem in outcome.problems)
