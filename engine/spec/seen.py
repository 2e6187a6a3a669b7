"""The specs below some folders as the last start left them: what their files looked like, and which contents compile.

A spec whose file and logo look as they did then (`states`) need not be read: its content is known. One that looks
otherwise is read, and may still have a content that is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from engine.spec.kept import Kept
from engine.spec.load import LOGO
from engine.spec.states import State, is_telling, state_of

Look: TypeAlias = list[Any]
"""The state of a spec's file, or None where it does not tell; that of its logo, None where there is none; the key of
what they hold; the integration that this compiles to. A list: so it comes back from JSON."""


class Seen:
    """Of one start. Contents go by the keys that `kept` has for them."""

    def __init__(self, kept: Kept, folders: Iterable[Path]) -> None:
        self._kept = kept
        self._key = kept.key(b"seen", *(os.fsencode(folder.absolute()) for folder in folders))
        written = kept.recall(self._key)
        self._looks: dict[str, Look] = {} if written is None else orjson.loads(written)
        """By the path of the spec."""
        self._states: dict[str, State] = {}
        self._now: dict[str, Look] = {}

    def is_there(self, path: str) -> bool:
        """As `os.path.lexists`: also a link that leads nowhere is there. How the file looks is seen on the way."""
        try:
            self._states[path] = state_of(path)
        except OSError:
            return os.path.lexists(path)
        return True

    def recall(self, path: str) -> tuple[str, str] | None:
        """The key of what a spec holds that looks as it did when it was read, and its integration; None: read it."""
        look = self._looks.get(path)
        if look is None or (path not in self._states and not self.is_there(path)):
            return None
        state, logo, key, name = look
        if state is None or state != self._states.get(path):
            return None
        folder, separator, _ = path.rpartition(os.sep)
        if not _is_still(folder + separator + LOGO, logo):
            return None
        self._now[path] = look
        return key, name

    def name(self, key: str) -> str | None:
        """The integration of a content that is known to compile."""
        return self._names.get(key)

    def note(self, path: str, states: tuple[State, State | None], key: str, name: str) -> None:
        """A spec compiles. `states`: of its file and its logo, from before they were read."""
        is_believed = all(is_telling(state, self._kept.start) for state in states if state is not None)
        self._now[path] = [*states, key, name] if is_believed else [None, None, key, name]

    def keep(self) -> None:
        """For the next start: what it has to know of this one's specs, and of no others."""
        if self._now != self._looks:
            with suppress(TypeError):  # a path that is not UTF-8, a time beyond 64 bits: all is read at the next start
                self._kept.keep(self._key, orjson.dumps(self._now))

    @cached_property
    def _names(self) -> dict[str, str]:
        return {key: name for _, _, key, name in self._looks.values()}


def _is_still(path: str, before: State | None) -> bool:
    if before is None:
        return not os.access(path, os.F_OK)
    try:
        return state_of(path) == before
    except OSError:
        return False
