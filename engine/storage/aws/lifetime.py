"""The `Lifetime` port on AWS."""

from __future__ import annotations

import secrets
from typing import Final

from engine.errors import StorageUnavailable
from engine.storage.aws.client import Aws
from engine.storage.aws.state import AwsState

_SECONDS: Final = 60.0


class AwsLifetime:
    def __init__(self, aws: Aws, state: AwsState) -> None:
        self._aws = aws
        self._state = state

    async def check(self) -> None:
        key = f"check:{secrets.token_hex(4)}"
        version = await self._state.put(key, b"", expected=0, ttl_seconds=_SECONDS)
        if await self._state.get(key) is None or version is None:
            raise StorageUnavailable("DynamoDB does not give back what was written")
        await self._state.delete(key, version)

    async def close(self) -> None:
        await self._aws.close()
