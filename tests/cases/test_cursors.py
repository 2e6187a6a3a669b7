"""Lists in cases: the cursor is written as the provider says it, and the sandbox leads from page to page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from ulid import ULID

from engine.bootstrap import open_engine
from engine.cases.replay import replay
from engine.cases.sandbox import create_sandbox, running
from engine.library import exact
from engine.model import Answer, Command, Connection
from engine.runtime import auth
from engine.runtime.account import TOKEN
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.runtime.grant import token_record
from engine.settings import Settings
from engine.storage.ports import Store
from tests.cases.recorded import case_of, cases, catalog, changed
from tests.support.scene import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTS = [
    ("crm-zoho", "two pages of contacts"),
    ("crm-salesforce", "the next page lies at the URL of the answer"),
    ("ecommerce-prestashop", "three products on two pages"),
]
PARTS = dict[str, Any]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with running(create_sandbox(cases())) as origin:
        opened = await open_engine(
            Settings(data_dir=tmp_path_factory.mktemp("pages")),
            catalog=catalog(),
            clock=SystemClock(),
            upstreams=dict.fromkeys(catalog().integrations, origin),
        )
        yield opened
        await opened.close()


async def connected(engine: Engine, integration_id: str, given: PARTS) -> Connection:
    made = await connect(
        engine,
        integration_id,
        config=given["config"],
        credentials={name: f"invented-{value}" for name, value in given["credentials"].items()},
        tenant=str(ULID()),
    )
    if "token" in given:
        account = await engine.accounts.open(made)
        token = {**given["token"], "expiresAt": "2999-01-01T00:00:00Z"}
        record = token_record(account, auth.choose(account), token, engine.clock.now())
        await engine.store.secrets.put(made.tenant_id, made.connection_id, TOKEN, record)
    return made


async def call(engine: Engine, connection: Connection, action_id: str, given: PARTS) -> Answer:
    return await engine.execute(Command(connection.tenant_id, action_id, given, connection_id=connection.connection_id))


@pytest.mark.parametrize("named", LISTS, ids=[one for one, _ in LISTS])
async def test_the_sandbox_leads_through_all_pages(named: tuple[str, str], engine: Engine) -> None:
    case = case_of(*named)
    connection = await connected(engine, case.integration_id, dict(case.turns[0].given))
    asked = dict(case.turns[0].given["input"])
    for turn in case.turns:
        answer = await call(engine, connection, turn.action, asked)
        assert answer.error is None, answer.error
        got = exact.loads(exact.dumps(answer.data))
        asked = {**case.turns[0].given["input"], "cursor": got.pop("nextCursor", None)}
        assert got == {name: value for name, value in turn.result.items() if name != "nextCursor"}
    assert asked["cursor"] is None


def _other_cursor(parts: PARTS) -> None:
    parts["result"]["nextCursor"] = 3


def _cursor_as_text(parts: PARTS) -> None:
    parts["result"]["nextCursor"] = "2"


def _no_cursor(parts: PARTS) -> None:
    del parts["result"]["nextCursor"]


def _cursor_of_another_page(parts: PARTS) -> None:
    parts["given"]["input"]["cursor"] = 2


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (_other_cursor, "call 1: result.nextCursor: expected 3, got 2"),
        (_cursor_as_text, 'call 1: result.nextCursor: expected "2", got 2'),
        (_no_cursor, "call 1: result.nextCursor: expected nothing, got 2"),
        (_cursor_of_another_page, 'call 1: request 1: query.page: expected "1", got "2"'),
    ],
)
async def test_a_case_with_another_cursor_is_wrong(edit: Callable[[PARTS], None], problem: str, store: Store) -> None:
    assert problem in await replay(changed(case_of(*LISTS[0]), edit), catalog(), store)


async def test_a_case_may_begin_in_the_middle_of_a_list(store: Store) -> None:
    case = case_of("crm-salesforce", "the org's calls of the day are used up on a page")
    assert "cursor" in case.turns[0].given["input"]
    assert await replay(case, catalog(), store) == []
