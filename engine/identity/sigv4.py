"""Signature Version 4 of AWS, checked by us: for callers outside AWS, over access keys that the operator handed out.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. The path is encoded once
more before it is signed, as for every service but S3. Refused: another region or service, a date more than five minutes
from ours, a request whose host, date, tenant or idempotency key is not signed to the letter, an unsigned or chunked
payload, signed URLs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from engine.errors import RequestError
from engine.frozen import frozen

SERVICE: Final = "execute-api"
ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW_SECONDS: Final = 300.0
EMPTY: Final = hashlib.sha256(b"").hexdigest()
CONTENT_HASH: Final = "x-amz-content-sha256"
_DATE: Final = "x-amz-date"
_DECIDING: Final = ("x-tenant-id", "idempotency-key")
"""Headers that change what a request does."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([A-Za-z0-9]{16,128})/([0-9]{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request"
    r", *SignedHeaders=([a-z0-9-]{1,64}(?:;[a-z0-9-]{1,64}){0,63}), *Signature=([0-9a-f]{64})"
)


@frozen
class Signed:
    """A request as it was signed, or claims to be. Header names are lower-case; `query` is as it came."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]] = field(repr=False)


@frozen
class Claim:
    """What the Authorization header says."""

    key_id: str
    day: str
    region: str
    service: str
    names: tuple[str, ...]
    signature: str = field(repr=False)
    date: str = ""
    payload: str | None = None
    """The SHA-256 that the body is said to have; None: no header says it."""


def refused(why: str) -> RequestError:
    return RequestError("UNAUTHORIZED", f"the request's signature is refused: {why}")


def claimed(authorization: str, request: Signed, region: str, now: float) -> Claim:
    """The claim, if everything but the signature itself is in order. Raises `RequestError`; `now` is epoch seconds."""
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise refused("the Authorization header is not that of Signature Version 4")
    headers = _signed_headers(request, tuple(found[5].split(";")))
    payload = dict(request.headers).get(CONTENT_HASH)
    if payload is not None and not _HEX.fullmatch(payload):
        raise refused("the payload must be signed: its SHA-256 in hex")
    claim = Claim(found[1], found[2], found[3], found[4], tuple(headers), found[6], headers[_DATE], payload)
    if (claim.region, claim.service) != (region, SERVICE):
        raise refused(f"its scope must be {region}/{SERVICE}")
    if claim.date[:8] != claim.day or abs(_epoch(claim.date) - now) > SKEW_SECONDS:
        raise refused("its date is more than five minutes from ours")
    return claim


def _signed_headers(request: Signed, names: tuple[str, ...]) -> Mapping[str, str]:
    """The headers that are signed, by name. Raises `RequestError` where one is missing that has to be."""
    came = [name for name, _ in request.headers]
    if any(came.count(name) != 1 for name in names) or list(names) != sorted(set(names)):
        raise refused("each signed header comes once, and their names are in order")
    wanted = {"host", _DATE, *(name for name in came if name in _DECIDING or name.startswith("x-amz-"))}
    missing = sorted(wanted.difference(names))
    if missing:
        raise refused(f"it must cover these headers too: {', '.join(missing)}")
    given = dict(request.headers)
    for name in _DECIDING:
        if name in given and given[name] != _spaced(given[name]):
            raise refused(f"{name} holds several spaces in a row, which are signed as if they were one")
    return {name: given[name] for name in names}


def _spaced(value: str) -> str:
    """A header's value as it is signed."""
    return " ".join(value.split())


def _epoch(date: str) -> float:
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise refused("its date (X-Amz-Date) is not like 20260501T030405Z") from None


def fits(claim: Claim, request: Signed, secret: str, payload: str) -> bool:
    """Whether the signature is that of this secret over this request and payload (SHA-256 in hex). Constant time."""
    given = dict(request.headers)
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/~"),
            "&".join(f"{name}={value}" for name, value in sorted(_pairs(request.query))),
            *(f"{name}:{_spaced(given[name])}" for name in claim.names),
            "",
            ";".join(claim.names),
            payload,
        )
    )
    scope = f"{claim.day}/{claim.region}/{claim.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{claim.date}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (claim.day, claim.region, claim.service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), claim.signature)


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = (one.partition("=") for one in query.split("&")) if query else ()
    return [(name, value) for name, _, value in parts]
