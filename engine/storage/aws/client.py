"""boto3 behind `await`: its calls block, so each runs in a thread of a pool that fits its connections.

A call that is repeated by botocore may have been done the first time: whoever writes one item under a condition marks
what it writes (`nonce`) and knows it again, and transactions have a token by which AWS does.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from engine.errors import StorageUnavailable
from engine.storage.aws.faults import Contended, no_boto3, translated, unusable

CONNECTIONS: Final = 64
_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 3.0
_ATTEMPTS: Final = 3  # all of them take less than half of a call's budget
_CONTENTIONS: Final = 8
_T = TypeVar("_T")


class Aws:
    """The clients of one process, for the account and region of the environment.

    `endpoints`: other addresses than AWS's, by service; the environment's `AWS_ENDPOINT_URL` does the same.
    """

    def __init__(self, endpoints: Mapping[str, str] | None = None) -> None:
        try:
            from boto3.session import Session
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError:
            raise no_boto3() from None
        self._failures: tuple[type[BaseException], ...] = (BotoCoreError, ClientError)
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            # Not "adaptive": that one makes every call wait while some are throttled, in its thread and for any time.
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
        )
        # Lambda and AWS's other clients know the region by this name, boto3 by AWS_DEFAULT_REGION or a profile only.
        session, others = Session(region_name=os.environ.get("AWS_REGION") or None), endpoints or {}
        try:
            self._clients = {
                name: session.client(name, endpoint_url=others.get(name), config=config)
                for name in ("dynamodb", "secretsmanager")
            }
        except BotoCoreError as error:
            raise unusable(error) from None
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="aws")

    async def dynamodb(self, operation: str, **asked: Any) -> Mapping[str, Any]:
        """One operation, such as `put_item`; one that meets another transaction at its item tries again.

        Raises `Refused`, `StorageUnavailable`.
        """
        for attempt in range(_CONTENTIONS):
            try:
                return await self._call("dynamodb", operation, asked)
            except Contended:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))
        raise StorageUnavailable("DynamoDB: other transactions are at the same items all the time")

    async def rows(self, **asked: Any) -> AsyncIterator[dict[str, Any]]:
        """The items of a query, page after page."""
        while True:
            page = await self.dynamodb("query", **asked)
            for item in page["Items"]:
                yield item
            if not page.get("LastEvaluatedKey"):
                return
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def transact(self, items: list[dict[str, Any]]) -> None:
        """All or none of the writes. AWS knows one that is sent twice by the token that botocore gives each call."""
        await self.dynamodb("transact_write_items", TransactItems=items)

    async def secrets(self, operation: str, **asked: Any) -> Mapping[str, Any]:
        """One operation of Secrets Manager. Raises `Absent`, `StorageUnavailable`."""
        return await self._call("secretsmanager", operation, asked)

    def now(self, service: str, operation: str, **asked: Any) -> Mapping[str, Any]:
        """The same, waiting: while the process starts."""
        return self._made(service, operation, asked)

    async def _call(self, service: str, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.thread(lambda: self._made(service, operation, asked))

    async def thread(self, work: Callable[[], _T]) -> _T:
        """`work` in one of the threads. Raises `StorageUnavailable` after `close`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except RuntimeError as error:
            if "shutdown" in str(error):
                raise StorageUnavailable("the store is closed") from None
            raise

    def _made(self, service: str, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            made: Mapping[str, Any] = getattr(self._clients[service], operation)(**asked)
        except self._failures as error:
            # `from None`: the message of AWS may quote what was sent.
            raise translated(service, operation, error) from None
        return made

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()
