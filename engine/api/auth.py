"""Who may call: services that hold the operator's token. Only hashes of tokens are kept in memory.

Comparing SHA-256 hashes in constant time tells an attacker nothing about how much of a guess was right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from engine.errors import RequestError, SettingsError


class TokenGate:
    """Knows the SHA-256 hashes (32 bytes each) of the service tokens in force; several while one is replaced."""

    def __init__(self, token_hashes: Iterable[bytes]) -> None:
        self._hashes = tuple(token_hashes)
        if not self._hashes or any(len(known) != hashlib.sha256().digest_size for known in self._hashes):
            raise SettingsError("the API needs the SHA-256 hash of at least one service token")

    def check(self, authorization: bytes | None) -> None:
        """Raises `RequestError` unless the header is `Bearer` and a token in force."""
        if authorization is None or not self._admits(authorization):
            raise RequestError("UNAUTHORIZED", "a valid service token is needed: Authorization: Bearer <token>")

    def _admits(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.partition(b" ")
        given = hashlib.sha256(token.strip()).digest()
        known = False
        for one in self._hashes:  # all of them, so that the time does not say which one matched
            known |= hmac.compare_digest(given, one)
        return known and scheme.lower() == b"bearer"
