"""Small files that only their owner may read: the master keys and the service token.

A file appears whole or not at all, so two processes that start together agree on one content.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from engine.errors import SettingsError

_LARGEST = 64 * 1024


def make_folder(folder: Path) -> None:
    """The data directory, mode 0700 when it is made here. Raises `SettingsError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the data directory {folder} can't be made: {error.strerror}") from error


def read_private(path: Path) -> bytes | None:
    """The content, None when there is no such file. Raises `SettingsError` when others can read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{path} must be a regular file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise SettingsError(f"{path} is open to other users (mode {mode:04o}): run `chmod 600 {path}`")
        return file.read(_LARGEST)


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of the file, made with mode 0600 when there is none; of several makers one wins, all read its."""
    content = read_private(path)
    if content is None:
        make_folder(path.parent)
        _publish(path, make(), replace=False)
        content = read_private(path)
    if content is None:
        raise SettingsError(f"{path} was removed while it was being made: start again")
    return content


def replace_private(path: Path, content: bytes) -> None:
    """Put new content in place of the old in one step; a reader sees either. Raises `SettingsError`."""
    _publish(path, content, replace=True)


def _publish(path: Path, content: bytes, *, replace: bool) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_new(draft, content)
            if replace:
                draft.replace(path)
            else:
                _link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from error


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # like O_EXCL: fails when the file is there, and never shows half a content
    except FileExistsError:
        return


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names of new files survive power loss. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
