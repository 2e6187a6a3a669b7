"""Compiles auth methods: which holds when, what it applies, how it comes by a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.catalog import Apply, Evaluate, Method, Step, TokenPlan
from engine.compiled.fault import Fault, Path
from engine.compiled.names import SURE, Names, Shape
from engine.compiled.query import compile_query
from engine.compiled.template import paths_of
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.library import LIBRARY
from engine.spec.build_capture import compile_capture
from engine.spec.build_oauth import ConsentBuilder, check_consent
from engine.spec.build_request import Wire, all_paths, compile_text, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.build_signature import SignatureBuilder
from engine.spec.places import Places

_TOKEN = ("accepted", "access", "expiresIn", "expiresAt", "refresh", "refreshExpiresIn", "scope")
_STANDARD = {
    "access": "body.access_token",
    "refresh": "body.refresh_token",
    "expiresIn": "body.expires_in",
    "scope": "body.scope",
}
"""RFC 6749 §5.1."""


_TIMED = [function.name for function in LIBRARY.values() if function.wants_now]
_OF_ACCOUNT = frozenset({"config", "credentials", "app", "token"})


def _is_steady(block: Mapping[str, Any]) -> bool:
    """Is what `apply` adds made of nothing but what the account has, and the same at any time?"""
    texts = [*block.get("headers", {}).values(), *block.get("basic", ())]
    plain = not block.keys() - {"headers", "basic"} and all(isinstance(text, str) for text in texts)
    return (
        plain
        and not any(name in text for text in texts for name in _TIMED)
        and {path[0] for path in all_paths(texts)} <= _OF_ACCOUNT
    )


class AuthBuilder:
    """Compiles the `auth` list of one integration. `refreshers` are the names that plugins registered."""

    def __init__(
        self,
        places: Places,
        wire: Wire,
        rules: RuleBuilder,
        signatures: SignatureBuilder,
        refreshers: Sequence[str],
    ) -> None:
        self.places = places
        self.wire = wire
        self.rules = rules
        self.findings = wire.findings
        self.signatures = signatures
        self.consents = ConsentBuilder(places, wire, rules, signatures, refreshers)

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
        sign = self.signatures.signatures(block.get("sign"), self.places.signing(), (*path, "sign"))
        for i, signature in enumerate(sign):
            self.signatures.check_complete(
                signature, (*path, "sign", i) if isinstance(block.get("sign"), list) else (*path, "sign")
            )
        check_consent(block, self.findings, path)
        return Method(
            name=str(block.get("method", "")),
            type=str(block.get("type", "custom")),
            when=optional_ask(block, "when", self.places.method_when(), self.findings, path),
            needs=tuple(block.get("needs", ())),
            apply=self._apply(block.get("apply", {}), (*path, "apply")),
            sign=sign,
            obtain=obtain,
            token=self._token(block, steps, path),
            capture=compile_capture(block, self.places, self.places.login_answer(steps), self.wire, path),
            consent=self.consents.consent(block, path),
            refresh=self.consents.refresh(block, path),
            revoke=self.consents.revoke(block, path),
            scopes=self.consents.scopes(block, path),
            bound=self._bound(block, spec),
        )

    def _bound(self, block: Mapping[str, Any], spec: Mapping[str, Any]) -> frozenset[str] | None:
        """What a grant belongs to: the fields that say who was asked for it, and where its token may go."""
        if "obtain" in block:
            return None
        requests = [block.get(key, {}) for key in ("authorize", "exchange", "refresh", "revoke")]
        servers = [spec.get("servers", {}).get(part.get("request", {}).get("server")) for part in requests]
        read = {path[1] for path in all_paths([requests, servers]) if path[0] in ("config", "credentials") and path[1:]}
        chosen = {str(server["by"]).removeprefix("config.") for server in servers if isinstance(server, Mapping)}
        typed = {host.removeprefix("config.") for host in spec.get("hosts", ()) if host.startswith("config.")}
        return frozenset({*read, *chosen, *typed, *block.get("needs", ())})

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
        return Apply(**trees, basic=pair, is_steady=_is_steady(block))

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
                *self.rules.shared(spec.get("errors"), self.places),
            ),
            when=optional_ask(step, "when", self.places.login_step(steps), self.findings, here),
            outputs={name: self._query_tree(tree, answer, (*here, "outputs", name)) for name, tree in outputs},
        )

    def _query_tree(self, tree: Any, names: Names, path: Path) -> Evaluate:
        leaves = self.findings.query_leaves(names, escapes=self.wire.escapes)
        return compile_tree(tree, leaves, path)

    def _token(self, block: Mapping[str, Any], steps: Shape, path: Path) -> TokenPlan | None:
        if not any(key in block for key in ("obtain", "exchange", "refresh")):
            return None
        token = block.get("token", {})
        here = (*path, "token")
        if "access" not in token and "obtain" in block:
            message = "a login says where its token stands"
            self.findings.add(here if "token" in block else path, "SPEC072", message, "token: {access: body.…}")
        names = self.places.login_answer(steps)
        asked = {key: optional_ask(token, key, names, self.findings, here) for key in _TOKEN}
        if "obtain" not in block:
            standard = {key: text for key, text in _STANDARD.items() if key not in token}
            if "expiresAt" in token:
                standard.pop("expiresIn", None)
            asked |= {key: compile_query(text, names) for key, text in standard.items()}
        verify = self.signatures.signatures(
            token.get("verify"), self.places.verify_answer(), (*here, "verify"), queries=names
        )
        return TokenPlan(
            accepted=asked["accepted"],
            access=asked["access"] or (lambda _scope: None),
            expires_in=asked["expiresIn"],
            expires_at=asked["expiresAt"],
            refresh=asked["refresh"],
            refresh_expires_in=asked["refreshExpiresIn"],
            scope=asked["scope"],
            verify=verify,
        )


def step_shape(step: Mapping[str, Any]) -> Shape:
    """What other blocks may read of a step: its outputs."""
    fields = dict.fromkeys(step.get("outputs", {}), SURE)
    return Shape({"outputs": Shape(fields, sure=True)}, sure=True)


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
