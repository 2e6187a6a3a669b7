"""Notes what becomes of a spec's queries, rules and branches while its cases are replayed.

It is given to the compiler, which puts it around what it compiles; what the service runs has no trace of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from engine.catalog import (
    Consent,
    Evaluate,
    EventPlan,
    Method,
    Rule,
    Step,
    Subscribe,
    SubscribeCall,
    Verdict,
    Webhook,
)
from engine.compiled.fault import EvaluationError, Path
from engine.compiled.query import holds
from engine.frozen import frozen

Kind = Literal[
    "success", "failure", "rule", "branch", "run", "skipped", "check", "method", "event", "duplicate", "tampered",
    "consent", "denied", "forged", "renewed", "ended", "errand",
]  # fmt: skip
"""What has to come about: a call of an action that ends well or fails, a rule (or row of it) that matches, a branch of
`$cases` that is taken, a step that runs or is left out, a check that fails, an auth method that signs in, a message
that becomes an event of a webhook, comes again, or is tampered with, a consent that is given, denied or forged, a token
that is renewed or can't be any more, and a request that no action makes."""

_MAY_SPOIL = frozenset({"output", "outputs", "read", "capture", "token", "pagination"})
"""Where a query that raises ends the call with INVALID_RESPONSE; anywhere else nobody would know."""

_SAFE: tuple[Kind, ...] = ("duplicate", "tampered")


@frozen
class Place:
    """Something that a case has to bring about; `path` leads to it in the file."""

    path: Path
    kind: Kind


@frozen
class Raised:
    """A query that could not be computed on the case of that name. `why` names functions and inputs, never a value."""

    path: Path
    case: str
    why: str


class Notes:
    """A `Watcher`: all places there are, those that were hit, and the queries that raised."""

    def __init__(self) -> None:
        self.declared: dict[Place, None] = {}
        self.hit: set[Place] = set()
        self.raised: dict[tuple[Path, str], Raised] = {}
        self._case, self._is_spoilt = "", False
        self._last: EvaluationError | None = None
        self._met: set[Path] = set()

    @contextmanager
    def playing(self, case: str, *, is_spoilt: bool = False) -> Iterator[None]:
        """What is noted inside belongs to this case; `is_spoilt`: it is one about an answer that can't be mapped."""
        self._case, self._is_spoilt, self._met = case, is_spoilt, set()
        try:
            yield
        finally:
            self._case, self._is_spoilt = "", False

    def declare(self, path: Path, kind: Kind) -> Place:
        place = Place(path, kind)
        self.declared[place] = None
        return place

    def expression(self, path: Path, evaluate: Evaluate) -> Evaluate:
        when_holds, when_not = self._outcomes(path)
        is_branch = path[-2:-1] == ("$cases",)

        def run(scope: Any) -> Any:
            try:
                value = evaluate(scope)
            except EvaluationError as error:
                self._note_raised(path, error)
                self.hit.update(when_not)
                raise
            self.hit.update(when_holds if is_branch or holds(value) else when_not)
            return value

        return run

    def _outcomes(self, path: Path) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        """What it says about coverage that the expression at a path holds, and that it does not."""
        if path[-2:-1] == ("$cases",):
            return (self.declare(path, "branch"),), ()
        if path[-3:-2] == ("steps",) and path[-1] == "when":
            return (self.declare(path, "run"),), (self.declare(path, "skipped"),)
        if path[-3:-2] == ("checks",) and path[-1] == "require":
            return (), (self.declare(path[:-1], "check"),)
        return (), ()

    def _note_raised(self, path: Path, error: EvaluationError) -> None:
        """The innermost query is the one to mend: those that read it raise the same error once more."""
        if error is self._last:
            return
        self._last = error
        if not (self._is_spoilt and not _MAY_SPOIL.isdisjoint(path)):
            self.raised.setdefault((path, self._case), Raised(path, self._case, error.message))

    def rule(self, path: Path, rule: Rule) -> Rule:
        """A rule with `by` is hit in one of its rows; another one when its last matcher, `when`, holds."""
        if rule.by is None:
            return replace(rule, when=self._noting(self.declare(path, "rule"), rule.when))
        rows = {code: self.declare((*path, "codes", code), "rule") for code in rule.codes}
        other = self.declare((*path, "other"), "rule") if rule.other is not None else None
        return replace(rule, codes=_Rows(rule.codes, rows, other, self.hit))

    def method(self, path: Path, method: Method, *, renews: bool = False) -> Method:
        """A method is used when its `apply` is: that comes first whenever a request is signed in.

        `renews`: its tokens are renewed, and cases have to show it.
        """
        place, headers = self.declare(path, "method"), method.apply.headers

        def run(scope: Any) -> Any:
            self.hit.add(place)
            return headers(scope) if headers is not None else {}

        consent, refresh, revoke = method.consent, method.refresh, method.revoke
        if consent is not None:
            consent = self._consent(path, consent)
        if refresh is not None and renews:
            refresh = replace(refresh, step=self._asking((*path, "refresh"), refresh.step, "renewed", "ended"))
        if revoke is not None:
            revoke = self._asking((*path, "revoke"), revoke, "errand")
        apply = replace(method.apply, headers=run)
        return replace(method, apply=apply, consent=consent, refresh=refresh, revoke=revoke)

    def _consent(self, path: Path, consent: Consent) -> Consent:
        """It is met when somebody is sent to its page."""
        kinds: tuple[Kind, ...] = ("consent", "denied", "forged") if consent.verify else ("consent", "denied")
        for kind in kinds:
            self.declare(path, kind)
        url = consent.url

        def run(scope: Any) -> Any:
            self._met.add(path)
            return url(scope)

        return replace(consent, url=run)

    def _asking(self, path: Path, step: Step, *kinds: Kind) -> Step:
        """A request that no action makes is met when its answer is classified."""
        for kind in kinds:
            self.declare(path, kind)

        def run(_scope: Any) -> bool:
            self._met.add(path)
            return False

        return replace(step, rules=(Rule(None, when=run), *step.rules))

    def webhook(self, webhook: Webhook) -> Webhook:
        """An event is met by a message that it takes; one that becomes nothing has no duplicates and no forgeries."""
        events = tuple(self._event(*one) for one in enumerate(webhook.events))
        subscribe = self._subscribe(webhook.subscribe) if webhook.subscribe is not None else None
        return replace(webhook, events=events, subscribe=subscribe)

    def _subscribe(self, subscribe: Subscribe) -> Subscribe:
        def asking(name: str, call: SubscribeCall) -> SubscribeCall:
            return replace(call, step=self._asking(("webhooks", "subscribe", name), call.step, "errand"))

        return replace(
            subscribe,
            create=asking("create", subscribe.create),
            renew=asking("renew", subscribe.renew) if subscribe.renew is not None else None,
            delete=asking("delete", subscribe.delete) if subscribe.delete is not None else None,
        )

    def _event(self, number: int, event: EventPlan) -> EventPlan:
        path = ("webhooks", "events", number)
        place, when = self.declare(path, "event"), event.when
        for kind in _SAFE if event.type is not None else ():
            self.declare(path, kind)

        def run(scope: Any) -> bool:
            takes = when is None or holds(when(scope))
            if takes:
                self.hit.add(place)
                self._met.add(path)
            return takes

        return replace(event, when=run)

    def came(self, kind: Kind) -> None:
        """This came about, with the messages and requests that were met in the case that is being played."""
        self.hit.update(Place(path, kind) for path in self._met)

    def _noting(self, place: Place, when: Evaluate | None) -> Evaluate:
        def run(scope: Any) -> bool:
            matches = when is None or holds(when(scope))
            if matches:
                self.hit.add(place)
            return matches

        return run


class _Rows(dict[str, Verdict]):
    """The `codes` of a rule; looking one up is hitting its row."""

    def __init__(
        self, codes: Mapping[str, Verdict], rows: Mapping[str, Place], other: Place | None, hit: set[Place]
    ) -> None:
        super().__init__(codes)
        self._rows = rows
        self._other = other
        self._hit = hit

    def get(self, code: str, default: Any = None) -> Any:
        place = self._rows.get(code, self._other)
        if place is not None:
            self._hit.add(place)
        return super().get(code, default)
