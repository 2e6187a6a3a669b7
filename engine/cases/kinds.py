"""What a value in a recorded call is, by the name it has and by how it looks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.cases.fakes import EMAIL, JWT, UUID, Kind, words_of
from engine.library import exact


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMED: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("phone number", _set("phone mobile tel telephone msisdn whatsapp fax")),
    ("e-mail address", _set("email mail")),
    ("address", _set("address addr street hamlet line")),
    ("date of birth", _set("birth birthday birthdate dob")),
    ("IP address", _set("ip")),
    ("name", _set("name")),
)
_IDS = _set("id ids uuid guid")
_NUMBERS_OF = _set("code number no ref reference key sn tracking")
_ABOUT_ANSWERS = _set("error err status response resp result message msg type")
_AMOUNTS = _set("amount total fee price value money balance cost cod insurance discount tax sum")
_TIMES = _set("at time date timestamp expires expired expiry created updated on")
_PHONE = re.compile(
    r"(?<![\w+])(?:\+[0-9][0-9 .-]{6,16}[0-9]|0[0-9]{9,10}|\(?0[0-9]{2,3}\)?[ .-][0-9]{3,4}[ .-][0-9]{3,4})(?!\w)"
)
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z.])[0-9]{9,}(?![0-9A-Za-z.])")
_MOMENT = re.compile(r"1[0-9]{9}|1[0-9]{12}|20[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{2}[0-9]{0,9}")
_SHAPES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("credential", JWT), ("id", UUID), ("e-mail address", EMAIL), ("phone number", _PHONE), ("id", _LONG_NUMBER),
)  # fmt: skip
_FIGURES = (_LONG_NUMBER, _PHONE)
_FILE = re.compile(r"[A-Za-z0-9+/_-]{400,}={0,2}")
_SHORTEST_ID = 6


def text_of(value: Any) -> str:
    """A text or a number as text; empty for all else."""
    if isinstance(value, str):
        return value
    return exact.plain(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else ""


def leaves(tree: Any, place: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Name, text and place of every text and number that is not empty; elements of a list have the list's name."""
    if isinstance(tree, Mapping):
        for name, item in tree.items():
            yield from leaves(item, f"{place}.{name}", str(name))
    elif isinstance(tree, list):
        for i, item in enumerate(tree):
            yield from leaves(item, f"{place}[{i}]", key)
    elif text := text_of(tree):
        yield key, text, place


def personal(key: str, text: str) -> Kind | None:
    """What something personal is; None where neither its name nor its form tells."""
    if EMAIL.fullmatch(text):
        return "e-mail address"
    return named(key) or ("phone number" if _PHONE.fullmatch(text) else None)


def named(key: str) -> Kind | None:
    """What a field of this name holds of a person."""
    words = set(words_of(key))
    return next((kind for kind, names in _NAMED if names & words), None)


def is_of_answer(key: str) -> bool:
    """`error_name` and `statusText` are about the answer."""
    return not _ABOUT_ANSWERS.isdisjoint(words_of(key))


def is_amount(key: str) -> bool:
    """`address_fee` is money, not an address."""
    return not _AMOUNTS.isdisjoint(words_of(key)[-1:])


def is_id(key: str, text: str) -> bool:
    """`orderId: 5000017`, `tracking_number: LN12345678`; what has no digit is a word of the provider's language."""
    words = words_of(key)
    if len(text) < _SHORTEST_ID or not words or not any(map(str.isdigit, text)) or any(map(str.isspace, text)):
        return False
    if _MOMENT.fullmatch(text) and set(words) & _TIMES:
        return False
    names_a_thing = len(words) > 1 and words[-1] in _NUMBERS_OF and not _ABOUT_ANSWERS & set(words)
    return words[-1] in _IDS or (names_a_thing and any(map(str.isalpha, text)))


def shapes(key: str, text: str) -> Iterator[tuple[Kind, str]]:
    """The parts of a text that look like an id or somebody's data; times and amounts do not."""
    if _FILE.fullmatch(text):
        yield "file", text
        return
    is_figure = not _AMOUNTS.isdisjoint(words_of(key)) or not _TIMES.isdisjoint(words_of(key))
    rest = text
    for kind, shape in _SHAPES:
        if shape is _LONG_NUMBER and is_figure:
            continue
        found = [part for part in shape.findall(rest) if shape not in _FIGURES or not _MOMENT.fullmatch(part)]
        for part in found:
            rest = rest.replace(part, " ")
            yield kind, part
