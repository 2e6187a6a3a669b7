"""A new master key: every tenant key is wrapped again, nothing that tenants sealed is touched.

Both keys are valid while it runs, so other processes go on; stopped in between, run it again with the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from engine.errors import SettingsError
from engine.settings import MASTER_KEY_BYTES
from engine.storage.keyring import KeyFile, new_master_key
from engine.storage.ports import Store
from engine.storage.vault import EnvelopeVault, MasterProof, prove

_BATCH: Final = 100

Progress = Callable[[int, int], None]
"""Called with (tenant keys done, tenant keys in all) after each batch."""


async def rotate(store: Store, new_key: bytes, progress: Progress | None = None) -> int:
    """Wrap all tenant keys under `new_key`; returns how many. Afterwards the old master key can be dropped.

    Processes that read their keys from the environment must have been given both keys before.
    Raises `SettingsError` for a key of the wrong size or when another rotation overtakes this one.
    """
    vault = store.vault
    if not isinstance(vault, EnvelopeVault):
        raise SettingsError("this storage keeps no master key of its own: rotate it where it is kept")
    if len(new_key) != MASTER_KEY_BYTES:
        raise SettingsError(f"a master key is {MASTER_KEY_BYTES} bytes long")
    key_id = vault.ring.add(new_key)
    # From here on no process wraps a tenant key under the old key, so one sweep finds them all.
    announced = vault.table.announce(MasterProof(key_id, prove(new_key, key_id), current=True))
    total = await asyncio.wrap_future(announced)
    done = await _sweep(vault, key_id, total, progress)
    if not await asyncio.wrap_future(vault.table.retire(key_id)):
        raise SettingsError("another rotation started meanwhile: run the rotation again")
    return done


async def _sweep(vault: EnvelopeVault, key_id: str, total: int, progress: Progress | None) -> int:
    done, after = 0, ""
    while keys := vault.table.under_others(key_id, after, _BATCH):
        pairs = [(key, vault.rewrapped(key, key_id)) for key in keys]
        if not await asyncio.wrap_future(vault.table.rewrap(key_id, pairs)):
            raise SettingsError("another rotation started meanwhile: run the rotation again")
        done += len(keys)
        after = keys[-1].tenant_id
        if progress is not None:
            progress(done, total)
    return done


async def rotate_key_file(store: Store, key_file: KeyFile, progress: Progress | None = None) -> int:
    """Rotate to a new random key kept in the key file, and drop the old one from it.

    An interrupted rotation left two keys in the file: it goes on with the newest.
    Raises `SettingsError`, also when there is no key file (the key comes from the environment).
    """
    keys = key_file.read()
    if not keys:
        raise SettingsError(
            f"{key_file.path} does not exist, the master key comes from INTEGRATIONS_MASTER_KEY: "
            "give that variable the new and the old key (commas between), then rotate to the new one"
        )
    new_key = keys[0] if len(keys) > 1 else new_master_key()
    if len(keys) == 1:
        key_file.write((new_key, *keys))
    done = await rotate(store, new_key, progress)
    key_file.write((new_key,))
    return done
