"""A newcomer's engine over the provider sandbox: real sockets, the real clock, invented accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from ulid import ULID

from engine.bootstrap import open_engine
from engine.cases import cursors
from engine.cases.match import alike
from engine.cases.model import Case, Turn
from engine.cases.origins import Origins
from engine.cases.sandbox import create_sandbox, running
from engine.library import exact
from engine.model import Answer, Command
from engine.runtime import auth
from engine.runtime.account import TOKEN
from engine.runtime.address import WEBHOOK
from engine.runtime.apps import APP
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.runtime.grant import token_record
from engine.settings import Settings
from tests.cases.recorded import OURS, case_of, cases, catalog, label
from tests.support.scene import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUCCESSES = [case for case in cases() if len(case.turns) == 1 and case.turns[0].has_result and case.turns[0].exchanges]
GHN = {"apiKey": "a-newcomers-own-key"}, {"shopId": "42"}
STILL_VALID = "2999-01-01T00:00:00Z"


class Impatient(SystemClock):
    """Does not wait before it tries again."""

    async def sleep(self, seconds: float) -> None:
        """At once."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with running(create_sandbox(cases())) as origin:
        opened = await open_engine(
            Settings(data_dir=tmp_path_factory.mktemp("sandbox"), tenant_calls_per_minute=100_000),
            catalog=catalog(),
            clock=Impatient(),
            upstreams=dict.fromkeys(catalog().integrations, origin),
        )
        yield opened
        await opened.close()


async def call(engine: Engine, case: Case, given: Mapping[str, Any]) -> Answer:
    """The case's action with what is given, for a tenant of its own."""
    tenant, credentials = str(ULID()), given.get("credentials", {})
    connection = await connect(
        engine, case.integration_id, config=given.get("config"), credentials=credentials, tenant=tenant
    )
    if "url" in given.get("webhook", {}):
        await engine.store.secrets.put(tenant, connection.connection_id, WEBHOOK, {"token": "a-newcomers-own-token"})
    if "app" in given:
        await engine.store.secrets.put(tenant, connection.connection_id, APP, given["app"])
    if "token" in given:
        account = await engine.accounts.open(connection)
        token = {**given["token"], "expiresAt": STILL_VALID}
        record = token_record(account, auth.choose(account), token, engine.clock.now())
        await engine.store.secrets.put(tenant, connection.connection_id, TOKEN, record)
    action_id, asked = case.turns[0].action, given.get("input", {})
    answer = await engine.execute(
        Command(
            tenant_id=tenant,
            connection_id=connection.connection_id,
            action_id=action_id,
            input=cursors.sealed(engine, connection, action_id, asked),
            idempotency_key=given.get("idempotencyKey"),
        )
    )
    return replace(answer, data=cursors.cleared(engine, connection, action_id, asked, answer.data))


def _asks_the_same(one: Turn, other: Turn) -> bool:
    return one.action == other.action and all(
        alike(one.given.get(part, {}), other.given.get(part, {})) for part in ("input", "config")
    )


def agrees(wanted: Any, got: Any, origins: Origins) -> bool:
    """Equal, but for texts that hold the time of the call: `createdAt`, an id that begins with the day."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(agrees(wanted[key], got[key], origins) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(agrees(a, b, origins) for a, b in zip(wanted, got, strict=True))
    if isinstance(wanted, str) and isinstance(got, str) and wanted != got:
        return origins.is_fresh(wanted) and origins.pattern(wanted).fits(got)
    return alike(wanted, got)


def results(case: Case) -> list[tuple[Any, Origins]]:
    """What the sandbox may answer: where several cases ask the same, the plain and confirmed ones come first.

    Where cases of several calls ask it too, the sandbox remembers what this account has done in other tests.
    """
    same = [
        other
        for other in SUCCESSES
        if other.integration_id == case.integration_id and _asks_the_same(other.turns[0], case.turns[0])
    ]
    plain = [other for other in same if len(other.turns[0].exchanges) == 1]
    best = [other for other in plain if not other.unconfirmed][:1] or plain[:1] or same
    chains = (other for other in cases() if other.integration_id == case.integration_id and len(other.turns) > 1)
    remembered = (turn for chain in chains for turn in chain.turns if _asks_the_same(turn, case.turns[0]))
    turns = (*(other.turns[0] for other in best), *remembered)
    return [(turn.result, Origins(turn.given)) for turn in turns]


@pytest.mark.parametrize("case", SUCCESSES, ids=label)
async def test_the_input_of_a_case_gets_its_result(case: Case, engine: Engine) -> None:
    answer = await call(engine, case, case.turns[0].given)
    assert answer.error is None, answer.error
    got = exact.loads(exact.dumps(answer.data))
    assert any(agrees(result, got, origins) for result, origins in results(case)), got


def is_signed(case: Case) -> bool:
    """Whether the provider signs what it answers, with the key of the case."""
    turn = case.turns[0]
    return bool(catalog().integrations[case.integration_id].actions[turn.action].verify_answer)


OF_OURS = [case for case in SUCCESSES if case.integration_id in OURS]


@pytest.mark.parametrize("case", [case for case in OF_OURS if not is_signed(case)], ids=label)
async def test_any_credentials_will_do(case: Case, engine: Engine) -> None:
    """A newcomer has no account: the values of credentials are not looked at."""
    given = case.turns[0].given
    invented = {name: f"invented-{value}" for name, value in given.get("credentials", {}).items()}
    answer = await call(engine, case, {**given, "credentials": invented})
    assert answer.error is None, answer.error


@pytest.mark.parametrize("case", [case for case in OF_OURS if is_signed(case)], ids=label)
async def test_a_signed_answer_fits_the_credentials_of_its_case_only(case: Case, engine: Engine) -> None:
    """The sandbox has no key of the newcomer's to sign with; what it plays is believed under the recorded one."""
    given = case.turns[0].given
    assert (await call(engine, case, given)).error is None
    invented = {name: f"invented-{value}" for name, value in given.get("credentials", {}).items()}
    answer = await call(engine, case, {**given, "credentials": invented})
    assert answer.error is not None
    assert answer.error.code == "INVALID_RESPONSE"


async def test_an_order_without_a_code_of_its_own_is_booked(engine: Engine) -> None:
    """The code is derived from the call then, so each call sends another one."""
    case = case_of("shipping-ghn", "without an own code one is made from the idempotency key")
    credentials, config = GHN
    given = {"input": case.turns[0].given["input"], "config": config, "credentials": credentials}
    for _ in range(2):
        answer = await call(engine, case, given)
        assert answer.error is None, answer.error
        assert answer.data["orderCode"] == case.turns[0].result["orderCode"]


async def test_a_miss_names_the_nearest_case_and_the_field(engine: Engine) -> None:
    case = case_of("shipping-ghn", "fee of a light parcel")
    credentials, config = GHN
    given = {"input": {**case.turns[0].given["input"], "weight": 201}, "config": config, "credentials": credentials}
    answer = await call(engine, case, given)
    assert answer.error is not None
    assert answer.error.code == "REJECTED"
    assert not answer.error.retryable
    assert 'nearest case "fee of a light parcel" (shipping-ghn calculate_fee)' in answer.error.message
    assert "json.weight: expected 200, got 201" in answer.error.message
    assert credentials["apiKey"] not in answer.error.message


async def test_a_connection_test_passes(engine: Engine) -> None:
    """What a newcomer does first: connect with the shop of the example, and press the test button."""
    credentials, _ = GHN
    connection = await connect(engine, "shipping-ghn", config={"shopId": "5000001"}, credentials=credentials)
    outcome = await engine.test(connection)
    assert outcome.success, outcome.message


async def test_a_connection_test_tells_a_shop_that_the_key_does_not_have(engine: Engine) -> None:
    """The key is right then, and the answer comes; only what it says shows the mistake."""
    credentials, config = GHN
    connection = await connect(engine, "shipping-ghn", config=config, credentials=credentials)
    outcome = await engine.test(connection)
    assert not outcome.success
    assert outcome.message.startswith("the shopId is not among")
