"""What the sandbox says when no case fits a request: which one is nearest, and what differs there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from engine.cases.fit import Fit, host_and_path
from engine.cases.match import MISSING, Difference
from engine.cases.recorded import Recorded
from engine.frozen import frozen
from engine.model import Request
from engine.redact import mask_fields

_NAMED = 5  # further places that are named
_SECOND_LEVEL = frozenset({"co", "com", "edu", "gov", "net", "org"})


@frozen
class Miss:
    """No case fits: the nearest one, None when there is none; the first place that differs, and all in words."""

    nearest: Recorded | None
    place: str
    message: str


def nearest_miss(request: Request, known: Sequence[Recorded], action_id: str | None = None) -> Miss:
    """`known` is everything that is recorded. Where the action is known, only its own cases are near."""
    if action_id is not None:
        known = [one for one in known if one.action == action_id]
        if not known:
            return Miss(None, "action", f"no case of {action_id} sends anything")
    address = host_and_path(request.url)
    same = [one for one in known if one.method == request.method]
    at_address = [(one, one.fit(request, address)) for one in same if one.address.fits(address)]
    if at_address:
        nearest, found = min(at_address, key=lambda pair: (*_weight(pair[1]), pair[0].plainness))
        return Miss(nearest, found.wrong[0].place, _told(found.wrong))
    if others := [one for one in known if one.address.fits(address)]:
        return _other_method(request, others)
    if same or action_id is None:
        return _other_address(request, address, same)
    return _other_method(request, known)


def _weight(found: Fit) -> tuple[int, int]:
    return len(found.wrong), found.blanks


def _other_method(request: Request, others: Sequence[Recorded]) -> Miss:
    methods = " or ".join(sorted({one.method for one in others}))
    nearest = min(others, key=lambda one: one.plainness)
    return Miss(nearest, "method", f"method: expected {methods}, got {request.method}")


def _other_address(request: Request, address: str, same: Sequence[Recorded]) -> Miss:
    """The address that is spelt most alike: somebody mistyped it, or means another system of the same provider."""
    host = address.partition("/")[0]
    near = [one for one in same if _domain(one.address.text) == _domain(address)]
    if not near:
        return Miss(None, "url", f"no case has a {request.method} request to {host}")
    nearest = min(near, key=lambda one: (-_likeness(one.address.text, address), one.plainness))
    return Miss(nearest, "url", f"url: expected {nearest.address.text}, got {_masked_path(address)}")


def _domain(address: str) -> str:
    """What all systems of one provider share: `vendor.vn`, `vendor.com.vn`."""
    labels = address.partition("/")[0].split(".")
    return ".".join(labels[-3 if labels[-2:-1] and labels[-2] in _SECOND_LEVEL else -2 :])


@lru_cache(maxsize=1024)
def _likeness(wanted: str, got: str) -> float:
    """The same path on another host is more alike than another path."""
    paths = (wanted.partition("/")[2], got.partition("/")[2])
    return SequenceMatcher(None, wanted, got).ratio() + 3 * SequenceMatcher(None, *paths).ratio()


def _told(wrong: Sequence[Difference]) -> str:
    """The first difference in full, and where the others are."""
    first, *more = wrong
    places = list(dict.fromkeys(one.place for one in more))
    if not places:
        return _words(first)
    rest = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"{_words(first)}; further: {', '.join(places[:_NAMED])}{rest}"


def _words(difference: Difference) -> str:
    """The difference as it may be shown: values that look secret or personal by their name are not."""
    if difference.got is MISSING or (difference.words and difference.place != "query"):
        return str(difference)
    name = difference.place.rpartition(".")[2].partition("[")[0]
    if mask_fields({name: difference.got}) != {name: difference.got}:
        return f"{difference.place}: another value than the case has"
    return str(difference)


def _masked_path(path: str) -> str:
    """Long segments with digits may be ids or tokens of an account."""
    segments = path.split("/")
    return "/".join("…" if len(s) > 16 and any(map(str.isdigit, s)) and s is not segments[0] else s for s in segments)
