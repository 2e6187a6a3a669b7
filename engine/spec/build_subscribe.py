"""Compiles `webhooks.subscribe`: how we ask a provider to tell us, and to stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Step, Subscribe, SubscribeCall
from engine.compiled.fault import Path
from engine.compiled.names import SURE, Names, Shape
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.places import Places

_HERE: Path = ("webhooks", "subscribe")


class SubscribeBuilder:
    def __init__(self, places: Places, wire: Wire, rules: RuleBuilder) -> None:
        self.places = places
        self.wire = wire
        self.rules = rules
        self.findings = wire.findings

    def build(self, block: Any) -> Subscribe | None:
        """What the first request captures is known to the ones after it."""
        if not isinstance(block, Mapping):
            return None
        create = block.get("create", {})
        captured = create.get("capture", {})
        topics = tuple(map(str, block.get("topics", ())))
        before = self.places.subscribing(has_topics=bool(topics))
        after = self.places.subscribing(Shape(dict.fromkeys(captured, SURE), sure=True), has_topics=bool(topics))
        self._check_known(block.get("renew", {}).get("capture", {}), captured)
        return Subscribe(
            create=self._call(create, before, (*_HERE, "create")),
            renew=self._call(block["renew"], after, (*_HERE, "renew")) if "renew" in block else None,
            delete=self._call(block["delete"], after, (*_HERE, "delete")) if "delete" in block else None,
            topics=topics,
        )

    def _check_known(self, names: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """A renewed subscription has what a new one has."""
        for name in names:
            if name not in known:
                _, hint = unknown("value", name, known)
                message = f"create does not capture {name}, so it would be there only after a renewal"
                self.findings.add((*_HERE, "renew", "capture", name), "SPEC122", message, hint, key=True)

    def _call(self, block: Mapping[str, Any], names: Names, path: Path) -> SubscribeCall:
        answer = self.places.subscribed()
        leaves = self.findings.query_leaves(answer, escapes=self.wire.escapes)
        return SubscribeCall(
            step=self._step(block, names, answer, path),
            capture={
                name: compile_tree(tree, leaves, (*path, "capture", name))
                for name, tree in block.get("capture", {}).items()
            },
            expires_at=optional_ask(block, "expiresAt", answer, self.findings, path),
        )

    def _step(self, block: Mapping[str, Any], names: Names, answer: Names, path: Path) -> Step:
        own = self.rules.rules(block.get("errors"), answer, (*path, "errors"))
        return Step(
            step_id=str(path[-1]),
            effect="read" if path[-1] == "delete" else "write",  # what is gone is gone: it may be sent again
            request=self.wire.plan(block.get("request", {}), names, (*path, "request"), own_url=True),
            answer=self.rules.answer(self.wire.spec.get("answer"), None, answer, path),
            rules=(*own, *self.rules.shared(self.wire.spec.get("errors"), self.places)),
        )
