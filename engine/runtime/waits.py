"""How long a provider asks us to wait, as its headers say it.

`Retry-After` is seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); providers also send
decimals, epoch seconds, epoch milliseconds, and the header twice. `RateLimit` and its older forms
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/) say beforehand that nothing is left.
Pure: times are epoch seconds, waits are seconds.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Iterator, Mapping

LONGEST = 86_400.0
"""A longer wait than a day is a mistake of somebody's: a day it is, and then another look."""

LEARNED = 60.0
"""Beyond this an emptied budget is not that of the next calls; the provider's own refusal will tell."""

_DATE = re.compile(r"[A-Za-z]{3,9}, [^,]+")
_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")
_EPOCH, _EPOCH_MS = 1e9, 1e12
_LEFT, _RESET = "remaining", "reset"
_FIELD = re.compile(r"(?:^|[;,\s])(r|t|remaining|reset)=([0-9]{1,16})", re.IGNORECASE)


def asked(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """The longest wait that `Retry-After` asks for, else the time until the rate limit is reset; None for none.

    `headers` have lower-case names, several of one name joined with commas. `now` is asked for only where the
    provider's own clock (`Date`) is not there to measure by. A negative or unreadable value counts as not sent.
    """
    clock = _clock(headers, now)
    waits = list(_values(headers.get("retry-after", ""), clock))
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        waits.append(float(milliseconds) / 1000)
    if not waits:
        waits = [wait for left, wait in _budgets(headers, clock) if left in (None, 0)]
    return min(max(waits), LONGEST) if waits else None


def emptied(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Seconds until calls are worth sending again, of an answer that says that none are left; else None."""
    for name in headers:  # not `any`: every answer comes by here, and few have such a header
        if name.endswith(_LEFT) or name == "ratelimit":
            break
    else:
        return None
    waits = [wait for left, wait in _budgets(headers, _clock(headers, now)) if left == 0 and 0 < wait <= LEARNED]
    return max(waits, default=None)


def _clock(headers: Mapping[str, str], now: Callable[[], float]) -> Callable[[], float]:
    """The provider's clock: its dates and ours may differ by minutes."""
    sent = _date(headers.get("date", ""))
    return now if sent is None else lambda: sent


def _values(text: str, clock: Callable[[], float]) -> Iterator[float]:
    """The waits of a header that may hold several, dates with their own comma among them."""
    for found in _DATE.findall(text):
        until = _date(found)
        if until is not None:
            yield max(0.0, until - clock())
    for part in _DATE.sub("", text).split(","):
        wait = _wait(part.strip(), clock)
        if wait is not None:
            yield wait


def _wait(text: str, clock: Callable[[], float]) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if number >= _EPOCH_MS:
        number /= 1000
    return max(0.0, number - clock()) if number >= _EPOCH else number


def _budgets(headers: Mapping[str, str], clock: Callable[[], float]) -> Iterator[tuple[int | None, float]]:
    """Of each budget that the headers name: how many calls are left (None: not said), and seconds until its reset."""
    for text in _policies(headers.get("ratelimit", "")):
        fields = {name.lower(): int(number) for name, number in _FIELD.findall(text)}
        left, reset = fields.get("r", fields.get(_LEFT)), fields.get("t", fields.get(_RESET))
        if reset is not None:
            yield left, float(reset)
    for name, text in headers.items():
        if name.endswith(_RESET) and "limit" in name:
            wait = _wait(text.strip(), clock)
            if wait is not None:
                yield _count(headers.get(name.removesuffix(_RESET) + _LEFT, "")), wait


def _count(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) and "." not in text else None


def _policies(text: str) -> list[str]:
    """`"burst";r=0;t=5, "day";r=9;t=70` is two policies; `limit=10, remaining=0, reset=5` (the older form) is one."""
    if not text:
        return []
    return text.split(",") if '"' in text else [text]


def _date(text: str) -> float | None:
    """Epoch seconds of an HTTP date; None for anything else."""
    if "," not in text:
        return None
    try:
        return email.utils.parsedate_to_datetime(text.strip()).timestamp()
    except (ValueError, OverflowError):
        return None
