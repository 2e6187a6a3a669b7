"""What a token answer says, as the record that is kept of it. Pure.

access, refresh                 secrets; `refresh` where there is one
expiresAt, refreshExpiresAt     RFC 3339, where the provider says so; else good until refused
scope                           what was granted, as a list; absent = not known
obtainedAt, refreshObtainedAt   epoch seconds
method, connectionVersion       which method it is of, and what it belongs to
dead                            why the provider will never renew it, once that is known
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from engine.catalog import Evaluate, Method, Scopes, TokenPlan
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.library.times import from_time
from engine.runtime.account import Account
from engine.runtime.call import derived_key, rfc3339

Token = Mapping[str, Any]

GRANT: Final = "grant"
"""The kind of the agenda's entries about grants that nobody uses."""
MARGIN: Final = 60.0
"""A token is renewed so many seconds before it ends, and when half its life is over if that is later."""
_SKEW: Final = 30.0
"""Seconds by which two clocks may differ before a time by the provider's is set right."""
IDLE_SHARE: Final = 0.8
"""A refresh token that nobody uses is renewed when so much of its life is over."""


def is_fresh(token: Token, method: Method, now: float) -> bool:
    """Can a request be signed with it, without a thought of renewing it?"""
    if not is_usable(token, method, now):
        return False
    end = epoch_of(token.get("expiresAt"))
    if end is None:
        return True
    life = end - float(token.get("obtainedAt", now))
    return now < end - min(MARGIN, max(life, 0) / 2)


def is_usable(token: Token, method: Method, now: float) -> bool:
    """Does it hold at this moment?"""
    if not token.get("access") or token.get("method") != method.name:
        return False
    end = epoch_of(token.get("expiresAt"))
    return end is None or now < end


def next_refresh(token: Token, method: Method, now: float) -> float | None:
    """When a grant that nobody uses must be renewed, in epoch seconds; None: never, or it would not help.

    A provider that gives a refresh token one life, however often it is used, is not asked again and again.
    """
    end = epoch_of(token.get("refreshExpiresAt"))
    if end is None or now >= end or token.get("dead") or not can_refresh(token, method):
        return None
    begun = float(token.get("refreshObtainedAt", token.get("obtainedAt", now)))
    due = begun + IDLE_SHARE * (end - begun)
    return due if float(token.get("obtainedAt", begun)) < due else None


def can_refresh(token: Token, method: Method) -> bool:
    """Is there something to renew it with? A plugin may know a way of its own."""
    if method.refresh is None:
        return False
    return method.refresh.plugin is not None or (bool(token.get("refresh")) and token.get("method") == method.name)


def granted(token: Token, method: Method) -> frozenset[str] | None:
    """The scopes of a grant, with what they bring with them; None: not known."""
    scope = token.get("scope")
    if scope is None or method.scopes is None:
        return None
    found = set(scopes_of(scope, method.scopes))
    return frozenset(found.union(*(method.scopes.implies.get(name, ()) for name in found)))


def scopes_of(value: Any, scopes: Scopes | None) -> list[str]:
    """A list, or a text of several that spaces or the spec's separator keep apart."""
    if isinstance(value, list):
        return [name for name in value if isinstance(name, str) and name]
    text = str(value)
    return (text.replace(scopes.separator, " ") if scopes is not None else text).split()


def token_record(account: Account, method: Method, token: Token, now: float) -> dict[str, Any]:
    """A token as it is stored: with its method, its age, and what it belongs to."""
    kept = {name: value for name, value in token.items() if value is not None}
    if "scope" in kept:
        kept["scope"] = scopes_of(kept["scope"], method.scopes)
    return {"obtainedAt": int(now), **kept, "method": method.name, "connectionVersion": identity(account, method)}


def identity(account: Account, method: Method) -> str:
    """What a token belongs to: with other credentials, or another shop, it is worthless."""
    captured = set(account.integration.form.captured)
    for one in account.integration.methods:
        captured.update(one.capture, one.consent.capture if one.consent is not None else ())
    values = {**account.config, **account.credentials}
    bound = values.keys() if method.bound is None else method.bound
    return derived_key(repr(sorted((k, str(v)) for k, v in values.items() if k in bound and k not in captured)))


def read_token(account: Account, method: Method, answer: Scope, before: Token, now: float) -> dict[str, Any]:
    """The record of a token answer; what a refresh does not say anew stays as it was `before`.

    Raises `CallError`. A pair that has taken another's place is worth more than its date: where there is a refresh
    token, a date that can't be read is none.
    """
    plan = method.token
    assert plan is not None  # methods without a token plan never come here
    accepted = plan.accepted is None or holds(plan.accepted(answer))
    access = _said(plan.access, answer) if accepted else None
    if not isinstance(access, str) or not access:
        raise CallError("AUTH_FAILED", "the answer gave no token")
    refresh = _said(plan.refresh, answer)
    is_new = isinstance(refresh, str) and bool(refresh)
    token = {
        "access": access,
        "expiresAt": _end(plan, answer, now, lenient=is_new or bool(before.get("refresh"))),
        "scope": _scope_said(plan, method.scopes, answer) or before.get("scope"),
        "refresh": refresh if is_new else before.get("refresh"),
        **_refresh_life(plan, answer, before, now, is_new=is_new and refresh != before.get("refresh")),
    }
    return token_record(account, method, token, now)


def _refresh_life(plan: TokenPlan, answer: Scope, before: Token, now: float, *, is_new: bool) -> dict[str, Any]:
    seconds = _said(plan.refresh_expires_in, answer)
    if seconds is None and not is_new:
        return {name: before.get(name) for name in ("refreshExpiresAt", "refreshObtainedAt")}
    return {"refreshExpiresAt": _expiry(None, seconds, now, lenient=True), "refreshObtainedAt": int(now)}


def _scope_said(plan: TokenPlan, scopes: Scopes | None, answer: Scope) -> list[str] | None:
    asked = scopes.granted if scopes is not None and scopes.granted is not None else plan.scope
    value = _said(asked, answer)
    return None if value is None or value == "" else scopes_of(value, scopes)


def _end(plan: TokenPlan, answer: Scope, now: float, *, lenient: bool) -> str | None:
    end = _expiry(_said(plan.expires_at, answer), _said(plan.expires_in, answer), now, lenient=lenient)
    ahead = _ahead(answer, now) if end is not None and plan.expires_at is not None else 0.0
    return rfc3339((epoch_of(end) or 0.0) + ahead) if abs(ahead) > _SKEW else end


def _ahead(answer: Scope, now: float) -> float:
    """By how many seconds our clock is ahead of the provider's, as its answer says it."""
    said = answer["headers"].get("date") if isinstance(answer["headers"], dict) else None
    try:
        return now - parsedate_to_datetime(said).timestamp() if isinstance(said, str) else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _said(query: Evaluate | None, answer: Scope) -> Any:
    value = query(answer) if query is not None else None
    return None if value is ABSENT else value


def _expiry(expires: Any, seconds: Any, now: float, *, lenient: bool) -> str | None:
    """RFC 3339 in UTC; None = valid until refused. Raises `CallError` for what is no time, unless `lenient`."""
    try:
        if expires is not None:
            return str(from_time(expires))
        if seconds is None or float(seconds) <= 0:
            return None
        return rfc3339(now + float(seconds))
    except (LibraryError, ValueError, TypeError, OverflowError):
        if lenient:
            return None
        message = "the login does not say in a readable way how long its token holds"
        raise CallError("INVALID_RESPONSE", message) from None


def epoch_of(text: Any) -> float | None:
    """Epoch seconds of a time of the record."""
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
