"""The gate: from a request's headers to its caller, or 401.

    Authorization: Bearer …            a service token: the default one, or one of the operator's book
    Authorization: AWS4-HMAC-SHA256 …  an access key of the book
    behind a gateway of AWS            who the gateway says it was, and no header

Tokens are compared by their SHA-256, of which an attacker can't choose a part; signatures in constant time. The book
is read again after two seconds, so a token that was revoked ends then, without a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from engine.errors import RequestError, SettingsError, StorageError
from engine.frozen import frozen
from engine.identity import sigv4
from engine.identity.arn import principal_of
from engine.identity.caller import EVERYTHING, Caller
from engine.identity.policy import TOKEN, Policy
from engine.identity.tokens import DEFAULT, Secret, Token, TokenBook
from engine.settings import Auth

FRESH_SECONDS: Final = 2.0
_BEARER: Final = b"Bearer"
_NOBODY: Final = secrets.token_urlsafe(30)
"""What is compared with where a key is not known: the answer then takes as long as for a wrong signature."""
_CHALLENGES: Final[Mapping[Auth, bytes]] = {
    "token": _BEARER,
    "sigv4": sigv4.ALGORITHM.encode(),
    "both": _BEARER + b", " + sigv4.ALGORITHM.encode(),
}


class Incoming(Protocol):
    """A request that nobody has been told anything of yet."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> bytes:
        """As it was sent, without query."""
        ...

    @property
    def query(self) -> bytes: ...
    @property
    def pairs(self) -> Sequence[tuple[bytes, bytes]]:
        """All headers, names in lower case."""
        ...

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...
    @property
    def gateway(self) -> Mapping[str, Any] | None:
        """What the gateway before us says of the request; None where none stands there."""
        ...

    async def body(self) -> bytes:
        """Read once, within the limit. Raises `RequestError`."""
        ...

    def promise(self, digest: str) -> None:
        """The body has this SHA-256 (hex), or `body` raises: 401."""
        ...


@frozen
class _Known:
    """What is known of the book, for a while."""

    tokens: Mapping[str, tuple[Token, Secret]] = field(default_factory=dict)
    until: float = -1.0


class Gate:
    """`hashes`: SHA-256 (32 bytes) of the default service token; more than one while it is replaced.

    `public_url`: the URL that callers sign for, whatever host a proxy has put in its place.
    """

    def __init__(
        self,
        mode: Auth,
        hashes: Iterable[bytes],
        book: TokenBook | None,
        policy: Policy,
        *,
        public_url: str,
        region: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._mode = mode
        self._hashes = tuple(hashes)
        if any(len(known) != hashlib.sha256().digest_size for known in self._hashes):
            raise SettingsError("a service token is known by its SHA-256 hash")
        self._book = book
        self._policy = policy
        self._default = Caller(TOKEN + DEFAULT, EVERYTHING, policy.bounds(DEFAULT))
        url = urlsplit(public_url)
        default_port = {"http": 80, "https": 443}[url.scheme]
        self._host = url.netloc.lower().removesuffix(f":{default_port}")
        self._prefix = url.path.rstrip("/")
        self._region = region
        self._now = now
        self._known = _Known()
        self.challenge = _CHALLENGES[mode]

    async def admit(self, incoming: Incoming) -> Caller:
        """Who calls. Raises `RequestError` 401 for whoever is not known, before anything else is told or read."""
        authorization = incoming.headers.get(b"authorization", b"")
        scheme, _, rest = authorization.partition(b" ")
        if self._mode != "sigv4" and scheme.lower() == b"bearer":
            return await self._token(rest.strip())
        if self._mode == "token":
            raise _nobody("a valid service token is needed: Authorization: Bearer <token>")
        if incoming.gateway is not None:
            return self._from_gateway(incoming.gateway)
        if scheme == sigv4.ALGORITHM.encode():
            return await self._signature(authorization, incoming)
        if b"X-Amz-Signature" in incoming.query:
            raise sigv4.refused("signed URLs are not taken, send an Authorization header")
        beside = " or a service token" if self._mode == "both" else ""
        raise _nobody(f"a request signed with Signature Version 4{beside} is needed")

    async def _token(self, token: bytes) -> Caller:
        given = hashlib.sha256(token)
        digest, is_default = given.digest(), False
        for one in self._hashes:  # all of them, so that the time does not say which one matched
            is_default |= hmac.compare_digest(digest, one)
        if is_default:
            return self._default
        found = (await self._tokens()).get(given.hexdigest())
        if found is None or not self._is_in_force(found[1]) or found[0].kind != "token":
            raise _nobody("a valid service token is needed: Authorization: Bearer <token>")
        return self._caller(found[0])

    def _caller(self, token: Token) -> Caller:
        return Caller(TOKEN + token.name, (token.grant,), self._policy.bounds(token.name))

    def _is_in_force(self, secret: Secret) -> bool:
        return secret.until is None or secret.until > self._now()

    async def _tokens(self) -> Mapping[str, tuple[Token, Secret]]:
        """By hash of the token, or id of the access key. A store that can't be read now leaves what was known."""
        at = time.monotonic()
        if self._book is not None and at >= self._known.until:
            try:
                tokens = await self._book.tokens()
            except StorageError:
                if self._known.until < 0:
                    raise
                return self._known.tokens
            found = {secret.key_id: (token, secret) for token in tokens for secret in token.secrets}
            self._known = _Known(found, at + FRESH_SECONDS)
        return self._known.tokens

    def _from_gateway(self, event: Mapping[str, Any]) -> Caller:
        """AWS has checked the signature; what the caller wrote into headers says nothing."""
        try:
            arn = event["requestContext"]["authorizer"]["iam"]["userArn"]
        except (KeyError, TypeError):
            raise _nobody("the gateway names no caller: this route needs AWS_IAM") from None
        principal = principal_of(str(arn))
        if principal is None:
            raise RequestError("FORBIDDEN", "only IAM roles and users may call")
        return Caller(principal, self._policy.of(principal))

    async def _signature(self, authorization: bytes, incoming: Incoming) -> Caller:
        request = self._signed(incoming)
        claim = sigv4.claimed(authorization.decode("latin-1"), request, self._region, self._now())
        found = (await self._tokens()).get(claim.key_id)
        is_known = found is not None and found[0].kind == "key" and self._is_in_force(found[1])
        secret = self._secret(found[1]) if found is not None and is_known else _NOBODY
        payload = claim.payload or await _digest(incoming)
        if not sigv4.fits(claim, request, secret, payload) or found is None or not is_known:
            raise sigv4.refused("it does not fit the request, or its access key is not known")
        incoming.promise(payload)
        return self._caller(found[0])

    def _secret(self, key: Secret) -> str:
        assert self._book is not None  # the key is from it
        return self._book.secret_of(key)

    def _signed(self, incoming: Incoming) -> sigv4.Signed:
        """The request as its sender saw it: proxies may have put another host in its place."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in incoming.pairs]
        seen = [(name, self._host if name == "host" else value) for name, value in headers]
        path = self._prefix + incoming.path.decode("latin-1")
        return sigv4.Signed(incoming.method, path, incoming.query.decode("latin-1"), seen)


async def _digest(incoming: Incoming) -> str:
    """Where no header says it, the body has to be read before its sender is known: within the limit of all bodies."""
    if incoming.method in ("GET", "HEAD"):
        return sigv4.EMPTY
    try:
        return hashlib.sha256(await incoming.body()).hexdigest()
    except RequestError:
        raise sigv4.refused(f"the body is too large to be checked without {sigv4.CONTENT_HASH}") from None


def _nobody(message: str) -> RequestError:
    return RequestError("UNAUTHORIZED", message)
