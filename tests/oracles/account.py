"""An account at one of our connectors, played over a real socket: what its spec really sends and believes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.bootstrap import open_engine, open_registry
from engine.events.interpret import Known, Reading, interpret
from engine.locations import schemas_dir, specs_dir
from engine.model import Answer, Command, Connection
from engine.runtime import auth
from engine.runtime.account import TOKEN
from engine.runtime.execute import Engine
from engine.runtime.grant import token_record
from engine.runtime.message import Message
from engine.settings import Settings
from engine.spec.load import load_catalog
from tests.support.scene import TENANT, Stillstand, connect
from tests.support.upstream import Handler, Reply, Seen, Upstream

_URL = "https://hooks.example.com/webhooks/c1"
_MADE = {"url": _URL, "token": "webhook-token-of-the-tests", "secret": "webhook-secret-of-the-tests"}


class Account:
    """Calls are made one after the other; each begins an hour after the one before, so that no limit is met."""

    def __init__(
        self, runner: asyncio.Runner, engine: Engine, clock: Stillstand, upstream: Upstream, connection: Connection
    ) -> None:
        self._runner, self._engine, self._clock, self._upstream = runner, engine, clock, upstream
        self.connection = connection

    @property
    def now(self) -> float:
        """Epoch seconds of the last call."""
        return self._clock.now()

    @property
    def sent(self) -> Seen:
        """The last request that reached the provider."""
        return self._upstream.seen[-1]

    @property
    def seen(self) -> Sequence[Seen]:
        """Every request that reached the provider, in order."""
        return self._upstream.seen

    def call(self, action_id: str, given: Mapping[str, Any], answer: Handler | None = None) -> Answer:
        """A call whose requests the provider answers with `answer`; left out, as it answered before."""
        self._clock.passed += 3600
        self._upstream.handler = answer or self._upstream.handler
        asked = Command(
            tenant_id=TENANT, connection_id=self.connection.connection_id, action_id=action_id, input=dict(given)
        )
        return self._runner.run(self._engine.execute(asked))

    def done(self, action_id: str, given: Mapping[str, Any], answer: Handler | None = None) -> Any:
        """The output of a call that must succeed."""
        made = self.call(action_id, given, answer)
        assert made.success, made.error
        return made.data

    def is_proved(self, answer: Handler) -> bool:
        """Whether the connection test believes the credentials when the provider answers so."""
        self._clock.passed += 3600
        self._upstream.handler = answer
        return self._runner.run(self._engine.test(self.connection)).success

    def read(self, method: str, query: str = "", body: bytes = b"", **headers: str) -> Reading:
        """What becomes of a message to the account's webhook URL; `query` is encoded, without its `?`."""
        account = self._runner.run(self._engine.accounts.open(self.connection))
        webhook = account.integration.webhook
        assert webhook is not None
        url = f"{_URL}?{query}" if query else _URL
        message = Message(method, url, headers, body, _MADE["token"])
        known = Known(account.config, account.credentials, _MADE, self._engine.catalog.signers, self.now)
        return interpret(webhook, message, known)


@contextmanager
def account(
    folder: Path,
    integration_id: str,
    *,
    config: Mapping[str, Any],
    credentials: Mapping[str, Any],
    token: Mapping[str, Any] | None = None,
) -> Iterator[Account]:
    """An account at `specs/<integration_id>` with an engine that keeps its data in `folder`.

    `token`: what a consent has left, as it is stored.
    """
    catalog = load_catalog([specs_dir() / integration_id], open_registry(), schemas_dir())
    clock, upstream = Stillstand(), Upstream(lambda _seen: Reply())
    with asyncio.Runner() as runner:
        runner.run(upstream.listen())
        upstreams = {integration_id: upstream.origin}
        engine = runner.run(open_engine(Settings(data_dir=folder), catalog=catalog, clock=clock, upstreams=upstreams))
        connection = runner.run(connect(engine, integration_id, config=config, credentials=credentials))
        if token is not None:
            runner.run(_grant(engine, connection, token))
        try:
            yield Account(runner, engine, clock, upstream, connection)
        finally:
            runner.run(engine.close())
            runner.run(upstream.hang_up())


async def _grant(engine: Engine, connection: Connection, token: Mapping[str, Any]) -> None:
    opened = await engine.accounts.open(connection)
    kept = token_record(opened, auth.choose(opened), token, engine.clock.now())
    await engine.store.secrets.put(connection.tenant_id, connection.connection_id, TOKEN, kept)
