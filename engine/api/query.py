"""Query strings: read against the JSON Schema of an operation's parameters, and instants as filters write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

from engine.api.wire import bad_request
from engine.errors import Issue

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_MOST_PARAMETERS = 50

# In a query a bare `+` reads as a space, so an offset that was not percent-encoded arrives with one.
_INSTANT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}:[0-5][0-9])(?P<fraction>\.[0-9]{1,9})?"
    r"(?:[Zz]|(?P<sign>[-+ ])(?P<hours>[0-9]{2}):(?P<minutes>[0-5][0-9])))?"
)


def pairs(raw: bytes) -> dict[str, str]:
    """The parameters of a query string, each at most once. Raises `RequestError`."""
    if not raw:
        return {}
    try:
        given = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise bad_request("the query can't be read", Issue("is not well-formed UTF-8, percent-encoded")) from None
    found: dict[str, str] = {}
    for name, value in given:
        if name in found:
            raise bad_request("a query parameter is given twice", Issue("is given more than once", (name,)))
        found[name] = value
    return found


def typed(given: Mapping[str, str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as the types that the schema wants; what does not fit stays text, so that the check can say so."""
    return {
        name: int(text) if properties.get(name, {}).get("type") == "integer" and _WHOLE_NUMBER.fullmatch(text) else text
        for name, text in given.items()
    }


def instant(text: str, name: str) -> float:
    """Epoch seconds of an RFC 3339 date (its midnight in UTC) or date-time. Raises `RequestError` naming the filter."""
    match = _INSTANT.fullmatch(text)
    if match is not None:
        try:
            return _epoch(match)
        except (ValueError, OverflowError):  # 31 February, hour 24
            pass
    what = "must be an RFC 3339 date or date-time, such as 2026-05-01 or 2026-05-01T00:00:00Z"
    raise bad_request("a filter can't be read", Issue(what, (name,)))


def _epoch(match: re.Match[str]) -> float:
    moment = datetime.fromisoformat(f"{match['date']}T{match['time'] or '00:00:00'}")
    offset = timedelta(0)
    if match["sign"]:
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
        offset = -offset if match["sign"] == "-" else offset
    zone = timezone(offset) if offset else UTC
    return moment.replace(tzinfo=zone).timestamp() + float(match["fraction"] or 0)
