"""Signatures, out and in: bytes in, text out. The table of schemes stands at the foot.

Everything fails closed: no key, no text, nothing given, or something that can't be read is "not verified", never an
exception. Texts, keys and given signatures are lists: any pair may match, all are always compared, in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from engine.diagnostics import unknown
from engine.frozen import frozen

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

Encoding = Literal["hex", "base64"]
Unit = Literal["s", "ms"]

_TIME = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----")


class Unsignable(ValueError):
    """A signature that can't be made: unknown scheme, missing key, a scheme that only verifies."""


def sign(scheme: str, text: bytes, key: bytes | None = None, encoding: Encoding = "hex") -> str:
    """The signature of `text`. An HMAC needs a key; a plain digest takes none, its text must contain the secret."""
    found = _scheme(scheme)
    if found.digest is None:
        raise Unsignable(f"{scheme} only verifies, it can't sign")
    if found.keyed and not key:
        raise Unsignable(f"{scheme} needs a key")
    if not found.keyed and (key or not text):
        raise Unsignable(f"{scheme} takes no key, its text must contain the secret")
    return _ENCODERS[encoding](found.digest(key or b"", text))


def verify(
    scheme: str,
    texts: Iterable[bytes],
    keys: Iterable[bytes],
    given: Iterable[object],
    encoding: Encoding = "hex",
) -> bool:
    """Does any given signature fit any text under any key? `equals` compares given with keys and needs no text.

    Anything in `given` that is not text counts as not given. Raises `Unsignable` for an unknown scheme only.
    """
    candidates = [item for item in given if isinstance(item, str) and item]
    return _scheme(scheme).verify(scheme, tuple(texts), tuple(key for key in keys if key), candidates, encoding)


def within(value: object, unit: Unit, tolerance_seconds: float, now: float) -> bool:
    """Is the stamp (epoch seconds or milliseconds, number or digits) at most so far from `now`, either way?"""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return False
    text = str(value)
    if not _TIME.fullmatch(text):
        return False
    stamp = Decimal(text) / (1000 if unit == "ms" else 1)
    return abs(stamp - Decimal(now)) <= Decimal(tolerance_seconds)


@frozen
class Scheme:
    """How a scheme makes a digest (`None`: it only verifies), whether it takes a key, and how it verifies."""

    digest: Callable[[bytes, bytes], bytes] | None
    keyed: bool
    verify: Callable[[str, tuple[bytes, ...], tuple[bytes, ...], list[str], Encoding], bool]


def _scheme(name: str) -> Scheme:
    if name not in SCHEMES:
        raise Unsignable(" ".join(unknown("signature scheme", name, SCHEMES)))
    return SCHEMES[name]


def _hmac(algorithm: str) -> Callable[[bytes, bytes], bytes]:
    return lambda key, text: hmac.digest(key, text, algorithm)


def _plain(algorithm: str) -> Callable[[bytes, bytes], bytes]:
    return lambda _, text: hashlib.new(algorithm, text).digest()


def _by_digest(
    scheme: str, texts: tuple[bytes, ...], keys: tuple[bytes, ...], given: list[str], encoding: Encoding
) -> bool:
    found = SCHEMES[scheme]
    if not found.keyed:
        texts = tuple(text for text in texts if text)
    if found.digest is None or bool(keys) != found.keyed:
        return False
    encode = _ENCODERS[encoding]
    expected = [encode(found.digest(key, text)) for text in texts for key in keys or (b"",)]
    return _any_equal(expected, given)


def _by_equality(_: str, __: tuple[bytes, ...], keys: tuple[bytes, ...], given: list[str], ___: Encoding) -> bool:
    return _any_equal(keys, given)


def _any_equal(expected: Iterable[str | bytes], given: list[str]) -> bool:
    """Constant time: no pair is skipped, also after a match."""
    matched = False
    candidates = [text.encode("utf-8", "surrogatepass") for text in given]
    for one in expected:
        wanted = one.encode() if isinstance(one, str) else one
        for candidate in candidates:
            matched |= hmac.compare_digest(wanted, candidate)
    return matched


def _by_public_key(
    _: str, texts: tuple[bytes, ...], keys: tuple[bytes, ...], given: list[str], encoding: Encoding
) -> bool:
    """ECDSA over P-256 and SHA-256; signatures are DER, keys SPKI as PEM or as base64 of their DER."""
    signatures = [raw for raw in (_decoded(text, encoding) for text in given) if raw]
    public = [key for key in (_public_key(raw) for raw in keys) if key is not None]
    return any(_fits(key, raw, text) for key in public for raw in signatures for text in texts)


def _fits(key: EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, text, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _public_key(raw: bytes) -> EllipticCurvePublicKey | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    try:
        if _PEM.match(raw):
            key: Any = load_pem_public_key(raw)
        else:
            key = load_der_public_key(base64.b64decode(b"".join(raw.split()), validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def _decoded(text: str, encoding: Encoding) -> bytes | None:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _never(*_: object) -> bool:
    return False


_ENCODERS: Mapping[Encoding, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
}

SCHEMES: Mapping[str, Scheme] = {
    "hmac-sha1": Scheme(_hmac("sha1"), keyed=True, verify=_by_digest),
    "hmac-sha256": Scheme(_hmac("sha256"), keyed=True, verify=_by_digest),
    "hmac-sha512": Scheme(_hmac("sha512"), keyed=True, verify=_by_digest),
    "md5": Scheme(_plain("md5"), keyed=False, verify=_by_digest),
    "sha256": Scheme(_plain("sha256"), keyed=False, verify=_by_digest),
    "ecdsa-p256-sha256": Scheme(None, keyed=True, verify=_by_public_key),
    "equals": Scheme(None, keyed=True, verify=_by_equality),
    "refuse": Scheme(None, keyed=False, verify=_never),
}
