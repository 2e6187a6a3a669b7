"""The master keys a process holds, and the file they rest in when the environment does not give them.

A key's id follows from the key, so a database can name the keys it needs without holding any.
`<data-dir>/master.key`: one base64 key a line, newest first, mode 0600.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import SettingsError
from engine.settings import MASTER_KEY_BYTES, master_key
from engine.storage.private_file import read_or_make, read_private, replace_private

KEY_FILE = "master.key"


def key_id(key: bytes) -> str:
    """16 hex digits that tell keys apart and say nothing about the key."""
    return hashlib.sha256(b"integrations master key id|" + key).hexdigest()[:16]


def new_master_key() -> bytes:
    return secrets.token_bytes(MASTER_KEY_BYTES)


class KeyRing:
    """Master keys by id. `reload` is asked again when an unknown id turns up: a rotation may have added a key."""

    def __init__(self, keys: Iterable[bytes], reload: Callable[[], Iterable[bytes]] | None = None) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._reload = reload

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def find(self, identity: str) -> bytes | None:
        """The key with that id, None when this process does not have it."""
        if identity not in self._keys and self._reload is not None:
            for key in self._reload():
                self.add(key)
        return self._keys.get(identity)

    def add(self, key: bytes) -> str:
        """Hold one more key; returns its id."""
        identity = key_id(key)
        self._keys[identity] = key
        return identity

    def first(self) -> str | None:
        """Id of the newest key, None for an empty ring."""
        return next(iter(self._keys), None)


class KeyFile:
    """The key file of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / KEY_FILE

    def read(self) -> tuple[bytes, ...]:
        """The keys, newest first; none when there is no file. Raises `SettingsError`."""
        content = read_private(self.path)
        return () if content is None else self._parse(content)

    def read_or_make(self) -> tuple[bytes, ...]:
        """The keys; a missing file is made with one random key. Raises `SettingsError`."""
        return self._parse(read_or_make(self.path, lambda: _lines([new_master_key()])))

    def write(self, keys: Iterable[bytes]) -> None:
        """Replace the file in one step. Raises `SettingsError`."""
        replace_private(self.path, _lines(keys))

    def _parse(self, content: bytes) -> tuple[bytes, ...]:
        lines = [line for line in content.decode("ascii", "replace").splitlines() if line.strip()]
        try:
            keys = tuple(master_key(line) for line in lines)
        except ValueError as error:
            raise SettingsError(f"each line of {self.path} {error}") from None
        if not keys:
            raise SettingsError(f"{self.path} holds no key: restore it from your backup")
        return keys


def _lines(keys: Iterable[bytes]) -> bytes:
    return b"".join(base64.b64encode(key) + b"\n" for key in keys)
