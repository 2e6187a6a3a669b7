"""Compiles error rules, `answer` blocks and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from engine.catalog import AnswerPlan, Evaluate, Next, Rule, Verdict
from engine.compiled.fault import Path
from engine.compiled.names import ANY, Names
from engine.compiled.query import holds
from engine.compiled.tree import Leaves, compile_tree
from engine.diagnostics import unknown
from engine.errors import Code
from engine.library.tables import Table
from engine.spec.build_request import compile_ask, optional_ask
from engine.spec.findings import Findings

_CODES = frozenset(get_args(Code))


class RuleBuilder:
    """Compiles rules of one integration; `actions` are the ids that `next` may name."""

    def __init__(self, findings: Findings, actions: Sequence[str]) -> None:
        self.findings = findings
        self.actions = actions

    def rules(self, blocks: Any, names: Names, path: Path) -> tuple[Rule, ...]:
        if not isinstance(blocks, list):
            return ()
        return tuple(self.rule(block, names, (*path, i)) for i, block in enumerate(blocks) if isinstance(block, Mapping))

    def rule(self, block: Mapping[str, Any], names: Names, path: Path) -> Rule:
        status = block.get("status")
        statuses = frozenset(status if isinstance(status, list) else [status]) if status is not None else None
        by = optional_ask(block, "by", names, self.findings, path)
        base = {k: v for k, v in block.items() if k not in ("by", "codes", "other")}
        codes = {str(k): self._entry(v, base, names, (*path, "codes", k)) for k, v in block.get("codes", {}).items()}
        other = self._entry(block["other"], base, names, (*path, "other")) if "other" in block else None
        needles = block.get("messageContains", ())
        if by is None and not ("code" in block or "ok" in block):
            self.findings.add(path, "SPEC070", "a rule says `code` or `ok`, or selects one with `by` and `codes`")
        return Rule(
            verdict=self.verdict(block, names, path) if by is None else None,
            when=optional_ask(block, "when", names, self.findings, path),
            by=by,
            codes=codes,
            other=other,
            message_contains=tuple(_squashed(n) for n in ([needles] if isinstance(needles, str) else needles)),
            statuses=statuses,
            effect=block.get("effect"),
        )

    def _entry(self, entry: Any, base: Mapping[str, Any], names: Names, path: Path) -> Verdict:
        """`codes: {value: CODE}` or `{value: rule}`; what the outer rule says holds unless the entry says otherwise."""
        own = dict(entry) if isinstance(entry, Mapping) else {"code": entry}
        return self.verdict({**base, **own}, names, path)

    def verdict(self, block: Mapping[str, Any], names: Names, path: Path) -> Verdict:
        code = block.get("code")
        if code is not None and code not in _CODES:
            message, hint = unknown("code", str(code), _CODES)
            self.findings.add((*path, "code") if "code" in block else path, "NAME008", message, hint)
            code = "INTERNAL"
        return Verdict(
            code=None if block.get("ok") else code,
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
        return compile_tree(block[key], Leaves(names, self.findings.report, queries=True), (*path, key))

    def _next(self, block: Any, names: Names, path: Path) -> Next | None:
        if not isinstance(block, Mapping):
            return None
        self.known_action(block.get("actionId"), (*path, "actionId"))
        return Next(str(block.get("actionId")), self._tree(block, "input", names, path))

    def known_action(self, action_id: Any, path: Path) -> None:
        if action_id not in self.actions:
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


def _squashed(text: Any) -> str:
    return " ".join(str(text).split()).lower()


def tables_of(spec: Mapping[str, Any], findings: Findings) -> Mapping[str, Table]:
    """`tables` by name; keys of a `map` are texts."""
    made: dict[str, Table] = {}
    blocks = spec.get("tables", {})
    for name, block in (blocks.items() if isinstance(blocks, Mapping) else ()):
        if not isinstance(block, Mapping):
            continue
        rules = []
        for i, rule in enumerate(block.get("rules", ())):
            # The root of `when` is the value that is looked up: any name may be a key of it.
            names = Names(_AnyRoot(), place="in a table")
            when = compile_ask(rule.get("when"), names, findings, ("tables", name, "rules", i, "when"))
            rules.append((_predicate(when), rule.get("is")))
        made[name] = Table(
            map={str(k): v for k, v in block.get("map", {}).items()},
            rules=tuple(rules),
            other=block.get("other"),
            has_other="other" in block,
        )
    return made


class _AnyRoot(dict[str, Any]):
    """Roots of a place where every name is possible."""

    def get(self, _name: str, _default: Any = None) -> Any:
        return ANY


def _predicate(when: Evaluate) -> Evaluate:
    def run(value: Any) -> bool:
        return isinstance(value, dict) and holds(when(_Lenient(value)))

    return run


class _Lenient(dict[str, Any]):
    """A value as the root of a query: a missing key is null."""

    def __missing__(self, _name: str) -> None:
        return None
