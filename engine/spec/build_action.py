"""Compiles one action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from engine.catalog import (
    Action,
    AnswerPlan,
    Check,
    Confirm,
    Effect,
    Evaluate,
    Method,
    Pagination,
    Partial,
    Rule,
    Signature,
    Step,
)
from engine.compiled.fault import Fault, Path
from engine.compiled.names import ANY, SURE, Names, Shape, shape_of
from engine.compiled.schema import Schema, misfits
from engine.compiled.template import surely_present
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.frozen import slotted
from engine.redact import Sensitive, mask_fields, sensitive_fields
from engine.spec.build_auth import step_shape
from engine.spec.build_pages import (
    check_pagination,
    compile_pagination,
    offered_input,
    offered_output,
    page_shape,
    with_places,
)
from engine.spec.build_request import Wire, all_paths, compile_ask, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.build_signature import SignatureBuilder
from engine.spec.places import Places


@slotted
class _Shapes:
    """What is known of the names of one action while it is compiled, in the order in which it runs."""

    input: Shape
    vars: dict[str, Shape] = field(default_factory=dict)
    steps: dict[str, Shape] = field(default_factory=dict)
    read: dict[str, Shape] = field(default_factory=dict)
    page: Mapping[str, Shape] = field(default_factory=dict)
    """The root `page`, where the action has pagination."""


class ActionBuilder:
    def __init__(
        self,
        spec: Mapping[str, Any],
        places: Places,
        wire: Wire,
        rules: RuleBuilder,
        signatures: SignatureBuilder,
    ) -> None:
        self.spec = spec
        self.places = places
        self.wire = wire
        self.rules = rules
        self.signatures = signatures
        self.findings = wire.findings

    def build(self, block: Mapping[str, Any], methods: Sequence[Method], path: Path) -> Action:
        input_schema = self.schema(_closed(block.get("inputSchema", {})), (*path, "inputSchema"))
        output_schema = self.schema(block.get("outputSchema", {}), (*path, "outputSchema"))
        category = block.get("category", "read")
        effect: Effect = "read" if category == "read" else "write"
        shapes = _Shapes(shape_of(input_schema.raw, sure=True))
        paging = block.get("pagination")
        if paging is not None:
            shapes.page = {"page": page_shape(paging)}
            check_pagination(block, all_paths([block.get(key) for key in _RENDERED]), self.findings, path)
            block = with_places(block, self.findings, path)
            input_schema, output_schema = offered_input(input_schema, paging), offered_output(output_schema)
        variables = self._vars(block, shapes, path)
        has_steps = "steps" in block
        # Without steps `read` is known to the rules; with steps it reads what the steps left behind.
        read = () if has_steps else self._read(block, shapes, path)
        steps = self._steps(block, shapes, effect, path)
        read = self._read(block, shapes, path) if has_steps else read
        self._check_idempotency(block, effect, path)
        return Action(
            action_id=str(block.get("actionId")),
            name=str(block.get("name") or _title(str(block.get("actionId")))),
            description=str(block.get("description", "")),
            category=category,
            effect=effect,
            deprecated=bool(block.get("deprecated", False)),
            input_schema=input_schema,
            output_schema=output_schema,
            mask_input=_masking(input_schema.raw),
            mask_output=_masking(output_schema.raw),
            rate_limit=block.get("rateLimit"),
            timeout_seconds=block.get("timeoutSeconds"),
            idempotency=_by(block.get("idempotency")),
            confirm=self._confirm(block, shapes, path),
            vars=variables,
            read=read,
            checks=self._checks(block, shapes, path),
            steps=steps,
            has_steps=has_steps,
            answer=steps[0].answer if steps else AnswerPlan(),
            output=self._output(block, self._end_names(block, shapes), output_schema, path),
            partial=self._partial(block, self._end_names(block, shapes), path),
            signs=block.get("auth") != "none",
            sign=self._sign(block, shapes, methods, path),
            verify_answer=self._verify_answer(block, path),
            pagination=self._pagination(block, steps, shapes, path) if paging is not None else None,
            needs_scopes=self._scopes(block, methods, path),
        )

    def _scopes(self, block: Mapping[str, Any], methods: Sequence[Method], path: Path) -> tuple[str, ...]:
        """A scope that is never asked for is never granted."""
        found = [method.scopes for method in methods if method.scopes is not None]
        known = {name for scopes in found for name in scopes.request}
        known |= {name for scopes in found for more in scopes.implies.values() for name in more}
        for i, name in enumerate(block.get("needsScopes", ())):
            if name not in known:
                message, hint = unknown("scope", name, sorted(known))
                self.findings.add((*path, "needsScopes", i), "SPEC084", message, hint)
        return tuple(block.get("needsScopes", ()))

    def schema(self, raw: Any, path: Path) -> Schema:
        """A usable schema; where there is none, one that takes everything, and a finding."""
        if not isinstance(raw, Mapping):
            self.findings.add(path, "SPEC090", "this is not a usable JSON Schema: it must be an object")
            return Schema({})
        try:
            schema = Schema(raw)
        except Fault as fault:
            self.findings.report(path, fault)
            return Schema({})
        for at, message in misfits(raw):
            text = f"this default does not fit its own schema: it {message}"
            self.findings.add((*path, *at), "SPEC093", text, "write one that fits, or leave it out")
        return schema

    def _answer_names(self, shapes: _Shapes) -> Names:
        return self.places.answer(
            shapes.input, _closed_shape(shapes.vars), _closed_shape(shapes.steps), _closed_shape(shapes.read)
        ).adding(**shapes.page)

    def _end_names(self, block: Mapping[str, Any], shapes: _Shapes) -> Names:
        """For what makes the result: the answer, or with steps what they left behind."""
        if "steps" not in block:
            return self._answer_names(shapes)
        read, steps = _closed_shape(shapes.read), _closed_shape(shapes.steps)
        return self.places.after_steps(shapes.input, _closed_shape(shapes.vars), steps, read).adding(**shapes.page)

    def _request_names(self, shapes: _Shapes) -> Names:
        names = self.places.request(shapes.input, _closed_shape(shapes.vars), _closed_shape(shapes.steps))
        return names.adding(**shapes.page)

    def _vars(self, block: Mapping[str, Any], shapes: _Shapes, path: Path) -> tuple[tuple[str, Evaluate], ...]:
        made = []
        for name, tree in block.get("vars", {}).items():
            here = (*path, "vars", name)
            names = self._request_names(shapes).without("steps")
            made.append((name, compile_tree(tree, self.wire.leaves(names), here)))
            shapes.vars[name] = SURE if self._is_sure(tree, names) else ANY
        return tuple(made)

    def _is_sure(self, tree: Any, names: Names) -> bool:
        if not isinstance(tree, str):
            return not isinstance(tree, Mapping | list)
        try:
            return surely_present(tree, names)
        except Fault:
            return True  # reported where the text was compiled

    def _read(self, block: Mapping[str, Any], shapes: _Shapes, path: Path) -> tuple[tuple[str, Evaluate], ...]:
        made = []
        for name, tree in block.get("read", {}).items():
            made.append((name, self._tree(tree, self._end_names(block, shapes), (*path, "read", name))))
            shapes.read[name] = ANY
        return tuple(made)

    def _tree(self, tree: Any, names: Names, path: Path) -> Evaluate:
        leaves = self.findings.query_leaves(names, escapes=self.wire.escapes)
        return compile_tree(tree, leaves, path)

    def _checks(self, block: Mapping[str, Any], shapes: _Shapes, path: Path) -> tuple[Check, ...]:
        names = self.places.checks(shapes.input)
        made = []
        for i, check in enumerate(block.get("checks", ())):
            here = (*path, "checks", i)
            require = compile_ask(check.get("require"), names, self.findings, (*here, "require"))
            made.append(Check(require, str(check.get("message", "")), check.get("field")))
        return tuple(made)

    def _steps(self, block: Mapping[str, Any], shapes: _Shapes, effect: Effect, path: Path) -> tuple[Step, ...]:
        if "steps" not in block:
            return (self._only_step(block, shapes, effect, path),)
        made = []
        for i, step in enumerate(block["steps"]):
            made.append(self._step(step, block, shapes, (*path, "steps", i), path))
            shapes.steps[str(step.get("stepId"))] = step_shape(step)
        self.findings.twice([step.get("stepId") for step in block["steps"]], (*path, "steps"), "stepId")
        if effect == "read" and any(step.effect == "write" for step in made):
            self.findings.add((*path, "category"), "SPEC073", "a read has read steps only", "category: write or action")
        return tuple(made)

    def _only_step(self, block: Mapping[str, Any], shapes: _Shapes, effect: Effect, path: Path) -> Step:
        names = self._answer_names(shapes)
        return Step(
            step_id="request",
            effect=effect,
            request=self.wire.plan(block.get("request", {}), self._request_names(shapes), (*path, "request")),
            answer=self.rules.answer(self.spec.get("answer"), block.get("answer"), names, (*path, "answer")),
            rules=self._rules(block, names, path),
        )

    def _step(self, step: Mapping[str, Any], block: Mapping[str, Any], shapes: _Shapes, here: Path, path: Path) -> Step:
        names = self._answer_names(shapes)
        before = self.places.before_step(shapes.input, _closed_shape(shapes.vars), _closed_shape(shapes.steps))
        before = before.adding(**shapes.page)
        outputs = step.get("outputs", {}).items()
        return Step(
            step_id=str(step.get("stepId")),
            effect=step.get("effect", "write"),
            request=self.wire.plan(step.get("request", {}), self._request_names(shapes), (*here, "request")),
            answer=self.rules.answer(self.spec.get("answer"), block.get("answer"), names, (*path, "answer")),
            rules=(*self.rules.rules(step.get("errors"), names, (*here, "errors")), *self._rules(block, names, path)),
            when=optional_ask(step, "when", before, self.findings, here),
            may_fail=step.get("onError") == "continue",
            outputs={name: self._tree(tree, names, (*here, "outputs", name)) for name, tree in outputs},
        )

    def _rules(self, block: Mapping[str, Any], names: Names, path: Path) -> tuple[Rule, ...]:
        """The action's rules before those of the integration."""
        own = self.rules.rules(block.get("errors"), names, (*path, "errors"))
        return (*own, *self.rules.shared(self.spec.get("errors"), self.places))

    def _output(self, block: Mapping[str, Any], names: Names, schema: Schema, path: Path) -> Evaluate | None:
        if "output" not in block:
            return None
        leaves = self.findings.query_leaves(names, escapes=self.wire.escapes, schema=schema.raw)
        return compile_tree(block["output"], leaves, (*path, "output"), is_root=True)

    def _pagination(self, block: Mapping[str, Any], steps: tuple[Step, ...], shapes: _Shapes, path: Path) -> Pagination:
        requests, answer = self._request_names(shapes), self._end_names(block, shapes)
        return compile_pagination(block, steps, requests, answer, self.findings, path)

    def _partial(self, block: Mapping[str, Any], names: Names, path: Path) -> Partial | None:
        partial = block.get("partial")
        if not isinstance(partial, Mapping):
            return None
        here = (*path, "partial")
        inner = names.adding(item=ANY)
        rest = {k: v for k, v in partial.items() if k not in ("each", "failed", "key")}
        return Partial(
            each=compile_ask(partial.get("each"), names, self.findings, (*here, "each")),
            failed=compile_ask(partial.get("failed"), inner, self.findings, (*here, "failed")),
            key=optional_ask(partial, "key", inner, self.findings, here),
            rule=self.rules.rule(rest, inner, here),
        )

    def _confirm(self, block: Mapping[str, Any], shapes: _Shapes, path: Path) -> Confirm | None:
        long_form = block.get("idempotency")
        confirm = long_form.get("confirm") if isinstance(long_form, Mapping) else None
        if not isinstance(confirm, Mapping):
            return None
        here = (*path, "idempotency", "confirm")
        names = self.places.found(shapes.input, _closed_shape(shapes.vars))
        self.rules.known_action(confirm.get("action"), (*here, "action"))
        if self.rules.actions.get(str(confirm.get("action")), "read") != "read":
            self.findings.add((*here, "action"), "SPEC068", "confirm looks with a read, and this action writes")
        output = self._tree(confirm["output"], names, (*here, "output")) if "output" in confirm else None
        return Confirm(
            action_id=str(confirm.get("action")),
            input=self._tree(confirm.get("input", {}), names.without("data"), (*here, "input")),
            found=compile_ask(confirm.get("found"), names, self.findings, (*here, "found")),
            output=output,
        )

    def _sign(
        self, block: Mapping[str, Any], shapes: _Shapes, methods: Sequence[Method], path: Path
    ) -> Mapping[str, tuple[Signature, ...]]:
        """The method's blocks, with the single keys that this action overrides."""
        own = block.get("sign")
        if own is None:
            return {method.name: method.sign for method in methods}
        here = (*path, "sign")
        names = self.places.signing(shapes.input, _closed_shape(shapes.vars))
        made = {}
        for i, method in enumerate(self.spec.get("auth", ())):
            common = method.get("sign", {})
            if isinstance(common, list):
                self.findings.add(here, "SPEC074", "an action can't override a list of sign blocks")
                continue
            merged: Path = (*here, i)
            self.findings.came_from(merged, here)
            for key in common.keys() - own.keys():
                self.findings.came_from((*merged, key), ("auth", i, "sign", key))
            signature = self.signatures.signatures({**common, **own}, names, merged)
            self.signatures.check_complete(signature[0], here)
            made[methods[i].name] = signature
        return made

    def _verify_answer(self, block: Mapping[str, Any], path: Path) -> tuple[Signature, ...]:
        own = "verifyAnswer" in block
        proof = block["verifyAnswer"] if own else self.spec.get("verifyAnswer")
        if proof is None:
            return ()
        here = (*path, "verifyAnswer") if own else ("verifyAnswer",)
        queries = self.places.any_answer()
        return self.signatures.signatures(proof, self.places.verify_answer(), here, queries=queries)

    def _check_idempotency(self, block: Mapping[str, Any], effect: Effect, path: Path) -> None:
        by = _by(block.get("idempotency"))
        if effect == "write" and by is None:
            message = "it changes something, and nothing says what a second sending does"
            self.findings.add((*path, "actionId"), "SPEC075", message, "idempotency: key, natural or none")
        if by == "key":
            texts = [block, self.spec.get("http", {}), self.spec.get("auth", ())]
            if not any(p[:2] in (("call", "idempotencyKey"), ("call", "key")) for p in all_paths(texts, "call")):
                message = "the key of idempotency: key stands nowhere in the request"
                self.findings.add((*path, "idempotency"), "SPEC076", message, "send call.idempotencyKey or call.key")


_RENDERED = ("vars", "request", "steps")
"""The keys of an action that hold what is rendered into its requests."""


def _masking(raw: Mapping[str, Any]) -> Evaluate:
    """Masks what the schema calls sensitive; it is read for the first value."""
    read: list[Sensitive] = []

    def mask(value: Any) -> Any:
        if not read:
            read.append(sensitive_fields(raw))
        return mask_fields(value, read[0])

    return mask


def _by(idempotency: Any) -> Any:
    return idempotency.get("by") if isinstance(idempotency, Mapping) else idempotency


def _closed(raw: Any) -> Any:
    """An input schema refuses what it does not name, unless it says otherwise."""
    if not isinstance(raw, Mapping):
        return raw  # reported as what it is
    return {"type": "object", "additionalProperties": False, "properties": {}, **raw}


def _closed_shape(fields: Mapping[str, Shape]) -> Shape:
    return Shape(dict(fields), sure=True)


def _title(action_id: str) -> str:
    return action_id.replace("_", " ").capitalize()
