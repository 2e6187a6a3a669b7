"""How a provider answers about tokens, by what its cases recorded: with a token, with a refusal, to a dead token.

The shape is the recorded one, with fresh tokens in the places where the spec reads them; where nothing was recorded it
is that of RFC 6749.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

from engine.cases.model import AnyCase, Case, ConsentCase, Exchange, Turn
from engine.cases.moments import epoch, moved
from engine.cases.stage import epoch_of
from engine.cases.wire import response_of
from engine.catalog import Evaluate, Integration, Method
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.library import exact
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.runtime.parse import Unreadable, parse_body

Answer = Mapping[str, Any]

LIFE = 3600
"""Seconds that a token holds where nobody says how long."""
_TREES = ("json", "form")
REFUSED: Answer = {"status": 400, "json": {"error": "invalid_grant", "error_description": "this grant is over"}}
DEAD: Answer = {"status": 401, "json": {"error": "invalid_token", "error_description": "this token is over"}}


@frozen
class Fresh:
    """A token to be told. `scopes` as they were asked for; `seconds` that it holds; `now` in epoch seconds."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    scopes: str
    seconds: float
    now: float


@frozen
class Told:
    """A recorded answer with a token, and what the spec reads in it; `ends` in epoch seconds."""

    answer: Answer = field(repr=False)
    access: str = field(repr=False)
    refresh: Any = field(repr=False)
    scope: Any
    seconds: Any
    ends: float | None
    at: float

    @property
    def life(self) -> float | None:
        """Seconds that its token holds; None: until it is refused."""
        if self.ends is not None:
            return self.ends - self.at
        number = str(self.seconds)
        return float(number) if self.seconds is not None and number.replace(".", "", 1).isdecimal() else None

    def with_token(self, fresh: Fresh) -> Answer:
        made = {kind: self._put(self.answer[kind], "", fresh) for kind in _TREES if kind in self.answer}
        if self.ends is not None:
            made = {kind: moved(tree, self.ends, fresh.now + fresh.seconds) for kind, tree in made.items()}
        return {**self.answer, **made}

    def _put(self, value: Any, key: str, fresh: Fresh) -> Any:
        if isinstance(value, Mapping):
            return {name: self._put(inner, name, fresh) for name, inner in value.items()}
        if fresh.scopes and value == self.scope and isinstance(value, str | list):
            return fresh.scopes if isinstance(value, str) else fresh.scopes.replace(",", " ").split()
        if isinstance(value, list):
            return [self._put(inner, key, fresh) for inner in value]
        return self._leaf(value, key, fresh)

    def _leaf(self, value: Any, key: str, fresh: Fresh) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            return value
        if value == self.access:
            return fresh.access
        if value == self.refresh:
            return fresh.refresh
        if value == self.seconds and "expire" in key.lower():
            return type(value)(int(fresh.seconds))
        return value


class TokenAnswers:
    """What the cases of one integration say of its token endpoint."""

    def __init__(self, integration: Integration, cases: Sequence[AnyCase]) -> None:
        plans = [method for method in integration.methods if method.token is not None]
        self._exchanged = [told for one, given in _exchanges(cases) if (told := _told(one, given, plans))]
        renewals = list(_renewals(cases))
        self._renewed = [told for turn, i in renewals if (told := _told(turn.exchanges[i], turn.given, plans))]
        self._refused = [
            turn.exchanges[i].answer for turn, i in renewals if turn.error.get("code") == "REAUTH_REQUIRED"
        ]
        self._dead = [turn.exchanges[i - 1].answer for turn, i in renewals if i > 0]
        self._dead += list(_unauthorized(cases))

    @property
    def life(self) -> float:
        """Seconds that a token holds; those that hold until they are refused hold for long."""
        known = [told.life for told in (*self._exchanged, *self._renewed)]
        return next((life for life in known if life is not None), float(LIFE) if not known else 10.0 * 365 * 86_400)

    @property
    def renews(self) -> bool:
        """Whether a recorded answer brings a refresh token."""
        return any(isinstance(told.refresh, str) for told in (*self._exchanged, *self._renewed))

    @property
    def rotates(self) -> bool:
        """Whether a renewal brings a new refresh token. Where none was recorded it does: that is the harder way."""
        return not self._renewed or any(isinstance(told.refresh, str) for told in self._renewed)

    def granted(self, fresh: Fresh, *, renews: bool) -> Answer:
        first, then = (self._renewed, self._exchanged) if renews else (self._exchanged, self._renewed)
        told = next(iter((*first, *then)), None)
        return told.with_token(fresh) if told is not None else _standard(fresh)

    @property
    def refused(self) -> Answer:
        """To a code or refresh token that is over."""
        return next(iter(self._refused), REFUSED)

    @property
    def dead(self) -> Answer:
        """To a call with an access token that is over."""
        return next((answer for answer in self._dead if answer.get("status", 200) >= 400), DEAD)


def _standard(fresh: Fresh) -> Answer:
    token = {"access_token": fresh.access, "token_type": "Bearer", "expires_in": int(fresh.seconds)}
    more = {"refresh_token": fresh.refresh, "scope": fresh.scopes}
    return {"status": 200, "json": {**token, **{name: text for name, text in more.items() if text}}}


def _exchanges(cases: Sequence[AnyCase]) -> Iterator[tuple[Exchange, Mapping[str, Any]]]:
    """The requests of good consents that bring the code, with what the case gives."""
    for case in cases:
        if isinstance(case, ConsentCase) and case.result is not None:
            code = code_of(case)
            yield from ((one, case.given) for one in case.exchanges if code and code in _text(one.expect))


def code_of(case: ConsentCase) -> str:
    """The code that a recorded callback brings; empty where it brings none."""
    code = {**case.callback.get("form", {}), **case.callback.get("query", {})}.get("code")
    return code if isinstance(code, str) else ""


def _renewals(cases: Sequence[AnyCase]) -> Iterator[tuple[Turn, int]]:
    """Calls in which the given token is renewed, and which of their requests does it."""
    for case in cases:
        for turn in case.turns if isinstance(case, Case) else ():
            given = turn.given.get("token", {}).get("refresh")
            for i, one in enumerate(turn.exchanges) if given else ():
                if given in _text(one.expect) and "drop" not in one.answer:
                    yield turn, i


def _unauthorized(cases: Sequence[AnyCase]) -> Iterator[Answer]:
    for case in cases:
        for turn in case.turns if isinstance(case, Case) else ():
            if turn.exchanges and turn.error.get("code") == "AUTH_FAILED":
                yield turn.exchanges[-1].answer


def _text(expect: Mapping[str, Any]) -> str:
    return exact.dumps(dict(expect)).decode()


def _told(exchange: Exchange, given: Mapping[str, Any], methods: Sequence[Method]) -> Told | None:
    """None: no method finds a token in this answer."""
    answer = exchange.answer
    if answer.get("status", 500) >= 400 or "drop" in answer:
        return None
    scope = _scope(answer, given)
    for method in methods:
        plan = method.token
        if plan is not None and isinstance(access := _quiet(plan.access, scope), str) and access:
            granted = method.scopes.granted if method.scopes is not None else None
            return Told(
                answer=answer,
                access=access,
                refresh=_quiet(plan.refresh, scope),
                scope=_quiet(granted or plan.scope, scope),
                seconds=_quiet(plan.expires_in, scope),
                ends=epoch(_quiet(plan.expires_at, scope)),
                at=epoch_of(given),
            )
    return None


def _scope(answer: Answer, given: Mapping[str, Any]) -> Scope:
    response = response_of(answer)
    try:
        body = parse_body(response)
    except Unreadable:
        body = None
    config = given.get("config", {})
    return Scope({"status": response.status, "headers": response.headers, "body": body, "config": config, "steps": {}})


def _quiet(query: Evaluate | None, scope: Scope) -> Any:
    """None where there is nothing, or nothing that can be computed."""
    try:
        value = query(scope) if query is not None else None
    except (EvaluationError, LibraryError):
        return None
    return None if value is ABSENT else value
