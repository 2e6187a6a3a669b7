"""The tables, as numbered migrations. A migration that was released never changes; a new one is added at the end.

meta          single values: hash of the service token, time of the last write check
master_keys   proofs of the master keys that tenant keys are wrapped under
tenant_keys   wrapped data keys
connections   accounts, without secrets; config is JSON
secrets       sealed JSON, one row per name
executions    the log; input and output are redacted JSON
intake        its newest rows, without an index: a page to write where the log takes six; moved over in batches
events        what messages from providers became; data is sealed JSON
arrivals      those that nobody has looked at yet to see who wants them
subscriptions where tenants want them; URL and secrets are sealed JSON
lanes         the deliveries of a subscription as a whole: since when it waits, who holds it, is it paused
deliveries    one event on its way to one subscription
state         compare-and-set records
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from engine.errors import SettingsError
from engine.storage.sqlite.connect import transact

APPLICATION_ID: Final = 0x494E5447  # "INTG", tells our files from other SQLite files

# The indexes on executions end in (created_at, execution_id), so each list is read in its order and stops at its
# limit; a list that is not filtered by status merges the three statuses.
_FIRST: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE master_keys (key_id TEXT PRIMARY KEY, proof BLOB NOT NULL, current INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tenant_keys (tenant_id TEXT PRIMARY KEY, key_id TEXT NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE connections (
    tenant_id TEXT NOT NULL, connection_id TEXT NOT NULL, integration_id TEXT NOT NULL, name TEXT NOT NULL,
    config BLOB NOT NULL, status TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    last_tested_at REAL, last_error_at REAL, last_error TEXT, version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, connection_id)
);
CREATE INDEX connections_by_age ON connections (tenant_id, created_at, connection_id);
CREATE INDEX connections_by_integration ON connections (tenant_id, integration_id, created_at, connection_id);
CREATE TABLE secrets (
    tenant_id TEXT NOT NULL, connection_id TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    sealed BLOB NOT NULL, PRIMARY KEY (tenant_id, connection_id, name)
);
CREATE TABLE executions (
    execution_id TEXT NOT NULL PRIMARY KEY, tenant_id TEXT NOT NULL, connection_id TEXT, integration_id TEXT,
    action_id TEXT NOT NULL, input BLOB NOT NULL, output BLOB, status TEXT NOT NULL, error_code TEXT,
    error_message TEXT, latency_ms INTEGER NOT NULL, caller_service TEXT, caller_ref TEXT, created_at REAL NOT NULL,
    provider_code TEXT, http_status INTEGER, attempts INTEGER NOT NULL, error_details BLOB
);
CREATE TABLE intake (
    execution_id TEXT NOT NULL, tenant_id TEXT NOT NULL, connection_id TEXT, integration_id TEXT,
    action_id TEXT NOT NULL, input BLOB NOT NULL, output BLOB, status TEXT NOT NULL, error_code TEXT,
    error_message TEXT, latency_ms INTEGER NOT NULL, caller_service TEXT, caller_ref TEXT, created_at REAL NOT NULL,
    provider_code TEXT, http_status INTEGER, attempts INTEGER NOT NULL, error_details BLOB
);
CREATE INDEX executions_by_age ON executions (created_at);
CREATE INDEX executions_by_tenant ON executions (tenant_id, status, created_at, execution_id);
CREATE INDEX executions_by_connection ON executions (tenant_id, connection_id, status, created_at, execution_id);
CREATE INDEX executions_by_integration ON executions (tenant_id, integration_id, status, created_at, execution_id);
CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL,
    expires_at REAL NOT NULL);
CREATE INDEX state_by_expiry ON state (expires_at);
"""

_EVENTS: Final = """
CREATE TABLE events (
    event_id TEXT NOT NULL, tenant_id TEXT NOT NULL, connection_id TEXT NOT NULL, integration_id TEXT NOT NULL,
    type TEXT NOT NULL, data BLOB NOT NULL, received_at REAL NOT NULL, PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX events_by_tenant ON events (tenant_id, received_at, event_id);
CREATE INDEX events_by_connection ON events (tenant_id, connection_id, received_at, event_id);
CREATE INDEX events_by_age ON events (received_at);
CREATE INDEX connections_by_id ON connections (connection_id);
"""

# A lane's turn comes when all three of its times are over; `wanted_at` is never later than the first due delivery.
_DELIVERIES: Final = """
CREATE TABLE arrivals (
    tenant_id TEXT NOT NULL, event_id TEXT NOT NULL, connection_id TEXT NOT NULL, type TEXT NOT NULL,
    received_at REAL NOT NULL, PRIMARY KEY (tenant_id, event_id)
);
CREATE TABLE subscriptions (
    subscription_id TEXT NOT NULL, tenant_id TEXT NOT NULL, event_types BLOB NOT NULL, sealed BLOB NOT NULL,
    status TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL, reason TEXT, version INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id)
);
CREATE TABLE lanes (
    tenant_id TEXT NOT NULL, subscription_id TEXT NOT NULL, strikes INTEGER NOT NULL DEFAULT 0, failing_since REAL,
    paused_until REAL NOT NULL DEFAULT 0, claim INTEGER NOT NULL DEFAULT 0, held_until REAL NOT NULL DEFAULT 0,
    wanted_at REAL, PRIMARY KEY (tenant_id, subscription_id)
);
CREATE INDEX lanes_by_turn ON lanes (max(wanted_at, held_until, paused_until));
CREATE TABLE deliveries (
    delivery_id TEXT NOT NULL, tenant_id TEXT NOT NULL, subscription_id TEXT NOT NULL, event_id TEXT NOT NULL,
    connection_id TEXT NOT NULL, event_type TEXT NOT NULL, created_at REAL NOT NULL, queued_at REAL NOT NULL,
    due_at REAL NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL, last_attempt_at REAL, http_status INTEGER,
    error TEXT, version INTEGER NOT NULL, PRIMARY KEY (tenant_id, delivery_id)
);
CREATE INDEX deliveries_by_turn ON deliveries (tenant_id, subscription_id, due_at) WHERE status = 'pending';
CREATE INDEX deliveries_by_connection ON deliveries (tenant_id, connection_id) WHERE status = 'pending';
CREATE INDEX deliveries_by_tenant ON deliveries (tenant_id, status, created_at, delivery_id);
CREATE INDEX deliveries_by_subscription
    ON deliveries (tenant_id, subscription_id, status, created_at, delivery_id);
CREATE INDEX deliveries_by_event ON deliveries (tenant_id, event_id);
CREATE INDEX deliveries_by_age ON deliveries (created_at);
"""

_ROUTES: Final = """
ALTER TABLE connections ADD COLUMN route TEXT;
CREATE INDEX connections_by_route ON connections (route) WHERE route IS NOT NULL
"""

MIGRATIONS: Final[tuple[str, ...]] = (_FIRST, _EVENTS, _DELIVERIES, _ROUTES)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest form, once, whoever comes first.

    Raises `SettingsError` for a database of a newer release or a file of another program; both stay untouched.
    """
    if form(connection) < len(MIGRATIONS):
        transact(connection, _apply_missing)


def form(connection: sqlite3.Connection) -> int:
    """Number of the last migration applied, 0 for an empty file. Raises as `migrate` does; writes nothing."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        return 0
    if application != APPLICATION_ID:
        raise SettingsError("the database file belongs to another program: choose another INTEGRATIONS_DATA_DIR")
    (number,) = connection.execute("SELECT max(number) FROM migrations").fetchone()
    if number > len(MIGRATIONS):
        raise SettingsError(
            f"the database was written by a newer release (form {number}, this one knows {len(MIGRATIONS)}): "
            "install that release, or restore a backup from before"
        )
    return int(number)


def _apply_missing(connection: sqlite3.Connection) -> None:
    # Read again under the write lock: another process may have been faster.
    applied = form(connection)
    if applied == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, applied_at REAL NOT NULL)")
    for number, statements in enumerate(MIGRATIONS[applied:], applied + 1):
        # Not `executescript`: it would commit what came before.
        for statement in statements.split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO migrations VALUES (?, ?)", (number, time.time()))
