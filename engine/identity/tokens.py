"""Service tokens and access keys that the operator hands out, with what each may do.

All of them are one record of the state store, changed by compare-and-set: so a change is whole or not there, is seen by
every process that reads the record again, and costs one read. Of a token its SHA-256 is kept; of an access key the
secret, sealed, for a signature can be checked with nothing less. Either is shown once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final, Literal

from engine.diagnostics import unknown
from engine.errors import SettingsError, StorageCorrupt, StorageUnavailable
from engine.frozen import frozen
from engine.identity.caller import RIGHTS, Grant, Right
from engine.library import exact
from engine.storage.ports import Store

Kind = Literal["token", "key"]
DEFAULT: Final = "default"
"""Name of the token of the settings or of `<data-dir>/token`, which may do everything."""
BOOK: Final = "access:tokens"
_FOREVER: Final = 100 * 365.25 * 86_400.0
_MOST: Final = 500  # of 400 kB that an item of DynamoDB holds
_MOST_SECRETS: Final = 3
_TRIES: Final = 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_TENANT: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}|[A-Za-z0-9_.-]{0,128}\*")
_SEALED_FOR: Final = "#access"  # no tenant's id: they have no #
_KEY_ID_BYTES: Final = 10


@frozen
class Secret:
    """`key_id`: the SHA-256 of a token in hex, or the id of an access key. `until`: when it ends (epoch seconds)."""

    key_id: str
    created_at: float
    sealed: bytes = field(default=b"", repr=False)
    until: float | None = None


@frozen
class Token:
    """`secrets`: the newest first; those before it go on for a while after a rotation."""

    name: str
    kind: Kind
    grant: Grant
    created_at: float
    secrets: tuple[Secret, ...]

    def in_force(self, now: float) -> tuple[Secret, ...]:
        return tuple(one for one in self.secrets if one.until is None or one.until > now)


@frozen
class Shown:
    """What is shown once: a token, or an access key's id and secret."""

    secret: str = field(repr=False)
    key_id: str | None = None


class TokenBook:
    """`now` gives epoch seconds."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._read: tuple[int, list[Token]] = (0, [])

    async def tokens(self) -> list[Token]:
        """All of them, by name."""
        return (await self._load())[1]

    async def create(self, name: str, kind: Kind, rights: Sequence[Right], tenants: Sequence[str]) -> Shown:
        """Raises `SettingsError` for a name that is taken or for what can't be granted."""
        grant = _granted(name, rights, tenants)
        now = self._now()
        secret, shown = await self._made(kind, now)

        def add(tokens: list[Token]) -> list[Token]:
            if any(one.name == name for one in tokens):
                raise SettingsError(f"there is a token {name}: rotate it, or revoke it first")
            if len(tokens) >= _MOST:
                raise SettingsError(f"there are {_MOST} tokens, the most that can be: revoke some")
            return [*tokens, Token(name, kind, grant, now, (secret,))]

        await self._change(add)
        return shown

    async def rotate(self, name: str, overlap_seconds: float) -> Shown:
        """A new secret; the present ones go on that long at most. Raises `SettingsError`."""
        now = self._now()
        secret, shown = await self._made(_named(await self.tokens(), name).kind, now)

        def turn(tokens: list[Token]) -> list[Token]:
            token = _named(tokens, name)
            end = now + overlap_seconds
            kept = token.in_force(now)[: _MOST_SECRETS - 1] if overlap_seconds > 0 else ()
            old = [replace(one, until=end if one.until is None else min(one.until, end)) for one in kept]
            return [replace(one, secrets=(secret, *old)) if one is token else one for one in tokens]

        await self._change(turn)
        return shown

    async def revoke(self, name: str) -> None:
        """Raises `SettingsError` where there is none."""

        def drop(tokens: list[Token]) -> list[Token]:
            gone = _named(tokens, name)
            return [one for one in tokens if one is not gone]

        await self._change(drop)

    async def adopt(self, token: Token, keys: Mapping[str, str]) -> None:
        """Take over a token of another store, in place of one with its name. `keys`: an access key's secrets, by id."""
        await self._store.vault.prepare(_SEALED_FOR)
        kept = [
            replace(one, sealed=self._sealed(one.key_id, keys[one.key_id])) if token.kind == "key" else one
            for one in token.secrets
        ]
        moved = replace(token, secrets=tuple(kept))
        await self._change(lambda tokens: [*(one for one in tokens if one.name != token.name), moved])

    def secret_of(self, key: Secret) -> str:
        """Of an access key. Raises `StorageCorrupt`."""
        return self._store.vault.open(_SEALED_FOR, _context(key.key_id), key.sealed).decode()

    async def _made(self, kind: Kind, now: float) -> tuple[Secret, Shown]:
        if kind == "token":
            text = f"itk_{secrets.token_urlsafe(32)}"
            return Secret(hashlib.sha256(text.encode()).hexdigest(), now), Shown(text)
        key_id = f"INTG{base64.b32encode(secrets.token_bytes(_KEY_ID_BYTES)).decode()}"
        text = secrets.token_urlsafe(30)
        await self._store.vault.prepare(_SEALED_FOR)
        return Secret(key_id, now, self._sealed(key_id, text)), Shown(text, key_id)

    def _sealed(self, key_id: str, secret: str) -> bytes:
        return self._store.vault.seal(_SEALED_FOR, _context(key_id), secret.encode())

    async def _load(self) -> tuple[int, list[Token]]:
        record = await self._store.state.get(BOOK)
        if record is None:
            return 0, []
        if record.version != self._read[0]:
            self._read = record.version, _parsed(record.value)
        return self._read

    async def _change(self, change: Callable[[list[Token]], list[Token]]) -> None:
        for _ in range(_TRIES):
            version, tokens = await self._load()
            content = _written(sorted(change(tokens), key=lambda one: one.name))
            put = self._store.state.put
            if await put(BOOK, content, expected=version, ttl_seconds=_FOREVER, durable=True) is not None:
                return
        raise StorageUnavailable("the tokens are being changed by others all the time")


def _context(key_id: str) -> str:
    return f"access-key|{key_id}"


def _granted(name: str, rights: Sequence[Right], tenants: Sequence[str]) -> Grant:
    if not _NAME.fullmatch(name) or name == DEFAULT:
        raise SettingsError("a token's name: 1-63 of a-z 0-9 . _ -, a letter or digit first, and not `default`")
    for right in rights:
        if right not in RIGHTS:
            what, hint = unknown("scope", right, RIGHTS)
            raise SettingsError(f"{what} ({hint})")
    if not rights:
        raise SettingsError(f"a token needs a --scope: {', '.join(RIGHTS)}")
    if not tenants or not all(_TENANT.fullmatch(one) for one in tenants):
        raise SettingsError("a token needs a --tenant: an id, the beginning of ids like 'shop-*', or '*' for all")
    return Grant(tuple(dict.fromkeys(tenants)), frozenset(rights))


def _named(tokens: Sequence[Token], name: str) -> Token:
    found = next((one for one in tokens if one.name == name), None)
    if found is None:
        what, hint = unknown("token", name, [one.name for one in tokens])
        raise SettingsError(f"{what} ({hint})")
    return found


def _written(tokens: Sequence[Token]) -> bytes:
    return exact.dumps({"tokens": [_plain(one) for one in tokens]})


def _plain(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "kind": token.kind,
        "rights": sorted(token.grant.rights),
        "tenants": list(token.grant.tenants),
        "createdAt": token.created_at,
        "secrets": [
            [one.key_id, one.created_at, base64.b64encode(one.sealed).decode(), one.until] for one in token.secrets
        ],
    }


def _parsed(content: bytes) -> list[Token]:
    try:
        return [_token(one) for one in exact.loads(content)["tokens"]]
    except (ValueError, KeyError, TypeError):
        raise StorageCorrupt("the record of the service tokens can't be read") from None


def _token(plain: Any) -> Token:
    kept = tuple(
        Secret(key_id, float(at), base64.b64decode(sealed), None if until is None else float(until))
        for key_id, at, sealed, until in plain["secrets"]
    )
    grant = Grant(tuple(plain["tenants"]), frozenset(plain["rights"]))
    return Token(plain["name"], plain["kind"], grant, float(plain["createdAt"]), kept)
