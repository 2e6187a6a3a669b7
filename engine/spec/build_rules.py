"""Compiles error rules, `answer` blocks and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import AnswerPlan, Evaluate, Next, Rule, Verdict
from engine.compiled.fault import EvaluationError, Fault, Path
from engine.compiled.names import Names
from engine.compiled.query import compile_query, holds
from engine.compiled.tree import Leaf, compile_tree
from engine.diagnostics import unknown
from engine.library.function import Function
from engine.library.tables import Table
from engine.library.text import folded
from engine.spec.build_request import compile_ask, optional_ask
from engine.spec.findings import Findings
from engine.spec.places import Places


class RuleBuilder:
    """Compiles rules of one integration; `actions` are the ids that `next` may name, with their category."""

    def __init__(self, findings: Findings, actions: Mapping[str, Any]) -> None:
        self.findings = findings
        self.actions = actions
        self._shared: tuple[Rule, ...] | None = None

    def rules(self, blocks: Any, names: Names, path: Path) -> tuple[Rule, ...]:
        return tuple(self.rule(block, names, (*path, i)) for i, block in enumerate(blocks or ()))

    def shared(self, blocks: Any, places: Places) -> tuple[Rule, ...]:
        """The rules of the integration, compiled once for all its actions."""
        if self._shared is None:
            self._shared = self.rules(blocks, places.any_answer(), ("errors",))
        return self._shared

    def rule(self, block: Mapping[str, Any], names: Names, path: Path) -> Rule:
        status = block.get("status")
        statuses = frozenset(status if isinstance(status, list) else [status]) if status is not None else None
        by = optional_ask(block, "by", names, self.findings, path)
        base = {k: v for k, v in block.items() if k not in ("by", "codes", "other")}
        codes = {str(k): self._entry(v, base, names, path, ("codes", k)) for k, v in block.get("codes", {}).items()}
        other = self._entry(block["other"], base, names, path, ("other",)) if "other" in block else None
        rule = Rule(
            verdict=self.verdict(block, names, path) if by is None else None,
            when=optional_ask(block, "when", names, self.findings, path),
            by=by,
            codes=codes,
            other=other,
            message_contains=tuple(folded(needle) for needle in block.get("messageContains", ())),
            statuses=statuses,
            effect=block.get("effect"),
        )
        return self.findings.watched_rule(path, rule)

    def _entry(self, entry: Any, base: Mapping[str, Any], names: Names, path: Path, step: Path) -> Verdict:
        """`codes: {value: CODE}` or `{value: rule}`; what the outer rule says holds unless the entry says otherwise."""
        own = dict(entry) if isinstance(entry, Mapping) else {"code": entry}
        here = (*path, *step)
        for key in base.keys() - own.keys():
            self.findings.came_from((*here, key), (*path, key))
        return self.verdict({**base, **own}, names, here)

    def verdict(self, block: Mapping[str, Any], names: Names, path: Path) -> Verdict:
        return Verdict(
            code=None if block.get("ok") else block.get("code", "INTERNAL"),
            output=self._tree(block, "output", names, path),
            retryable=block.get("retryable"),
            not_processed=bool(block.get("notProcessed", False)),
            retry_after=optional_ask(block, "retryAfter", names, self.findings, path),
            renew_auth=bool(block.get("renewAuth", False)),
            message=optional_ask(block, "message", names, self.findings, path),
            provider_code=optional_ask(block, "providerCode", names, self.findings, path),
            details=self._tree(block, "details", names, path),
            next=self._next(block.get("next"), names, (*path, "next")),
        )

    def _tree(self, block: Mapping[str, Any], key: str, names: Names, path: Path) -> Evaluate | None:
        if key not in block:
            return None
        return compile_tree(block[key], self.findings.query_leaves(names), (*path, key))

    def _next(self, block: Any, names: Names, path: Path) -> Next | None:
        if not isinstance(block, Mapping):
            return None
        self.known_action(block.get("actionId"), (*path, "actionId"))
        return Next(str(block.get("actionId")), self._tree(block, "input", names, path))

    def known_action(self, action_id: Any, path: Path) -> None:
        """An action that is named elsewhere must be there."""
        if action_id is not None and action_id not in self.actions:
            message, hint = unknown("action", str(action_id), self.actions)
            self.findings.add(path, "NAME009", message, hint)

    def answer(self, common: Any, own: Any, names: Names, path: Path) -> AnswerPlan:
        """The integration's `answer` with the action's single keys over it."""
        merged: dict[str, tuple[Any, Path]] = {}
        for block, at in ((common, ("answer",)), (own, path)):
            if isinstance(block, Mapping):
                merged.update({key: (value, (*at, key)) for key, value in block.items()})
        asked = {
            key: compile_ask(text, names, self.findings, at)
            for key, (text, at) in merged.items()
            if key in ("success", "code", "message")
        }
        form = merged.get("as", ("auto", ()))[0]
        return AnswerPlan(form=form, **asked)


def tables_of(spec: Mapping[str, Any], findings: Findings, functions: Mapping[str, Function]) -> Mapping[str, Table]:
    """`tables` by name; keys of a `map` are texts. The value that is looked up is the root of `when`."""
    names = Names({}, functions=functions, place="in a table")
    made: dict[str, Table] = {}
    for name, block in spec.get("tables", {}).items():
        rules = []
        for i, rule in enumerate(block.get("rules", ())):
            here: Path = ("tables", name, "rules", i, "when")
            findings.leaves.append(Leaf("query", here, rule.get("when", ""), names))
            try:
                when = findings.watched(here, compile_query(rule.get("when", ""), names, rooted=False))
                rules.append((_predicate(when), rule.get("is")))
            except Fault as fault:
                findings.report(here, fault)
        made[name] = Table(
            map={str(k): v for k, v in block.get("map", {}).items()},
            rules=tuple(rules),
            other=block.get("other"),
            has_other="other" in block,
        )
    return made


def _predicate(when: Evaluate) -> Evaluate:
    def run(value: Any) -> bool:
        try:
            return holds(when(value))
        except EvaluationError:
            return False  # as in every rule: a query that can't be answered does not match

    return run
