"""What was once found out about a content, kept on disk for the next process: a file per content, named by its hash.

The name says all that the content follows from: the bytes that were read, the sources of the compiler, the schemas, the
plugins, the versions of Python and of every package. So nothing kept is ever out of date; no time of a file that was
read is looked at. Each file begins with the hash of its name and the rest. One that is cut off, damaged, reached
through a link, owned by another user or open to others' writing counts as not there, and is written anew. Where nothing
can be written nothing is kept; nor while somebody works on the engine, for what runs may be older than what stands on
disk.

What is kept is data, never code. Whoever can write here as this user can also write the keys beside it; where the
master key is not beside it but in the environment, it seals what is kept, and nothing planted here is believed.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from engine.library import exact

PACKAGE: Final = Path(__file__).resolve().parents[1]
COMPILER: Final = ("*.py", "spec/*.py", "compiled/*.py", "library/*.py", "catalog/*.py", "cases/*.py")
_HASH_BYTES: Final = 32
_AT_REST: Final = 10.0  # seconds between the last change of a source and the start
_STARTED: Final = time.time()
_LIFE: Final = 30 * 86_400.0  # seconds; what is still in use is written once more
_NOT_OURS: Final = stat.S_IWGRP | stat.S_IWOTH


class Kept:
    """A folder of findings, made when there is something to keep; what is around it must be there, save `room`, which
    is made too. `maker`: the hash of what finds them; None: nothing is kept nor recalled. `secret`: seals what is kept,
    where there is one that does not lie beside it."""

    def __init__(self, folder: Path, maker: str | None, room: Path | None = None, secret: bytes = b"") -> None:
        self._folder = folder
        self._secret = hashlib.blake2b(secret, digest_size=_HASH_BYTES).digest() if secret else b""
        self._maker = maker
        self._room = room
        self._is_tidy = False

    def _sealed(self, key: str, content: bytes) -> bytes:
        """A file that was given another name holds nothing."""
        return hashlib.blake2b(key.encode() + content, digest_size=_HASH_BYTES, key=self._secret).digest()

    def key(self, *parts: bytes | None) -> str:
        """The name for what follows from these parts alone."""
        return digest([(self._maker or "").encode(), *parts])

    def recall(self, key: str) -> bytes | None:
        """What was kept, whole and as it was written; None where there is nothing of that kind."""
        if self._maker is None:
            return None
        try:
            written = _read_own(self._folder / key)
        except OSError:
            return None
        content = written[_HASH_BYTES:]
        return content if written[:_HASH_BYTES] == self._sealed(key, content) else None

    def keep(self, key: str, content: bytes) -> None:
        """Appears whole or not at all."""
        if self._maker is None:
            return
        with suppress(OSError):
            if not self._is_tidy:
                self._tidy()
            _write(self._folder / key, self._sealed(key, content) + content)

    def _tidy(self) -> None:
        """Once in the life of a process that writes: what nobody has written for a month goes."""
        if self._room is not None:
            self._room.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        if not _is_own(os.lstat(self._folder), stat.S_ISDIR):
            raise PermissionError
        self._is_tidy = True
        before = time.time() - _LIFE
        for one in os.scandir(self._folder):
            if one.is_file(follow_symlinks=False) and one.stat(follow_symlinks=False).st_mtime < before:
                Path(one.path).unlink(missing_ok=True)


def digest(parts: Iterable[bytes | None]) -> str:
    """Each part by its own hash, so that no two lists of parts read alike; None: a part that is not there."""
    return hashlib.blake2b(
        b"".join(b"\0" * _HASH_BYTES if part is None else _hash(part) for part in parts), digest_size=_HASH_BYTES
    ).hexdigest()


def packed(value: Any) -> bytes | None:
    """Plain data as bytes; None for what would not come back exactly as it is."""
    try:
        written = orjson.dumps(value, _decimal)
        return written if repr(unpacked(written)) == repr(value) else None
    except (TypeError, ValueError):
        return None


def unpacked(written: bytes) -> Any:
    """Raises `ValueError`."""
    return exact.loads(written)


@cache
def compiler(schemas: Path, plugins: Path) -> str | None:
    """The hash of all that a finding follows from besides what was read; None when some of it has just been changed."""
    sources = [path for pattern in COMPILER for path in sorted(PACKAGE.glob(pattern))]
    sources += [*sorted(plugins.glob("*.py")), *sorted(schemas.rglob("*.json"))]
    try:
        if any(path.stat().st_mtime > _STARTED - _AT_REST for path in sources):
            return None
        named = [part for path in sources for part in (str(path).encode(), path.read_bytes())]
    except OSError:
        return None
    return digest([sys.version.encode(), *_installed(), *named])


def _installed() -> Iterator[bytes]:
    """The packages with their versions, as their folders are called."""
    for place in map(Path, sys.path):
        if place.is_dir():
            yield from sorted(one.name.encode() for one in place.iterdir() if one.suffix in (".dist-info", ".egg-info"))


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).digest()


def _decimal(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError


def _read_own(path: Path) -> bytes:
    """Raises `OSError` for what another may have written."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | _NO_WAIT)
    with os.fdopen(descriptor, "rb") as file:
        if not _is_own(os.fstat(descriptor), stat.S_ISREG):
            raise PermissionError
        return file.read()


_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)  # a pipe of that name has nobody at its other end


def _is_own(status: os.stat_result, is_kind: Any) -> bool:
    if not is_kind(status.st_mode):
        return False
    return sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & _NOT_OURS)


def _write(path: Path, content: bytes) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
