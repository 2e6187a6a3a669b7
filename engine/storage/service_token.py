"""The service token that callers show: from the settings, or made once and kept in `<data-dir>/token`."""

from __future__ import annotations

import hashlib
import secrets

from engine.errors import SettingsError
from engine.settings import Settings
from engine.storage.private_file import read_or_make


def service_token(settings: Settings) -> str:
    """The token in force; makes `<data-dir>/token` (mode 0600) when none is set. Raises `SettingsError`."""
    if settings.token is not None:
        return settings.token
    path = settings.data_dir / "token"
    text = read_or_make(path, _new_token).decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(f"{path} holds no usable token: remove the file, a new one is made at the next start")
    return text


def _new_token() -> bytes:
    return f"{secrets.token_urlsafe(32)}\n".encode()


def service_token_hash(token: str) -> bytes:
    """SHA-256 of the token: what is kept and compared (in constant time), never the token itself."""
    return hashlib.sha256(token.encode()).digest()
