"""Bytes, digests and encodings."""

from __future__ import annotations

import base64 as base64_
import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from engine.library import exact
from engine.library.function import LibraryError, bytes_of, choice, null_out, refuse, text_of
from engine.library.times import utc_text

ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
_MAX_TOKEN = 100_000


@null_out
def digest(x: Any, algorithm: Any) -> bytes:
    """The digest of a text's UTF-8 or of bytes, as bytes: md5, sha1, sha256 or sha512."""
    name = choice("digest", "the algorithm", algorithm, ALGORITHMS)
    return hashlib.new(name, bytes_of("digest", x), usedforsecurity=False).digest()


@null_out
def hex_text(x: Any) -> str:
    """Two small hexadecimal digits for each byte."""
    return bytes_of("hex", x).hex()


@null_out
def base64(x: Any) -> str:
    """Base64 of a text's UTF-8 or of bytes: standard alphabet, padded."""
    return base64_.b64encode(bytes_of("base64", x)).decode()


@null_out
def html(x: Any) -> str:
    """Text that is safe in HTML, in an element or a quoted attribute."""
    from html import escape  # with a table of all entities, which few specs need

    return escape(text_of("html", x))


@null_out
def percent(x: Any) -> str:
    """RFC 3986: all but letters, digits and `-._~` becomes %XX of its UTF-8."""
    return percent_encoded("percent", x)


def percent_encoded(function: str, x: Any) -> str:
    return quote(bytes_of(function, text_of(function, x)), safe="")


def form_encoded(function: str, x: Any) -> str:
    """As a form writes it: percent-encoded, a space is `+`."""
    return quote_plus(bytes_of(function, text_of(function, x)))


@null_out
def json(x: Any) -> str:
    """Compact JSON text."""
    try:
        return exact.dumps(x).decode()
    except ValueError as error:
        raise LibraryError(f"json: {error}") from None


@null_out
def parse_json(x: Any) -> Any:
    """The value of a JSON text; fractions stay exact."""
    if not isinstance(x, (str, bytes)):
        raise refuse("parse_json", "text", x)
    try:
        return exact.loads(x)
    except ValueError as error:
        raise LibraryError(f"parse_json: {error}") from None


def jwt_expiry(x: Any) -> str | None:
    """The `exp` of a JWT as RFC 3339 text, without verification; null when there is none to read."""
    if not isinstance(x, str) or len(x) > _MAX_TOKEN or x.count(".") != 2:
        return None
    payload = x.split(".")[1]
    try:
        claims = exact.loads(base64_.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
        expiry = claims.get("exp") if isinstance(claims, dict) else None
        if isinstance(expiry, bool) or not isinstance(expiry, (int, Decimal)):
            return None
        return utc_text(datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(expiry)))
    except (ValueError, OverflowError):
        return None
