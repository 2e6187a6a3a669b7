"""What the sandbox has given out: codes, access tokens, refresh tokens. In memory, and bounded.

A token says until when it holds, so that one from before a restart still counts; what is remembered of it counts more.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from typing import Any, Generic, Literal, TypeVar

from engine.frozen import slotted

_REMEMBERED = 4096
_CODE_SECONDS = 600
_MADE = re.compile(r"sandbox-(code|access|refresh)-([0-9]{1,12})-[0-9a-f]{32}")

Kind = Literal["code", "access", "refresh"]
Kept = TypeVar("Kept")


@slotted
class Grant:
    """One consent, and all tokens that came of it. `scopes` as they were asked for."""

    integration_id: str
    scopes: str
    is_over: bool = False


@slotted
class Code:
    """`client` and `redirect_uri` as the consent page was called with; `challenge` of PKCE, empty without."""

    grant: Grant
    client: str
    redirect_uri: str
    challenge: str
    is_used: bool = False


@slotted
class Token:
    grant: Grant
    is_over: bool = False


def texts_made(text: str, kind: Kind) -> list[str]:
    """Every code or token of the sandbox in a text."""
    return [found[0] for found in _MADE.finditer(text) if found[1] == kind]


def ends(text: str) -> float:
    """Until when a code or token holds, as it says itself (epoch seconds)."""
    found = _MADE.fullmatch(text)
    return float(found[2]) if found is not None else 0.0


class Book(Generic[Kept]):
    """The youngest of what was given out."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def put(self, text: str, value: Kept) -> None:
        self._kept[text] = value
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)

    def get(self, text: str) -> Kept | None:
        return self._kept.get(text)

    def values(self) -> list[Kept]:
        return list(self._kept.values())


class Grants:
    def __init__(self) -> None:
        self.codes: Book[Code] = Book()
        self.access: Book[Token] = Book()
        self.refresh: Book[Token] = Book()

    def new_code(self, code: Code, now: float) -> str:
        return self._put(self.codes, "code", code, now + _CODE_SECONDS)

    def new_access(self, grant: Grant, end: float) -> str:
        return self._put(self.access, "access", Token(grant), end)

    def new_refresh(self, grant: Grant, end: float) -> str:
        return self._put(self.refresh, "refresh", Token(grant), end)

    def holds(self, access: str, now: float) -> bool:
        known = self.access.get(access)
        return now < ends(access) and (known is None or not (known.is_over or known.grant.is_over))

    def expire(self) -> int:
        """All access tokens are over, as if their time had come. How many were not yet."""
        found = [token for token in self.access.values() if not token.is_over]
        for token in found:
            token.is_over = True
        return len(found)

    def end(self) -> int:
        """All consents are taken back. How many were not yet."""
        grants = {id(token.grant): token.grant for token in (*self.access.values(), *self.refresh.values())}
        found = [grant for grant in grants.values() if not grant.is_over]
        for grant in found:
            grant.is_over = True
        return len(found)

    def _put(self, book: Book[Any], kind: Kind, value: Any, end: float) -> str:
        text = f"sandbox-{kind}-{int(end)}-{secrets.token_hex(16)}"
        book.put(text, value)
        return text
