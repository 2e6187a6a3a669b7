"""Open the store: file, tables, keys, ports, in this order; whatever fails, nothing stays open."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from engine.errors import SettingsError, StorageError
from engine.settings import Settings
from engine.storage.keyring import KeyFile, KeyRing
from engine.storage.ports import Store
from engine.storage.private_file import make_folder
from engine.storage.service_token import service_token, service_token_hash
from engine.storage.sqlite.cache import Freshness
from engine.storage.sqlite.census import SqliteCensus
from engine.storage.sqlite.connect import PATIENCE_SECONDS, connect, create_file, use_wal
from engine.storage.sqlite.connections import SqliteConnections
from engine.storage.sqlite.database import Database
from engine.storage.sqlite.deliveries import SqliteDeliveries
from engine.storage.sqlite.events import SqliteEvents
from engine.storage.sqlite.executions import SqliteExecutions
from engine.storage.sqlite.faults import translated
from engine.storage.sqlite.keys import SqliteKeys
from engine.storage.sqlite.schema import form, migrate
from engine.storage.sqlite.secrets import SqliteSecrets
from engine.storage.sqlite.state import SqliteState
from engine.storage.sqlite.subscriptions import SqliteSubscriptions
from engine.storage.vault import EnvelopeVault, unlock

DATABASE_FILE: Final = "integrations.db"
_GET: Final = "SELECT value FROM meta WHERE name = ?"
_SET: Final = "INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT DO UPDATE SET value = excluded.value"


class SqliteLifetime:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        now = repr(self._database.now()).encode()
        await asyncio.wrap_future(_keep(self._database, "checked_at", now))

    async def close(self) -> None:
        await asyncio.sleep(0)  # rows of the log that are being collected are written first
        await asyncio.to_thread(self._database.close)


def open_store(
    settings: Settings | None = None, *, data_dir: Path | None = None, now: Callable[[], float] = time.time
) -> Store:
    """The store of these settings (or of a data directory with default settings), made when there is none.

    `now` gives epoch seconds, by which state records expire. Close it with `store.lifetime.close()`.
    Raises `SettingsError` (folder, key, newer or foreign database), `StorageUnavailable`, `StorageCorrupt`.
    """
    settings = settings or Settings()
    if data_dir is not None:
        settings = replace(settings, data_dir=data_dir)
    make_folder(settings.data_dir)
    path = settings.data_dir / DATABASE_FILE
    with ExitStack() as undo:
        try:
            create_file(path)
            inline = connect(path, PATIENCE_SECONDS)
            undo.callback(inline.close)
            is_new = form(inline) == 0
            use_wal(inline)
            if is_new:
                migrate(inline)
            database = Database(path, inline, now)
            undo.callback(database.close)
            vault = unlock(keys := SqliteKeys(database), _ring(settings, known=bool(keys.proofs())))
            migrate(inline)
            inline.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error as error:
            meaning = translated(error)
            raise type(meaning)(f"{path}: {meaning}") if isinstance(meaning, StorageError) else meaning from error
        except OSError as error:
            raise SettingsError(f"{path} can't be opened for writing: {error.strerror}") from error
        _note_token(database, settings)
        undo.pop_all()
    return _store(database, vault)


def _store(database: Database, vault: EnvelopeVault) -> Store:
    freshness = Freshness(database)
    return Store(
        connections=SqliteConnections(database, freshness),
        secrets=SqliteSecrets(database, vault),
        executions=SqliteExecutions(database),
        events=SqliteEvents(database),
        subscriptions=SqliteSubscriptions(database),
        deliveries=SqliteDeliveries(database),
        state=SqliteState(database, freshness),
        vault=vault,
        census=SqliteCensus(database),
        lifetime=SqliteLifetime(database),
    )


def _keep(database: Database, name: str, value: bytes) -> Future[None]:
    def write(db: sqlite3.Connection) -> None:
        db.execute(_SET, (name, value))

    return database.submit(write, durable=True)


def _note_token(database: Database, settings: Settings) -> None:
    digest = service_token_hash(service_token(settings))
    if database.read_now(_GET, ("service_token_sha256",)) != [(digest,)]:
        _keep(database, "service_token_sha256", digest).result()


def _ring(settings: Settings, *, known: bool) -> KeyRing:
    """The keys given by the environment, else those of the key file, which is made for a new database only."""
    if settings.master_keys:
        return KeyRing(settings.master_keys)
    file = KeyFile(settings.data_dir)
    keys = file.read() if known else file.read_or_make()
    if not keys:
        raise SettingsError(
            f"{file.path} is missing, and without it the stored credentials can't be read: restore it from your backup "
            "or set INTEGRATIONS_MASTER_KEY"
        )
    return KeyRing(keys, reload=file.read)
