"""The `Executions` port on DynamoDB. What is appended in one turn of the event loop is written together."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ulid import ULID

from engine.errors import StorageUnavailable
from engine.library import exact
from engine.model import Execution
from engine.storage.aws.client import Aws
from engine.storage.aws.items import (
    Item,
    bytes_of,
    float_of,
    given,
    is_after,
    maybe_number,
    maybe_text,
    moment,
    number,
    raw,
    tenant_key,
    text,
    text_of,
    whole_of,
)
from engine.storage.aws.tables import EXECUTIONS, EXPIRES
from engine.storage.ports import ExecutionQuery

_TABLE: Final = EXECUTIONS.name
_BATCH: Final = 25
_TRIES: Final = 8
_PACKED_FROM: Final = 8 * 1024
_LARGEST: Final = 190 * 1024
"""Of an input or an output once it is packed: an item has at most 400 kB."""
_CUT: Final = exact.dumps({"cut": "too large for the log"})
_AFTER_SECONDS: Final = 60.0
"""A row is written under the time at which its call began; its id was drawn at most so long before."""
_PAGE: Final = 100
_FEW: Final = 10
"""Rows read at once to find one: it is nearly always the first."""
_DAY: Final = 86_400


class AwsExecutions:
    """`days`: how long a row is kept."""

    def __init__(self, aws: Aws, days: int) -> None:
        self._aws = aws
        self._days = days
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    async def append(self, execution: Execution) -> None:
        item = self._item(execution)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # rows of a loop that is gone have no caller any more
            self._loop, self._waiting = loop, []
        done: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((item, done))
        await done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for begin in range(0, len(waiting), _BATCH):
            task = asyncio.get_running_loop().create_task(self._write(waiting[begin : begin + _BATCH]))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _write(self, waiting: Sequence[tuple[Item, asyncio.Future[None]]]) -> None:
        failure: StorageUnavailable | None = None
        try:
            if len(waiting) == 1:
                await self._aws.dynamodb("put_item", TableName=_TABLE, Item=waiting[0][0])
            else:
                await self._write_all([item for item, _ in waiting])
        except StorageUnavailable as error:
            failure = error
        for _, done in waiting:
            if done.done():  # the caller was cancelled
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def _write_all(self, items: Sequence[Item]) -> None:
        """In one batch; what DynamoDB leaves undone of it is sent again. Of one key the first stays."""
        placed: dict[tuple[str, str], Item] = {}
        for item in items:
            placed.setdefault((item["PK"]["S"], item["SK"]["S"]), item)
        left = [{"PutRequest": {"Item": item}} for item in placed.values()]
        for attempt in range(_TRIES):
            answer = await self._aws.dynamodb("batch_write_item", RequestItems={_TABLE: left})
            left = answer.get("UnprocessedItems", {}).get(_TABLE, [])
            if not left:
                return
            await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise StorageUnavailable("DynamoDB leaves rows of the log undone all the time")

    async def get(self, tenant_id: str, execution_id: str) -> Execution | None:
        """The key holds the time at which the call began, which the id nearly tells: rows from there on are read."""
        try:
            drawn = ULID.from_str(execution_id).timestamp
        except ValueError:
            return None
        asked = {
            "TableName": _TABLE,
            "KeyConditionExpression": "PK = :tenant AND SK BETWEEN :from AND :to",
            "FilterExpression": "executionId = :id",
            "ExpressionAttributeValues": {
                ":tenant": text(tenant_key(tenant_id)),
                ":from": text(f"EXEC#{moment(drawn)}"),
                ":to": text(f"EXEC#{moment(drawn + _AFTER_SECONDS)}~"),
                ":id": text(execution_id),
            },
            "ConsistentRead": True,
            "Limit": _FEW,
        }
        async for item in self._aws.rows(**asked):
            return _execution(item)
        return None

    async def find(self, query: ExecutionQuery) -> list[Execution]:
        """By connection from an index that may lag behind, else from the table, which never does."""
        found: list[Execution] = []
        asked = _listing(query)
        if asked is None:
            return found
        async for item in self._aws.rows(**asked):
            row = _execution(item)
            if _fits(row, query):
                found.append(row)
            if len(found) == query.limit:
                break
        return found

    async def expire(self, before: float, batch: int = 1000) -> int:
        """DynamoDB does it by itself."""
        return 0

    def _item(self, row: Execution) -> Item:
        at = moment(row.created_at)
        item = {
            "PK": text(tenant_key(row.tenant_id)),
            "SK": text(f"EXEC#{at}#{row.execution_id}"),
            **given(
                connectionKey=None if row.connection_id is None else text(f"CONNECTION#{row.connection_id}"),
                timeKey=None if row.connection_id is None else text(f"{at}#{row.execution_id}"),
                executionId=text(row.execution_id),
                tenantId=text(row.tenant_id),
                connectionId=maybe_text(row.connection_id),
                integrationId=maybe_text(row.integration_id),
                actionId=text(row.action_id),
                input=raw(_packed(row.input)),
                output=None if row.output is None else raw(_packed(row.output)),
                status=text(row.status),
                errorCode=maybe_text(row.error_code),
                errorMessage=maybe_text(row.error_message),
                latencyMs=number(row.latency_ms),
                callerService=maybe_text(row.caller_service),
                callerRef=maybe_text(row.caller_ref),
                createdAt=number(row.created_at),
                providerCode=maybe_text(row.provider_code),
                httpStatus=maybe_number(row.http_status),
                attempts=number(row.attempts),
                errorDetails=None if row.error_details is None else raw(_packed(row.error_details)),
            ),
            EXPIRES: number(int(row.created_at) + self._days * _DAY),
        }
        for value in item.values():
            value.get("S", "").encode()  # half a character can't be sent: this row fails alone
        return item


def _fits(row: Execution, query: ExecutionQuery) -> bool:
    """What keys say to the microsecond only, exactly."""
    start = float("-inf") if query.start is None else query.start
    end = float("inf") if query.end is None else query.end
    return start <= row.created_at < end and is_after(row.created_at, row.execution_id, query.after)


def _listing(query: ExecutionQuery) -> dict[str, Any] | None:
    """None: no time is between its bounds. The index of connections knows no tenant, so every row is asked for its."""
    values: dict[str, Item] = {}
    names: dict[str, str] = {}
    if query.connection_id is None:
        asked: dict[str, Any] = {"ConsistentRead": True}
        partition, sort, head = "PK", "SK", "EXEC#"
        values[":partition"] = text(tenant_key(query.tenant_id))
    else:
        asked = {"IndexName": EXECUTIONS.indexes[0].name}
        partition, sort, head = "connectionKey", "timeKey", ""  # no key may be empty text
        values[":partition"] = text(f"CONNECTION#{query.connection_id}")
    values[":from"] = text(head + ("0" if query.start is None else moment(query.start)))
    values[":to"] = text(head + _upper(query))
    if values[":from"]["S"] > values[":to"]["S"]:
        return None
    filters = []
    for name, wanted in (
        ("integrationId", query.integration_id),
        ("status", query.status),
        ("tenantId", query.tenant_id),
    ):
        if wanted is not None:
            filters.append(f"#{name} = :{name}")
            names[f"#{name}"], values[f":{name}"] = name, text(wanted)
    return {
        **asked,
        "TableName": _TABLE,
        "KeyConditionExpression": f"{partition} = :partition AND {sort} BETWEEN :from AND :to",
        "FilterExpression": " AND ".join(filters),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": False,
        "Limit": max(query.limit + 1, _PAGE),
    }


def _upper(query: ExecutionQuery) -> str:
    ends = ["~"]
    if query.end is not None:
        ends.append(moment(query.end))
    if query.after is not None:
        ends.append(f"{moment(query.after[0])}#{query.after[1]}")
    return min(ends)


def _packed(data: bytes) -> bytes:
    """Large ones compressed, marked by a first byte that no JSON text has."""
    if len(data) < _PACKED_FROM:
        return data
    packed = b"\0" + zlib.compress(data, 6)
    return packed if len(packed) <= _LARGEST else _CUT


def _unpacked(data: bytes | None) -> bytes | None:
    return zlib.decompress(data[1:]) if data is not None and data[:1] == b"\0" else data


def _execution(item: Mapping[str, Any]) -> Execution:
    status: Any = text_of(item, "status")
    return Execution(
        execution_id=text_of(item, "executionId") or "",
        tenant_id=text_of(item, "tenantId") or "",
        connection_id=text_of(item, "connectionId"),
        integration_id=text_of(item, "integrationId"),
        action_id=text_of(item, "actionId") or "",
        input=_unpacked(bytes_of(item, "input")) or b"",
        output=_unpacked(bytes_of(item, "output")),
        status=status,
        error_code=text_of(item, "errorCode"),
        error_message=text_of(item, "errorMessage"),
        latency_ms=whole_of(item, "latencyMs"),
        caller_service=text_of(item, "callerService"),
        caller_ref=text_of(item, "callerRef"),
        created_at=float_of(item, "createdAt") or 0.0,
        provider_code=text_of(item, "providerCode"),
        http_status=whole_of(item, "httpStatus") if "httpStatus" in item else None,
        attempts=whole_of(item, "attempts"),
        error_details=_unpacked(bytes_of(item, "errorDetails")),
    )
