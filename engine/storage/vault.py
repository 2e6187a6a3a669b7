"""Envelope encryption: AES-256-GCM under a tenant's data key, which rests wrapped by a master key.

    sealed    = 01 | nonce (12 bytes) | ciphertext and tag     associated data  v1|tenant|context
    wrapped   = the tenant's data key, sealed by a master key  associated data  v1|tenant|tenant-key|key id
    proof     = a fixed text, sealed by a master key           associated data  v1||master-key|key id

The table says which master key is current, so all processes agree on it while a rotation runs.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import field
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import SettingsError, StorageCorrupt, StorageUnavailable
from engine.frozen import frozen
from engine.storage.keyring import KeyRing

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_PROOF_TEXT: Final = b"integrations master key"
_CACHED_TENANTS: Final = 10_000


@frozen
class WrappedKey:
    """A tenant's data key under the master key `key_id`."""

    tenant_id: str
    key_id: str
    wrapped: bytes = field(repr=False)


@frozen
class MasterProof:
    """A master key that the database needs: what it sealed, and whether new tenant keys go under it."""

    key_id: str
    proof: bytes = field(repr=False)
    current: bool


class KeyTable(Protocol):
    """Where wrapped tenant keys rest. Futures resolve when the change survives power loss."""

    def proofs(self) -> list[MasterProof]: ...

    def claim(self, proof: MasterProof) -> list[MasterProof]:
        """Write the first proof unless there is one already; returns what is stored now. Waits."""
        ...

    def load(self, tenant_id: str) -> WrappedKey | None: ...

    def create(self, tenant_id: str, wrap: Callable[[str], bytes]) -> Future[WrappedKey]:
        """Store `wrap(current key id)` unless the tenant has a key; returns the key that is stored."""
        ...

    def announce(self, proof: MasterProof) -> Future[int]:
        """Make this master key the current one; returns how many tenant keys are under others."""
        ...

    def under_others(self, key_id: str, after: str, limit: int) -> list[WrappedKey]:
        """Tenant keys not under `key_id`, by tenant id from after `after` on."""
        ...

    def rewrap(self, key_id: str, pairs: Sequence[tuple[WrappedKey, bytes]]) -> Future[bool]:
        """Replace each old wrapping that is still there; False when `key_id` is no longer the current key."""
        ...

    def retire(self, key_id: str) -> Future[bool]:
        """Forget all other master keys; False while a tenant key still needs one."""
        ...


def _encrypt(cipher: AESGCM, data: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + cipher.encrypt(nonce, data, bound_to.encode())


def _decrypt(cipher: AESGCM, sealed: bytes, bound_to: str) -> bytes:
    if sealed[:1] != _FORMAT:
        raise StorageCorrupt("a sealed record has an unknown format")
    try:
        return cipher.decrypt(sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :], bound_to.encode())
    except (InvalidTag, ValueError):
        # `from None`: nothing of the record belongs into a traceback.
        raise StorageCorrupt("a sealed record can't be opened: its bytes, its place or its key differ") from None


def prove(key: bytes, key_id: str) -> bytes:
    """What a database keeps to recognise this master key at the next start."""
    return _encrypt(AESGCM(key), _PROOF_TEXT, f"v1||master-key|{key_id}")


def _wrap(key: bytes, key_id: str, tenant_id: str, tenant_key: bytes) -> bytes:
    return _encrypt(AESGCM(key), tenant_key, f"v1|{tenant_id}|tenant-key|{key_id}")


class EnvelopeVault:
    """The `Vault` port over a table of wrapped keys. Tenants' keys are unwrapped once and held."""

    def __init__(self, table: KeyTable, ring: KeyRing) -> None:
        self.table = table
        self.ring = ring
        self._ciphers: dict[str, AESGCM] = {}

    def __repr__(self) -> str:
        return f"EnvelopeVault({self.ring!r})"

    async def prepare(self, tenant_id: str) -> None:
        """Make the tenant's key if there is none and hold it, so that `seal` does not wait."""
        if tenant_id not in self._ciphers and self._stored(tenant_id) is None:
            self._hold(await asyncio.wrap_future(self._create(tenant_id)))

    def seal(self, tenant_id: str, context: str, data: bytes) -> bytes:
        return self.sealer(tenant_id)(context, data)

    def sealer(self, tenant_id: str) -> Callable[[str, bytes], bytes]:
        """`seal` for one tenant, usable in any thread."""
        cipher = self._ciphers.get(tenant_id) or self._stored(tenant_id) or self._hold(self._create(tenant_id).result())
        return lambda context, data: _encrypt(cipher, data, f"v1|{tenant_id}|{context}")

    def open(self, tenant_id: str, context: str, sealed: bytes) -> bytes:
        cipher = self._ciphers.get(tenant_id) or self._stored(tenant_id)
        if cipher is None:
            raise StorageCorrupt("a sealed record can't be opened: its tenant has no key")
        return _decrypt(cipher, sealed, f"v1|{tenant_id}|{context}")

    def master(self, key_id: str) -> bytes:
        """The master key with that id. Raises `StorageUnavailable` when this process does not have it."""
        key = self.ring.find(key_id)
        if key is None:
            raise StorageUnavailable(
                f"this process lacks master key {key_id}: put it beside the present one in INTEGRATIONS_MASTER_KEY "
                "(commas between) and start again"
            )
        return key

    def unwrap(self, key: WrappedKey) -> bytes:
        """The tenant's data key. Raises `StorageCorrupt`, `StorageUnavailable`."""
        bound_to = f"v1|{key.tenant_id}|tenant-key|{key.key_id}"
        return _decrypt(AESGCM(self.master(key.key_id)), key.wrapped, bound_to)

    def rewrapped(self, key: WrappedKey, key_id: str) -> bytes:
        return _wrap(self.master(key_id), key_id, key.tenant_id, self.unwrap(key))

    def _stored(self, tenant_id: str) -> AESGCM | None:
        key = self.table.load(tenant_id)
        return None if key is None else self._hold(key)

    def _create(self, tenant_id: str) -> Future[WrappedKey]:
        tenant_key = secrets.token_bytes(32)
        return self.table.create(tenant_id, lambda key_id: _wrap(self.master(key_id), key_id, tenant_id, tenant_key))

    def _hold(self, key: WrappedKey) -> AESGCM:
        cipher = self._ciphers[key.tenant_id] = AESGCM(self.unwrap(key))
        if len(self._ciphers) > _CACHED_TENANTS:
            del self._ciphers[next(iter(self._ciphers))]
        return cipher


def unlock(table: KeyTable, ring: KeyRing) -> EnvelopeVault:
    """A vault whose keys are proven to be those of the database; a new database takes the ring's first key.

    Raises `SettingsError` that says which key is missing; the database stays untouched.
    """
    proofs = table.proofs()
    if not proofs:
        first = ring.first()
        if first is None:
            raise SettingsError("a new database needs a master key: set INTEGRATIONS_MASTER_KEY")
        key = ring.find(first)
        assert key is not None
        proofs = table.claim(MasterProof(first, prove(key, first), current=True))
    for proof in proofs:
        _verify(proof, ring)
    return EnvelopeVault(table, ring)


def _verify(proof: MasterProof, ring: KeyRing) -> None:
    key = ring.find(proof.key_id)
    if key is None:
        raise SettingsError(
            f"wrong master key: the database needs key {proof.key_id}, given: {ring!r}. Nothing was changed. "
            "Set INTEGRATIONS_MASTER_KEY (or the key file) to the key this database was made with; "
            "while a rotation is unfinished, to the new and the old key"
        )
    try:
        _decrypt(AESGCM(key), proof.proof, f"v1||master-key|{proof.key_id}")
    except StorageCorrupt:
        raise SettingsError(
            f"the database's proof of master key {proof.key_id} is damaged: restore the database from a backup"
        ) from None
