"""Compiles auth methods, and the `sign` and `verify` blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.catalog import Apply, Evaluate, Method, Put, Signature, Step, TokenPlan
from engine.compiled.fault import Path
from engine.compiled.names import ANY, SURE, Names, Shape
from engine.compiled.template import paths_of
from engine.compiled.tree import Leaves, compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire, compile_text, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.findings import Findings
from engine.spec.places import Places


class AuthBuilder:
    """Compiles the `auth` list of one integration. `signers` are the names that plugins registered."""

    def __init__(
        self, places: Places, wire: Wire, rules: RuleBuilder, findings: Findings, signers: Sequence[str]
    ) -> None:
        self.places = places
        self.wire = wire
        self.rules = rules
        self.findings = findings
        self.signers = signers

    def methods(self, blocks: Sequence[Mapping[str, Any]], integration: Mapping[str, Any]) -> tuple[Method, ...]:
        made = tuple(self._method(block, integration, ("auth", i)) for i, block in enumerate(blocks))
        for i, block in enumerate(blocks[:-1]):
            if "when" not in block and not block.get("needs"):
                message = "this method always holds, so the ones after it are never chosen"
                self.findings.add(("auth", i), "SPEC071", message, "give it `when` or `needs`")
        return made

    def _method(self, block: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Method:
        when_names = self.places.method_when()
        self._check_needs(block.get("needs", ()), (*path, "needs"))
        return Method(
            name=str(block.get("method", "")),
            type=str(block.get("type", "custom")),
            when=optional_ask(block, "when", when_names, self.findings, path),
            needs=tuple(block.get("needs", ())),
            apply=self._apply(block.get("apply", {}), (*path, "apply")),
            sign=self.signatures(block.get("sign"), self.places.signing(), (*path, "sign")),
            obtain=self._obtain(block, spec, path),
            token=self._token(block, path),
            capture=self._capture(block, path),
        )

    def _check_needs(self, needs: Sequence[str], path: Path) -> None:
        known = [*(self.places.credentials.fields or ()), *(self.places.config.fields or ())]
        for i, name in enumerate(needs):
            if name not in known:
                message, hint = unknown("field of configSchema", name, known)
                self.findings.add((*path, i), "NAME010", message, hint)

    def _apply(self, block: Mapping[str, Any], path: Path) -> Apply:
        names = self.places.signing().without("request")
        trees = {key: self.wire.tree(block, key, names, path) for key in ("headers", "query", "form", "json")}
        basic = block.get("basic")
        pair = None
        if isinstance(basic, list) and len(basic) == 2:
            user, password = (compile_text(t, names, self.findings, (*path, "basic", i)) for i, t in enumerate(basic))
            pair = (user, password)
        return Apply(**trees, basic=pair)

    def signatures(self, block: Any, names: Names, path: Path, *, verify: bool = False) -> tuple[Signature, ...]:
        """A `sign` block (one or a list) or a `verify` list."""
        if block is None:
            return ()
        if isinstance(block, Mapping):
            return (self._signature(block, names, path, verify),)
        return tuple(self._signature(b, names, (*path, i), verify) for i, b in enumerate(block))

    def _signature(self, block: Mapping[str, Any], names: Names, path: Path, verify: bool) -> Signature:
        answers = self.places.answer(ANY, ANY, ANY, ANY) if verify else names
        plugin = block.get("plugin")
        if plugin is not None and plugin not in self.signers:
            message, hint = unknown("signature", str(plugin), self.signers)
            self.findings.add((*path, "plugin"), "NAME011", message, hint)
        stamp = block.get("timestamp", {})
        return Signature(
            scheme=block.get("scheme"),
            plugin=plugin,
            texts=self._alternatives(block.get("text"), names, (*path, "text")),
            keys=self._alternatives(block.get("key"), names, (*path, "key")),
            fields=tuple(block.get("fields", ())),
            extra=self.wire.tree(block, "extra", names, path),
            encoding=block.get("encoding", "hex"),
            when=optional_ask(block, "when", answers, self.findings, path),
            put=_put(block.get("put")),
            given=optional_ask(block, "given", answers, self.findings, path),
            timestamp=optional_ask(stamp, "value", answers, self.findings, (*path, "timestamp")),
            timestamp_unit=stamp.get("unit", "s"),
            tolerance_seconds=float(stamp.get("toleranceSeconds", 300)),
            also=self.signatures(block.get("also"), names, (*path, "also"), verify=verify),
        )

    def _alternatives(self, block: Any, names: Names, path: Path) -> tuple[Evaluate, ...]:
        """`text` and `key`: one template (or a `$text` tree), or a list of which any may match."""
        if block is None:
            return ()
        parts = [((*path, i), part) for i, part in enumerate(block)] if isinstance(block, list) else [(path, block)]
        return tuple(compile_tree(part, self.wire.leaves(names), at) for at, part in parts)

    def _obtain(self, block: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> tuple[Step, ...]:
        steps = block.get("obtain", {}).get("steps", ())
        outputs: dict[str, Shape] = {}
        made = []
        for i, step in enumerate(steps):
            here = (*path, "obtain", "steps", i)
            names = self.places.own_request(Shape(dict(outputs), sure=True))
            answer = self.places.answer(Shape({}), Shape({}), Shape(dict(outputs)), Shape({}))
            made.append(
                Step(
                    step_id=str(step.get("stepId")),
                    effect=step.get("effect", "read"),
                    request=self.wire.plan(step.get("request", {}), names, (*here, "request"), own_url=True),
                    answer=self.rules.answer(spec.get("answer"), step.get("answer"), answer, (*here, "answer")),
                    rules=(
                        *self.rules.rules(step.get("errors"), answer, (*here, "errors")),
                        *self.rules.rules(block.get("errors"), answer, (*path, "errors")),
                        *self.rules.rules(spec.get("errors"), answer, ("errors",)),
                    ),
                    when=optional_ask(step, "when", answer, self.findings, here),
                    outputs={
                        name: self._query_tree(tree, answer, (*here, "outputs", name))
                        for name, tree in step.get("outputs", {}).items()
                    },
                )
            )
            fields = {name: SURE for name in step.get("outputs", {})}
            outputs[str(step.get("stepId"))] = Shape({"outputs": Shape(fields, sure=True)}, sure=True)
        return tuple(made)

    def _query_tree(self, tree: Any, names: Names, path: Path) -> Evaluate:
        return compile_tree(tree, Leaves(names, self.findings.report, queries=True), path)

    def _token(self, block: Mapping[str, Any], path: Path) -> TokenPlan | None:
        if "obtain" not in block:
            return None
        token = block.get("token", {})
        here = (*path, "token")
        if "access" not in token:
            message = "a login says where its token stands"
            self.findings.add(here if "token" in block else path, "SPEC072", message, "token: {access: body.…}")
        names = self.places.answer(Shape({}), Shape({}), ANY, Shape({}))
        asked = {
            field: optional_ask(token, key, names, self.findings, here)
            for key, field in (
                ("accepted", "accepted"), ("refresh", "refresh"), ("expiresIn", "expires_in"), ("expiresAt", "expires_at"),
            )
        }  # fmt: skip
        access = optional_ask(token, "access", names, self.findings, here)
        return TokenPlan(access=access or (lambda _scope: None), **asked)

    def _capture(self, block: Mapping[str, Any], path: Path) -> Mapping[str, Evaluate]:
        names = self.places.answer(Shape({}), Shape({}), ANY, Shape({}))
        known = [*(self.places.config.fields or ()), *(self.places.credentials.fields or ())]
        made = {}
        for name, tree in block.get("capture", {}).items():
            if name not in known:
                message, hint = unknown("field of configSchema", name, known)
                self.findings.add((*path, "capture", name), "NAME010", message, hint, key=True)
            made[name] = self._query_tree(tree, names, (*path, "capture", name))
        return made


def _put(text: Any) -> Put | None:
    if not isinstance(text, str) or "." not in text:
        return None
    place, _, name = text.partition(".")
    return Put(place, name)  # type: ignore[arg-type]  # the schema allows the four places only


def header_fields(blocks: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Credentials that a spec writes into headers as they are."""
    found = set()
    for block in blocks:
        headers = block.get("apply", {}).get("headers", {})
        for text in headers.values() if isinstance(headers, Mapping) else ():
            if isinstance(text, str):
                found.update(path[1] for path in paths_of(text) if len(path) > 1 and path[0] == "credentials")
    return frozenset(found)
