"""Invented values in the place of real ones: recognisable, and of a like form, so that checks still hold."""

from __future__ import annotations

import base64
import json
import re
from typing import Literal

Kind = Literal[
    "credential", "phone number", "e-mail address", "name", "address", "date of birth", "IP address", "personal value",
    "id", "account setting", "file",
]  # fmt: skip
"""What a value is, in words for people."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
JWT = re.compile(r"eyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*")
EMAIL = re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LAST_RUN = re.compile(r"(.*[\W_])?([0-9]+)([\W_]*)")
_HEX = re.compile(r"[0-9a-f]{16,}|[0-9A-F]{16,}")
_URL = re.compile(r"(?P<scheme>https?://)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?P<rest>[:/].*)?", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
FAKE_FAMILY = "Nguyen"
_FAKE_SECRET = re.compile(r"fake.*|eyJ[\w-]+\.[\w-]+\.fake[0-9]{4}", re.IGNORECASE)
_FAKE = re.compile(
    r"fake.*|(?:x+\W)*fa(?:ke)?0*[0-9]{4}|00000000-0000-4000-8000-[0-9]{12}|.+@example\.(?:com|org)"
    r"|Nguyen Van [A-Z][0-9]*|Name[A-Z][0-9]*|[0-9]+ Example Street|Example .*|(?:[a-z0-9-]+\.)*example"
    r"|203\.0\.113\.[0-9]+|1990-01-[0-9]{2}",
    re.IGNORECASE,
)
_FAKE_NUMBER = re.compile(r"\+?[0-9]{1,3}0{4,}[0-9]{1,2}")
_MAGICS = (b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04")
_BETWEEN = re.compile(r"[ .()-]")


def is_fake(kind: Kind, text: str) -> bool:
    """Whether anybody sees that a value is invented."""
    if kind == "credential":
        return _FAKE_SECRET.fullmatch(text) is not None
    return (_FAKE.fullmatch(text) or _FAKE_NUMBER.fullmatch(_BETWEEN.sub("", text))) is not None


def words_of(key: str) -> list[str]:
    """`['receiver', 'phone']` for `receiverPhone`, `receiver_phone` and `ReceiverPhone`."""
    return [word.lower() for word in _WORD.findall(key)]


def fake(kind: Kind, value: str, key: str, number: int, *, keeps_form: bool = False) -> str:
    """The fake of that number. `key` is the name that the value had; `keeps_form`: character by character."""
    if kind == "file":
        return base64.b64encode(_magic(value) + f"a fake file {number}".encode()).decode()
    if UUID.fullmatch(value):
        made = f"00000000-0000-4000-8000-{number:012d}"
        return made.upper() if value.isupper() else made
    if JWT.fullmatch(value):
        return _jwt(value, number)
    if kind == "date of birth" and _DATE.fullmatch(value):
        return f"1990-01-{number % 28 + 1:02d}"
    has_figures = any(map(str.isdigit, value)) and not any(map(str.isalpha, value))
    if keeps_form and kind == "id" and (found := _LAST_RUN.fullmatch(value)):
        return (found[1] or "") + _digits(kind, found[2], number) + found[3]
    if (keeps_form and any(map(str.isalnum, value))) or has_figures:
        return "203.0.113." + str(number % 250 + 1) if kind == "IP address" else _digits(kind, value, number)
    if kind == "e-mail address" or EMAIL.fullmatch(value):
        return f"person{number}@example.com"
    if kind in ("name", "address", "date of birth", "IP address", "personal value"):
        return _personal(kind, value, key, number)
    if kind == "id" or _HEX.fullmatch(value):
        return _same_length(value, number)
    if kind == "account setting" and (found := _URL.fullmatch(value)):
        return _host(found, number)
    return f"fake-{_slug(key)}-{number:04d}"


def _magic(value: str) -> bytes:
    """The first bytes, where they tell the kind of the file and nothing else."""
    try:
        head = base64.b64decode(value[:16], validate=True)
    except ValueError:
        return b""
    return next((magic for magic in _MAGICS if head.startswith(magic)), b"")


def _jwt(value: str, number: int) -> str:
    """Unsigned, with the claims that are times: somebody may look when it ends."""
    try:
        body = value.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        claims = {}
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if isinstance(claims, dict) and name in claims}
    parts = ({"alg": "none"}, {"sub": f"fake-{number:04d}", **times})
    packed = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*packed, f"fake{number:04d}"])


def _digits(kind: Kind, value: str, number: int) -> str:
    """The first digits and all that is no digit stay; then zeros, at the end the number."""
    kept = (3 if value.startswith("+") else 2) if kind == "phone number" else 1
    letters = [char for char in value if char.isalnum()]
    blank = "".join("0" if c.isdigit() else "x" if c.islower() else "X" for c in letters)
    tail = str(number)[-max(1, len(letters) - kept) :]
    head = "".join(letters[:kept]) if value[:1].isdigit() or value[:1] in "+-(" else blank[:kept]
    made = iter((head + blank[kept:])[: len(letters) - len(tail)] + tail)
    return "".join(next(made) if char.isalnum() else char for char in value)


def _same_length(value: str, number: int) -> str:
    """`FAKE0001` for eight letters and digits, `xx-000001` for `ab-123456`: what stands between them stays."""
    figures = f"{number:04d}"
    runs = re.split(r"([^\W_]+)", value)
    last = len(runs[-2])
    if last <= len(figures):
        return f"fake{figures}"
    word = "fa" if _HEX.fullmatch(runs[-2]) else "fake"
    blank = word[: last - len(figures)] + "0" * max(0, last - len(word) - len(figures)) + figures
    runs[-2] = ("0" * (last - len(figures)) + figures) if runs[-2].isdigit() else blank
    made = "".join("x" * len(run) if i % 2 and i < len(runs) - 2 else run for i, run in enumerate(runs))
    return made if any(map(str.islower, value)) else made.upper()


def _personal(kind: Kind, value: str, key: str, number: int) -> str:
    letter = chr(ord("A") + (number - 1) % 26) + (str((number - 1) // 26) if number > 26 else "")
    if kind == "name":
        return f"{FAKE_FAMILY} Van {letter}" if len(value.split()) > 1 else f"Name{letter}"
    if kind == "address":
        return f"{number} Example Street"
    return f"Example {_slug(key)} {number}"


def _host(found: re.Match[str], number: int) -> str:
    """The first name of a host is the account's; below two names there is only a domain of the account's own."""
    host, rest = found["host"], found["rest"] or ""
    first, _, domain = host.partition(".")
    whole = f"fake-{number:04d}.{domain}" if "." in domain and first != "www" else f"fake-{number:04d}.example"
    return f"{found['scheme'] or ''}{whole}{rest}"


def _slug(key: str) -> str:
    return "-".join(words_of(key))[:40] or "value"
