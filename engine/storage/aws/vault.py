"""The `Vault` port without a table: each tenant's key follows from a master key, which rests in Secrets Manager.

    sealed = 02 | id of the master key (8 bytes) | nonce (12 bytes) | ciphertext and tag
             associated data  v2|tenant|context

Credentials are not sealed here, they are in Secrets Manager. Most of what is sealed (answers under an idempotency key,
events, cursors) falls away with time; secrets of subscriptions and access keys do not, and are not sealed anew. So a
rotation puts a new master key before the old ones, and none of these is ever taken away.
"""

from __future__ import annotations

import base64
import os
import time
from contextlib import suppress
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import SettingsError, StorageCorrupt
from engine.library import exact
from engine.settings import master_key
from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Absent, Taken
from engine.storage.aws.secrets import leased
from engine.storage.keyring import KeyRing, new_master_key
from engine.storage.ports import State

MASTER_KEYS: Final = "/integrations/service/master-keys"
"""The secret that holds them: `{"keys": [base64, …]}`, newest first. No connection's id is "master-keys"."""
_FORMAT: Final = b"\x02"
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_HEAD: Final = 1 + _ID_BYTES + _NONCE_BYTES
_CACHED: Final = 10_000
_RELOAD_SECONDS: Final = 10.0


class DerivedVault:
    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._ciphers: dict[tuple[str, str], AESGCM] = {}

    def __repr__(self) -> str:
        return f"DerivedVault({self._ring!r})"

    async def prepare(self, tenant_id: str) -> None:
        """There is nothing to store."""

    def seal(self, tenant_id: str, context: str, data: bytes) -> bytes:
        key_id = self._ring.first()
        assert key_id is not None
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher(key_id, tenant_id).encrypt(nonce, data, _bound(tenant_id, context))
        return _FORMAT + bytes.fromhex(key_id) + nonce + sealed

    def open(self, tenant_id: str, context: str, sealed: bytes) -> bytes:
        if len(sealed) < _HEAD or sealed[:1] != _FORMAT:
            raise StorageCorrupt("a sealed record has an unknown format")
        key_id, nonce = sealed[1 : 1 + _ID_BYTES].hex(), sealed[1 + _ID_BYTES : _HEAD]
        try:
            return self._cipher(key_id, tenant_id).decrypt(nonce, sealed[_HEAD:], _bound(tenant_id, context))
        except InvalidTag:
            # `from None`: nothing of the record belongs into a traceback.
            raise StorageCorrupt("a sealed record can't be opened: its bytes, its place or its key differ") from None

    def _cipher(self, key_id: str, tenant_id: str) -> AESGCM:
        known = self._ciphers.get((key_id, tenant_id))
        if known is None:
            master = self._ring.find(key_id)
            if master is None:
                raise StorageCorrupt(f"a sealed record needs master key {key_id}, which is not there any more")
            known = self._ciphers[key_id, tenant_id] = AESGCM(_derived(master, tenant_id))
            if len(self._ciphers) > _CACHED:
                del self._ciphers[next(iter(self._ciphers))]
        return known


def _derived(master: bytes, tenant_id: str) -> bytes:
    return HKDF(SHA256(), 32, None, f"integrations tenant key|{tenant_id}".encode()).derive(master)


def _bound(tenant_id: str, context: str) -> bytes:
    return f"v2|{tenant_id}|{context}".encode()


def open_vault(aws: Aws, keys: tuple[bytes, ...], key_id: str | None = None) -> DerivedVault:
    """With the operator's keys, or those of Secrets Manager, where the first process makes one. Waits."""
    if keys:
        return DerivedVault(KeyRing(keys))
    found = read_master_keys(aws) or _made(aws, key_id)
    return DerivedVault(KeyRing(found, reload=_Reload(aws).keys))


class _Reload:
    """Looks for keys that came later, but not for each made-up id that a caller sends."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._next = 0.0

    def keys(self) -> tuple[bytes, ...]:
        now = time.monotonic()
        if now < self._next:
            return ()
        self._next = now + _RELOAD_SECONDS
        return read_master_keys(self._aws)


def read_master_keys(aws: Aws) -> tuple[bytes, ...]:
    """Newest first; none when there is no such secret. Raises `SettingsError`."""
    try:
        found = aws.now("secretsmanager", "get_secret_value", SecretId=MASTER_KEYS)
    except Absent:
        return ()
    try:
        return tuple(master_key(one) for one in exact.loads(found["SecretString"])["keys"])
    except (KeyError, TypeError, ValueError):
        raise SettingsError(f'the secret {MASTER_KEYS} must read {{"keys": ["<base64 of 32 bytes>"]}}') from None


async def rotate(aws: Aws, state: State) -> None:
    """A new master key before the ones that are there, which go on opening what they sealed.

    Processes that run find it when they meet its id, and seal with it from their next start on.
    """
    async with leased(state, MASTER_KEYS):
        known = await aws.thread(lambda: read_master_keys(aws))
        if not known:
            raise SettingsError(f"there is no secret {MASTER_KEYS} yet: the first process that starts makes it")
        keys = [base64.b64encode(one).decode() for one in (new_master_key(), *known)]
        await aws.secrets("update_secret", SecretId=MASTER_KEYS, SecretString=_text(keys))


def _made(aws: Aws, key_id: str | None) -> tuple[bytes, ...]:
    encrypted = {} if key_id is None else {"KmsKeyId": key_id}
    first = base64.b64encode(new_master_key()).decode()
    with suppress(Taken):  # another process made it at the same moment
        aws.now("secretsmanager", "create_secret", Name=MASTER_KEYS, SecretString=_text([first]), **encrypted)
    found = read_master_keys(aws)
    if not found:
        raise SettingsError(f"the secret {MASTER_KEYS} can't be made")
    return found


def _text(keys: list[str]) -> str:
    return exact.dumps({"keys": keys}).decode()
