"""The `Secrets` port on Secrets Manager: one secret per connection at `/integrations/<tenant>/<connection>`.

Its text is JSON, `{"<name>": {"version": 1, "value": {…}}}`: whoever rotates a credential from outside changes a value
there. What is current (stage AWSCURRENT) is read. Secrets Manager knows no condition on a change, so writers hold a
lease in the state table while they read, change and write.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from engine.errors import RequestError, StorageCorrupt, StorageUnavailable, VersionConflict
from engine.library import exact
from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Absent, Taken
from engine.storage.ports import Secret, State

LARGEST: Final = 65_536
"""Bytes that Secrets Manager takes."""
_LEASE_SECONDS: Final = 60.0  # far longer than the two calls under it may take
_TRIES: Final = 200


class AwsSecrets:
    """`key_id`: the customer's own KMS key, where the deployer wants one."""

    def __init__(self, aws: Aws, state: State, key_id: str | None = None) -> None:
        self._aws = aws
        self._state = state
        self._encrypted: dict[str, str] = {} if key_id is None else {"KmsKeyId": key_id}

    async def get(self, tenant_id: str, connection_id: str, name: str) -> Secret | None:
        stored = (await self._read(_path(tenant_id, connection_id)) or {}).get(name)
        return None if stored is None else Secret(stored["value"], int(stored["version"]))

    async def find(self, tenant_id: str, connection_id: str) -> dict[str, Secret]:
        stored = await self._read(_path(tenant_id, connection_id)) or {}
        return {name: Secret(one["value"], int(one["version"])) for name, one in stored.items()}

    async def put(
        self, tenant_id: str, connection_id: str, name: str, value: Mapping[str, Any], expected: int | None = None
    ) -> int:
        path = _path(tenant_id, connection_id)
        async with leased(self._state, path):
            stored = await self._read(path)
            present = int((stored or {}).get(name, {}).get("version", 0))
            if expected is not None and expected != present:
                raise VersionConflict("the secret was changed or deleted meanwhile")
            content = {**(stored or {}), name: {"version": present + 1, "value": dict(value)}}
            await self._write(path, content, is_new=stored is None)
        return present + 1

    async def delete(self, tenant_id: str, connection_id: str) -> None:
        path = _path(tenant_id, connection_id)
        async with leased(self._state, path):
            try:
                await self._aws.secrets("delete_secret", SecretId=path, ForceDeleteWithoutRecovery=True)
            except Absent:
                return

    async def _read(self, path: str) -> dict[str, Any] | None:
        try:
            found = await self._aws.secrets("get_secret_value", SecretId=path)
        except Absent:
            return None
        try:
            content = exact.loads(found["SecretString"])
        except (KeyError, ValueError):
            raise StorageCorrupt(f"the secret of a connection is not JSON text: {path}") from None
        if not isinstance(content, dict):
            raise StorageCorrupt(f"the secret of a connection is not a JSON object: {path}")
        return content

    async def _write(self, path: str, content: Mapping[str, Any], *, is_new: bool) -> None:
        written = exact.dumps(dict(content))
        if len(written) > LARGEST:
            raise RequestError(
                "PAYLOAD_TOO_LARGE", f"credentials and tokens of a connection have at most {LARGEST} bytes"
            )
        text = written.decode()
        if is_new:
            # Only this writer may make it now: one that is there was made by this call, whose answer was lost.
            with suppress(Taken):
                await self._aws.secrets("create_secret", Name=path, SecretString=text, **self._encrypted)
                return
        await self._aws.secrets("update_secret", SecretId=path, SecretString=text, **self._encrypted)


@asynccontextmanager
async def leased(state: State, path: str) -> AsyncIterator[None]:
    """Only one process changes this secret meanwhile."""
    key = f"secret:{path}"
    for _ in range(_TRIES):
        lease = await state.put(key, b"", expected=0, ttl_seconds=_LEASE_SECONDS)
        if lease is not None:
            break
        await asyncio.sleep(random.uniform(0.01, 0.1))
    else:
        raise StorageUnavailable("the secret is being changed by others all the time")
    try:
        yield
    finally:
        await state.delete(key, lease)


def _path(tenant_id: str, connection_id: str) -> str:
    return f"/integrations/{tenant_id}/{connection_id}"
