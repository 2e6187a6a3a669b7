"""Compiles auth methods, and the `sign` and `verify` blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.catalog import Apply, Evaluate, Method, Put, Signature, Step, TokenPlan
from engine.compiled.expressions import parse, plain_path
from engine.compiled.fault import Fault, Path
from engine.compiled.names import SURE, Names, Shape
from engine.compiled.template import parts_of, paths_of
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire, all_paths, compile_ask, compile_text, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.places import Places

_PARSED = frozenset(("request", name) for name in ("json", "form", "query", "headers"))


class AuthBuilder:
    """Compiles the `auth` list of one integration. `signers` are the names that plugins registered."""

    def __init__(self, places: Places, wire: Wire, rules: RuleBuilder, signers: Sequence[str]) -> None:
        self.places = places
        self.wire = wire
        self.rules = rules
        self.findings = wire.findings
        self.signers = signers

    def methods(self, blocks: Sequence[Mapping[str, Any]], integration: Mapping[str, Any]) -> tuple[Method, ...]:
        made = tuple(self._method(block, integration, ("auth", i)) for i, block in enumerate(blocks))
        for i, block in enumerate(blocks[:-1]):
            if "when" not in block and not block.get("needs"):
                message = "this method always holds, so the ones after it are never chosen"
                self.findings.add(("auth", i), "SPEC071", message, "give it `when` or `needs`")
        return made

    def _method(self, block: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Method:
        self._check_needs(block.get("needs", ()), (*path, "needs"))
        obtain, steps = self._obtain(block, spec, path)
        sign = self.signatures(block.get("sign"), self.places.signing(), (*path, "sign"))
        for i, signature in enumerate(sign):
            self.check_complete(
                signature, (*path, "sign", i) if isinstance(block.get("sign"), list) else (*path, "sign")
            )
        return Method(
            name=str(block.get("method", "")),
            type=str(block.get("type", "custom")),
            when=optional_ask(block, "when", self.places.method_when(), self.findings, path),
            needs=tuple(block.get("needs", ())),
            apply=self._apply(block.get("apply", {}), (*path, "apply")),
            sign=sign,
            obtain=obtain,
            token=self._token(block, steps, path),
            capture=self._capture(block, steps, path),
        )

    def check_complete(self, signature: Signature, path: Path) -> None:
        """A signature that is sent says how it is made and where it goes."""
        if signature.scheme is None and signature.plugin is None:
            self.findings.add(path, "SPEC069", "this signature does not say how it is made", "scheme: … or plugin: …")
        elif signature.put is None:
            message = "this signature does not say where it goes"
            self.findings.add(path, "SPEC069", message, "put: header.X, query.x, form.x or json.x")

    def _check_needs(self, needs: Sequence[str], path: Path) -> None:
        known = [*(self.places.credentials.fields or ()), *(self.places.config.fields or ())]
        for i, name in enumerate(needs):
            if name not in known:
                message, hint = unknown("field of configSchema", name, known)
                self.findings.add((*path, i), "NAME010", message, hint)

    def _apply(self, block: Mapping[str, Any], path: Path) -> Apply:
        names = self.places.signing().without("request")
        trees = {key: self.wire.fields(block, key, names, path) for key in ("headers", "query", "form", "json")}
        basic = block.get("basic")
        pair = None
        if isinstance(basic, list) and len(basic) == 2:
            user, password = (compile_text(t, names, self.findings, (*path, "basic", i)) for i, t in enumerate(basic))
            pair = (user, password)
        return Apply(**trees, basic=pair)

    def signatures(
        self, block: Any, names: Names, path: Path, *, queries: Names | None = None
    ) -> tuple[Signature, ...]:
        """A `sign` block (one or a list) or a `verify` list, whose queries have names of their own."""
        if block is None:
            return ()
        if isinstance(block, Mapping):
            return (self._signature(block, names, path, queries or names),)
        return tuple(self._signature(b, names, (*path, i), queries or names) for i, b in enumerate(block))

    def _signature(self, block: Mapping[str, Any], names: Names, path: Path, queries: Names) -> Signature:
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
            extra=self.wire.fields(block, "extra", names, path),
            encoding=block.get("encoding", "hex"),
            when=optional_ask(block, "when", queries, self.findings, path),
            put=_put(block.get("put")),
            given=self._given(block.get("given"), queries, (*path, "given")),
            timestamp=optional_ask(stamp, "value", queries, self.findings, (*path, "timestamp")),
            timestamp_unit=stamp.get("unit", "s"),
            tolerance_seconds=float(stamp.get("toleranceSeconds", 300)),
            also=self.signatures(block.get("also"), names, (*path, "also"), queries=queries),
            key_names=tuple(_names_of(part) for part in listed(block.get("key") or block.get("text"))),
            given_text=tuple(str(text) for text in listed(block.get("given"))),
        )

    def _given(self, block: Any, queries: Names, path: Path) -> Evaluate | None:
        """One query, or a list of them: what any of them finds was given."""
        if not isinstance(block, list):
            return None if block is None else compile_ask(block, queries, self.findings, path)
        asked = [compile_ask(text, queries, self.findings, (*path, i)) for i, text in enumerate(block)]

        def run(scope: Any) -> list[Any]:
            found = [query(scope) for query in asked]
            return [one for value in found for one in (value if isinstance(value, list) else [value])]

        return run

    def _alternatives(self, block: Any, names: Names, path: Path) -> tuple[Evaluate, ...]:
        """`text` and `key`: one template (or a `$text` tree), or a list of which any may match."""
        is_list = isinstance(block, list)
        parts = [((*path, i) if is_list else path, part) for i, part in enumerate(listed(block))]
        for at, part in parts:
            self._check_text(part, at)
        return tuple(compile_tree(part, self.wire.leaves(names), at) for at, part in parts)

    def _check_text(self, part: Any, path: Path) -> None:
        """What was parsed has no text of its own: written out again it need not be what was signed."""
        try:
            found = parts_of(part) if isinstance(part, str) else ()
            for expression in found:
                names = plain_path(parse(expression)) or ()
                if names in _PARSED:
                    message = f"{'.'.join(names)} is what was parsed, and only a text can be signed"
                    hint = "request.raw is the body as it stands on the wire; pairs and json write what was parsed"
                    self.findings.add(path, "SPEC088", message, hint)
        except Fault:
            pass  # reported where the text is compiled

    def _obtain(self, block: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> tuple[tuple[Step, ...], Shape]:
        """The steps of a login, and the shape of what they leave behind."""
        steps = block.get("obtain", {}).get("steps", ())
        outputs: dict[str, Shape] = {}
        made = []
        for i, step in enumerate(steps):
            here = (*path, "obtain", "steps", i)
            made.append(self._login_step(step, block, spec, Shape(dict(outputs), sure=True), here))
            outputs[str(step.get("stepId"))] = step_shape(step)
        self.findings.twice([step.get("stepId") for step in steps], (*path, "obtain", "steps"), "stepId")
        return tuple(made), Shape(outputs, sure=True)

    def _login_step(
        self, step: Mapping[str, Any], block: Mapping[str, Any], spec: Mapping[str, Any], steps: Shape, here: Path
    ) -> Step:
        path = here[:-3]
        answer = self.places.login_answer(steps)
        names = self.places.own_request(steps)
        outputs = step.get("outputs", {}).items()
        return Step(
            step_id=str(step.get("stepId")),
            effect=step.get("effect", "read"),
            request=self.wire.plan(step.get("request", {}), names, (*here, "request"), own_url=True),
            answer=self.rules.answer(spec.get("answer"), None, answer, ()),
            rules=(
                *self.rules.rules(step.get("errors"), answer, (*here, "errors")),
                *self.rules.rules(block.get("errors"), answer, (*path, "errors")),
                *self.rules.shared(spec.get("errors"), self.places.any_answer()),
            ),
            when=optional_ask(step, "when", self.places.login_step(steps), self.findings, here),
            outputs={name: self._query_tree(tree, answer, (*here, "outputs", name)) for name, tree in outputs},
        )

    def _query_tree(self, tree: Any, names: Names, path: Path) -> Evaluate:
        leaves = self.findings.query_leaves(names, escapes=self.wire.escapes)
        return compile_tree(tree, leaves, path)

    def _token(self, block: Mapping[str, Any], steps: Shape, path: Path) -> TokenPlan | None:
        if "obtain" not in block:
            return None
        token = block.get("token", {})
        here = (*path, "token")
        if "access" not in token:
            message = "a login says where its token stands"
            self.findings.add(here if "token" in block else path, "SPEC072", message, "token: {access: body.…}")
        names = self.places.login_answer(steps)
        asked = {
            key: optional_ask(token, key, names, self.findings, here)
            for key in ("accepted", "access", "expiresIn", "expiresAt")
        }
        return TokenPlan(
            accepted=asked["accepted"],
            access=asked["access"] or (lambda _scope: None),
            expires_in=asked["expiresIn"],
            expires_at=asked["expiresAt"],
        )

    def _capture(self, block: Mapping[str, Any], steps: Shape, path: Path) -> Mapping[str, Evaluate]:
        names = self.places.login_answer(steps)
        known = {**(self.places.config.fields or {}), **(self.places.credentials.fields or {})}
        made = {}
        for name, tree in block.get("capture", {}).items():
            here = (*path, "capture", name)
            if name not in known:
                message, hint = unknown("field of configSchema", name, known)
                self.findings.add(here, "NAME010", message, hint, key=True)
            elif name not in self.places.written:
                message = f"{name} is the tenant's to give, so capture can't write it"
                self.findings.add(here, "SPEC080", message, "mark it readOnly (or writeOnly) in configSchema", key=True)
            made[name] = self._query_tree(tree, names, here)
        return made


def listed(block: Any) -> list[Any]:
    """One thing or a list of them, as a list; nothing as an empty one."""
    return [] if block is None else block if isinstance(block, list) else [block]


def _names_of(part: Any) -> tuple[str, ...]:
    """The dotted names that the templates of a text or tree read."""
    return tuple(sorted({".".join(path) for path in all_paths(part)}))


def step_shape(step: Mapping[str, Any]) -> Shape:
    """What other blocks may read of a step: its outputs."""
    fields = dict.fromkeys(step.get("outputs", {}), SURE)
    return Shape({"outputs": Shape(fields, sure=True)}, sure=True)


def _put(text: Any) -> Put | None:
    if not isinstance(text, str) or "." not in text:
        return None
    place, _, name = text.partition(".")
    return Put(place, name)  # type: ignore[arg-type]  # the schema allows the four places only


def header_fields(blocks: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Credentials that a spec writes into headers as they are."""
    found: set[str] = set()
    for block in blocks:
        for text in block.get("apply", {}).get("headers", {}).values():
            try:
                paths = paths_of(text) if isinstance(text, str) else []
            except Fault:
                continue  # reported where the text was compiled
            found.update(path[1] for path in paths if len(path) > 1 and path[0] == "credentials")
    return frozenset(found)
