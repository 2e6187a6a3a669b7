"""All ports in one SQLite file, `<data-dir>/integrations.db`, which several processes may share."""

from __future__ import annotations

from engine.storage.sqlite.opening import DATABASE_FILE, open_store

__all__ = ["DATABASE_FILE", "open_store"]
