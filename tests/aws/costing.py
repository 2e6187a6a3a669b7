"""Calls and messages of one usual size over the store on AWS, each measured alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.aws_meter import metered, size
from bench.cost import Figure
from engine.connections.service import Change, ConnectionService
from engine.events.deliver import Deliverer, Pace
from engine.events.receive import Receiver
from engine.events.subscriptions import SubscriptionService
from engine.runtime.address import WEBHOOK
from engine.runtime.clock import SystemClock
from engine.runtime.transport import HttpTransport
from engine.storage.aws.tables import DELIVERIES, EVENTS, EXECUTIONS
from engine.telemetry.lines import line_of
from tests.events.messages import MADE, SECRET, signed, webhook_spec
from tests.support import aws
from tests.support.scene import TENANT, Scene, running
from tests.support.specs import action, fields, text, whole
from tests.support.upstream import Upstream, answer

_KEPT = (EXECUTIONS, EVENTS, DELIVERIES)
_GIVEN = {"toName": "Nguyen Van A", "toPhone": "0900000001", "toAddress": "1 Fake Street, Ward 1", "weight": 1200}
_ANSWER = {"orderCode": "FAKE-0000-1111", "fee": 36300, "expectedDelivery": "2026-05-04T10:00:00Z"}
_INPUT = fields((), **dict.fromkeys(("toName", "toPhone", "toAddress"), text()), weight=whole())


class Bytes:
    """An observer that counts the lines it is told, as they go to the log of the process."""

    def __init__(self) -> None:
        self.logged = 0

    def _add(self, event: Any) -> None:
        self.logged += len(line_of(event)) + 1

    attempt = call = message = delivery = _add


@dataclass
class Counting:
    """`endpoint` of the tables."""

    scene: Scene
    endpoint: str
    bytes: Bytes
    receiver: Receiver

    async def figure(self, job: Callable[[], Awaitable[Any]]) -> Figure:
        kept, logged = self._kept(), self.bytes.logged
        with metered() as meter:
            await job()
        stored, lines = self._kept() - kept, self.bytes.logged - logged
        return Figure(meter.reads, meter.writes, meter.secrets, stored, lines)

    def _kept(self) -> int:
        """Bytes in the tables that grow, with their indexes."""
        tables = aws.client("dynamodb", self.endpoint)
        return sum(
            size(item) * (1 + sum(index.partition in item for index in table.indexes))
            for table in _KEPT
            for item in tables.scan(TableName=table.name)["Items"]
        )

    async def read(self) -> None:
        assert (await self.scene.call("find", _GIVEN)).success

    async def write(self, key: str | None) -> None:
        assert (await self.scene.call("order", _GIVEN, idempotency_key=key)).success

    async def replay(self, key: str) -> None:
        assert (await self.scene.call("order", _GIVEN, idempotency_key=key)).replayed

    async def refuse(self) -> None:
        assert await self.scene.code("find", {**_GIVEN, "weight": "heavy"}) == "INVALID_INPUT"

    async def forget_account(self) -> None:
        """As another process, or five minutes, would."""
        change = Change(name="Renamed")
        await ConnectionService(self.scene.engine).update(TENANT, self.scene.connection.connection_id, change)

    async def receive(self, number: int) -> None:
        message = signed({"id": number, "code": "A1", "phone": "0900000001"})
        assert (await self.receiver.receive(self.scene.connection.connection_id, message)).outcome == "accepted"

    async def look(self) -> None:
        """What who delivers does while there is nothing to do."""
        deliveries, now = self.scene.engine.store.deliveries, self.scene.engine.clock.now()
        assert not await deliveries.arrivals(50)
        assert not await deliveries.take(now, now + 60, 20)

    async def subscribe(self, to: Upstream) -> None:
        engine = self.scene.engine
        service = SubscriptionService(engine.catalog, engine.store, engine.clock, private_ok=True, wake=lambda: None)
        await service.create(TENANT, f"{to.origin}/hook", ("*",))

    async def deliver(self, to: Upstream) -> None:
        """One event to one subscriber, as the function does it that a message wakes."""
        engine, before = self.scene.engine, len(to.seen)
        transport = HttpTransport(allow_private=True, lookup_threads=4)
        deliverer = Deliverer(engine.store, transport, engine.clock, self.bytes, Pace(idle=60.0))
        assert await deliverer.drain(60.0)
        await transport.close()
        assert len(to.seen) == before + 1


@asynccontextmanager
async def counting(folder: Path, servers: aws.Servers, name: str) -> AsyncIterator[Counting]:
    """The environment names the endpoints."""
    aws.wipe(servers.dynamodb[name], servers.secrets)
    counted = Bytes()
    actions = [
        action("find", inputSchema=_INPUT, output={"found": "body"}),
        action("order", "write", inputSchema=_INPUT, output={"order": "body"}),
    ]
    one = {**webhook_spec(), "actions": actions}
    async with running(
        folder, one, lambda _seen: answer(_ANSWER), clock=SystemClock(), settings={"storage": "aws"},
        credentials={"apiKey": SECRET}, observer=counted,
    ) as scene:  # fmt: skip
        made = {part: MADE[part] for part in ("token", "secret")}
        await scene.engine.store.secrets.put(TENANT, scene.connection.connection_id, WEBHOOK, made)
        engine = scene.engine
        receiver = Receiver(engine.catalog, engine.store, engine.clock, "https://hooks.example.com", counted)
        yield Counting(scene, servers.dynamodb[name], counted, receiver)
