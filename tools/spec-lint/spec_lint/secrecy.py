"""What secrets and personal data look like, and what a recognisable fake of them looks like."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

_KNOWN = re.compile(
    r"""
    \b(?:sk|rk|pk)_live_[0-9a-zA-Z]{10,}            # Stripe
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                 # AWS
    | \bgh[pousr]_[0-9A-Za-z]{20,}                  # GitHub
    | \bglpat-[0-9A-Za-z_-]{16,}                    # GitLab
    | \bxox[abeoprs]-[0-9A-Za-z-]{10,}              # Slack
    | \bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{24,}         # Shopify
    | \bAIza[0-9A-Za-z_-]{30,}                      # Google
    | \bya29\.[0-9A-Za-z_-]{20,}                    # Google
    | \bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}  # SendGrid
    | \bEAA[0-9A-Za-z]{40,}                         # Meta
    | \beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}   # JWT
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----
    """,
    re.VERBOSE,
)
_MARKS = (
    "_live_", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "glpat-", "xox", "shpat_", "shpca_", "shppa_",
    "shpss_", "AIza", "ya29.", "SG.", "EAA", "eyJ", "PRIVATE KEY",
)  # fmt: skip
"""One of these is in every text that has a hit: looking for them first is a hundred times as fast."""
_SHORTEST_TOKEN = 24
_TOKEN = re.compile(r"(?<![\w/+.-])[A-Za-z0-9_+/-]{24,}={0,2}(?![\w/+.-])")
_WORDS = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_FAKE = re.compile(r"fake|example|sample|dummy|test|demo|your|xxxx|0000|1234567|abcdef", re.IGNORECASE)
_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_ENDS = frozenset(
    {"token", "secret", "password", "passwd", "pwd", "passphrase", "passcode", "credential", "credentials", "pin"}
)
_KEYS = frozenset({"access", "api", "auth", "encryption", "hash", "key", "master", "merchant", "private", "secret"})
_KEYS_TOO = frozenset({"service", "shared", "sign", "signature", "signing", "webhook", "webservice", "ws"})
_DIGITS = re.compile(r"[+08][0-9]{8,11}")
_PHONE = re.compile(r"(?:\+84|84|0)[35789][0-9]{8}")
_FAKE_PHONE = re.compile(
    r"(?:\+84|84|0)(?:9?0{5,}[0-9]{1,4}|([0-9])\1{8}|[0-9]{2}(?:0123456|1234567|2345678|0000[0-9]{3}))"
)
_AT_DOMAIN = re.compile(r"@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})(?![\w-])")
_MAILBOX = re.compile(r"[\w.+-]+$")
_LONGEST_MAILBOX = 64
_BEFORE = re.compile(r"[\w.+-]")
_GOES_ON = re.compile(r"\w|[.-]\w")
_FAKE_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example(?:\.[a-z.]+)?|test|invalid|localhost)|.*\.gserviceaccount\.com", re.IGNORECASE
)


def known_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Where a text holds secrets of a well-known form that are no fakes."""
    for found in _KNOWN.finditer(text) if any(mark in text for mark in _MARKS) else ():
        if not _FAKE.search(found[0]):
            yield found.span()


@lru_cache(maxsize=1024)
def random_token(text: str) -> tuple[int, int] | None:
    """Where a text holds something that nobody would write: long, mixed and without words."""
    for found in _TOKEN.finditer(text) if len(text) >= _SHORTEST_TOKEN else ():
        token = found[0].rstrip("=")
        digits = sum(char.isdigit() for char in token)
        letters = sum(char.isalpha() for char in token)
        spelled = sum(map(len, _WORDS.findall(token)))
        if digits >= 4 and letters >= 4 and spelled * 2 < len(token) and not _FAKE.search(token) and _bits(token) > 3:
            return found.span()
    return None


def _bits(text: str) -> float:
    """Shannon's entropy per character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_fake(text: str) -> bool:
    """Does everybody see that this is no real secret?"""
    return bool(_FAKE.search(text)) or len(set(text)) < 4


def names_secret(name: str) -> bool:
    """`apiKey`, `access_token`, `X-Client-Secret`: is that the name of a secret?"""
    words = [word.lower() for word in _NAME.findall(name)]
    if not words or "public" in words:
        return False
    if words[-1] == "key":
        return len(words) > 1 and words[-2] in _KEYS | _KEYS_TOO
    return words[-1] in _SECRET_ENDS


def personal(text: str) -> Iterator[tuple[int, int, str]]:
    """Where a text holds phone numbers and e-mail addresses that may be somebody's, and which of both."""
    for digits in _DIGITS.finditer(text):
        start, end = digits.span()
        stands_alone = not _BEFORE.fullmatch(text[start - 1 : start]) and not _GOES_ON.match(text, end)
        if stands_alone and _PHONE.fullmatch(digits[0]) and not _FAKE_PHONE.fullmatch(digits[0]):
            yield start, end, "phone number"
    for domain in _AT_DOMAIN.finditer(text):
        box = _MAILBOX.search(text[max(0, domain.start() - _LONGEST_MAILBOX) : domain.start()])
        if box and not _FAKE_DOMAIN.fullmatch(domain[1]):
            yield domain.start() - len(box[0]), domain.end(), "e-mail address"
