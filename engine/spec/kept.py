"""What was once found out about a content, kept on disk for the next process: a file per content, named by its hash.

The name says all that the content follows from: the bytes that were read, the sources of the compiler, the schemas, the
plugins, the versions of Python and of every package. So nothing kept is ever out of date. Each file begins with the
hash of its name and the rest. One that is cut off, damaged, reached through a link, owned by another user or open to
others' writing counts as not there, and is written anew. Where nothing can be written nothing is kept; nor while
somebody works on the engine, for what runs may be older than what stands on disk.

What is kept is data, never code. Whoever can write here as this user can also write the keys beside it; where the
master key is not beside it but in the environment, it seals what is kept, and nothing planted here is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import orjson

from engine.library import exact
from engine.spec.states import AT_REST, read_file

PACKAGE: Final = Path(__file__).resolve().parents[1]
_COMPILER: Final = ("spec", "compiled", "library", "catalog", "cases")  # and what lies in the package itself
_PACKAGES: Final = (".dist-info", ".egg-info")
_HASH_BYTES: Final = 32
_STARTED: Final = time.time()
_log: Final = logging.getLogger("integrations")
_PLAIN: Final = b" "  # before JSON without a number that orjson would round: nobody need look for one
_LIFE: Final = 30 * 86_400.0  # seconds without any use
_NOT_OURS: Final = stat.S_IWGRP | stat.S_IWOTH


class Kept:
    """A folder of findings, made when there is something to keep; what is around it must be there, save `room`, which
    is made too. `maker`: the hash of what finds them; None: nothing is kept nor recalled. `secret`: seals what is kept,
    where there is one that does not lie beside it. `start`: nothing was read before (epoch seconds)."""

    def __init__(
        self,
        folder: Path,
        maker: str | None,
        room: Path | None = None,
        secret: bytes = b"",
        start: float = _STARTED,
    ) -> None:
        self._folder = folder
        self._secret = hashlib.blake2b(secret, digest_size=_HASH_BYTES).digest() if secret else b""
        self._maker = maker
        self._room = room
        self._is_tidy = False
        self.start = start

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
            written = _read_own(f"{self._folder}{os.sep}{key}")
        except OSError:
            return None
        content = written[_HASH_BYTES:]
        return content if hmac.compare_digest(written[:_HASH_BYTES], self._sealed(key, content)) else None

    def keep(self, key: str, content: bytes) -> None:
        """Appears whole or not at all."""
        if self._maker is None:
            return
        with suppress(OSError):
            if not self._is_tidy:
                self._tidy()
            _write(self._folder / key, self._sealed(key, content) + content)

    def _tidy(self) -> None:
        """Once in the life of a process that writes: what nobody has used for a month goes."""
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
        said = repr(value)
        both = (_PLAIN + written, written)
        return next((one for one in both if repr(unpacked(one)) == said), None)
    except (TypeError, ValueError):
        return None


def unpacked(written: bytes) -> Any:
    """Raises `ValueError`."""
    return orjson.loads(written) if written.startswith(_PLAIN) else exact.loads(written)


@cache
def compiler(schemas: Path, plugins: Path, start: float = _STARTED) -> str | None:
    """The hash of all that a finding follows from besides what was read; None when some of it changed right before
    `start` (epoch seconds), or after it."""
    whole = hashlib.sha256()
    for part in (sys.version.encode(), *_installed()):
        _add(whole, part)
    try:
        for path in sources(schemas, plugins):
            content, status = read_file(path)
            if _changed(status) > start - AT_REST:
                _tell_of(path, _changed(status), start)
                return None
            _add(whole, os.fsencode(path))
            _add(whole, content or b"")
    except OSError:
        return None
    return whole.hexdigest()


def sources(schemas: Path, plugins: Path) -> Iterator[str]:
    """The files that decide what compiling finds."""
    for folder in (PACKAGE, *(PACKAGE / name for name in _COMPILER), plugins):
        yield from _files(folder, ".py")
    for place, _, _ in sorted(os.walk(schemas)):
        yield from _files(place, ".json")


def _files(folder: str | Path, suffix: str) -> list[str]:
    return sorted(one.path for one in os.scandir(folder) if one.name.endswith(suffix))


def _installed() -> Iterator[bytes]:
    """The packages with their versions, as their folders are called."""
    for place in sys.path:
        with suppress(OSError):
            yield from sorted(os.fsencode(one.name) for one in os.scandir(place or ".") if one.name.endswith(_PACKAGES))


def _changed(status: os.stat_result) -> float:
    """When a file was last changed (epoch seconds), whatever time it was given: archives may give it one to come."""
    return status.st_mtime if sys.platform == "win32" else status.st_ctime


def _tell_of(path: str, changed: float, start: float) -> None:
    """That somebody works on the engine needs no word."""
    if changed > start + AT_REST:
        _log.warning("all specs are compiled: %s was changed after this process began. Was the clock set back?", path)


def _add(whole: Any, part: bytes) -> None:
    """With its length, so that no two lists of parts read alike."""
    whole.update(b"%d:" % len(part))
    whole.update(part)


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _decimal(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError


def _read_own(path: str) -> bytes:
    """Raises `OSError` for what another may have written."""
    content, status = read_file(path, partial(_is_own, is_kind=stat.S_ISREG), getattr(os, "O_NOFOLLOW", 0))
    if content is None:
        raise PermissionError
    if status.st_mtime < time.time() - _LIFE / 2:
        with suppress(OSError):  # it is in use, and not to be tidied away
            os.utime(path)
    return content


def _is_own(status: os.stat_result, is_kind: Any) -> bool:
    if not is_kind(status.st_mode):
        return False
    return sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & _NOT_OURS)


def _write(path: Path, content: bytes) -> None:
    import tempfile  # most starts find all they need

    descriptor, draft = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
