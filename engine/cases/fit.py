"""How near a request is to a recorded one, when account, clock and chance are not the recorded ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import unquote

from engine.cases import match
from engine.cases.match import MISSING, Difference
from engine.cases.origins import Origins, Pattern
from engine.frozen import frozen
from engine.library import exact
from engine.model import Request

_PORT = re.compile(r":[0-9]+$")


@frozen
class Fit:
    """`wrong`: what does not fit. `blanks`: how many places differ as they may. `headers`: all that are named fit."""

    wrong: tuple[Difference, ...]
    blanks: int
    headers: bool


def host_and_path(url: str) -> str:
    """A URL without scheme, port and query, decoded."""
    rest = url.partition("://")[2].partition("?")[0]
    authority, slash, path = rest.partition("/")
    return _PORT.sub("", authority).lower() + slash + unquote(path)


def fit(
    expect: Mapping[str, Any], origins: Origins, address: Pattern, request: Request, got: str, *, brief: bool = False
) -> Fit:
    """`address` is the pattern of `host_and_path` of the expected URL, and `got` that of the request; elsewhere nothing
    more is compared. `brief`: the first place that does not fit is enough."""
    if not address.fits(got):
        return Fit((Difference("url", address.text, got),), 0, headers=False)
    wrong: list[Difference] = []
    blanks = int(address.text != got)
    for found in _parts(chain(match.query_pairs(expect, request), match.body(expect, request))):
        if _may_differ(found, origins):
            blanks += 1
        else:
            wrong.append(found)
            if brief:
                return Fit((found,), blanks, headers=False)
    headers = [*match.headers(expect, request)]
    wrong += [found for found in headers if _misses(found, origins)]
    return Fit(tuple(wrong), blanks, not headers)


def _misses(found: Difference, origins: Origins) -> bool:
    """A header that the case names must be there; one that it wants absent belongs to another way to sign in."""
    if MISSING in (found.wanted, found.got):
        return found.wanted is not MISSING
    return not origins.may_head(found.place.removeprefix("header "), found.wanted, found.got)


def _parts(differences: Iterable[Difference]) -> Iterator[Difference]:
    """A text that holds JSON is looked into."""
    for found in differences:
        inner = _json(found.wanted), _json(found.got)
        if all(isinstance(value, dict | list) for value in inner):
            yield from match.differing(found.place, *inner)
        else:
            yield found


def _json(text: Any) -> Any:
    if not isinstance(text, str) or text[:1] not in ("{", "["):
        return None
    try:
        return exact.loads(text)
    except ValueError:
        return None


def _may_differ(found: Difference, origins: Origins) -> bool:
    wanted, got = found.wanted, found.got
    if MISSING in (wanted, got) or isinstance(wanted, bool) or type(wanted) is not type(got):
        return False
    if isinstance(wanted, int):
        wanted, got = str(wanted), str(got)
    return isinstance(wanted, str) and origins.pattern(wanted).fits(got)
