"""Compiles `webhooks`: what the provider sends to us.

With `scope: app` a message is proved and read before it is known whose it is: only `events` know the config.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from engine.catalog import Evaluate, EventPlan, Fetch, Handshake, Route, Signature, Webhook, WebhookAnswer
from engine.compiled.fault import Path
from engine.compiled.names import ANY, SURE, Names, Shape
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire, all_paths, compile_ask, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.build_signature import SignatureBuilder
from engine.spec.build_subscribe import SubscribeBuilder
from engine.spec.places import Places

Made = Literal["key", "token", "secret"]
_KINDS: tuple[Literal["json", "form", "xml", "text"], ...] = ("json", "form", "xml", "text")
_SECRET = frozenset({("webhook", "token"), ("webhook", "secret")})
_HERE: Path = ("webhooks",)


class WebhookBuilder:
    """`block`: the spec's `webhooks`."""

    def __init__(
        self, block: Mapping[str, Any], places: Places, wire: Wire, rules: RuleBuilder, auth: SignatureBuilder
    ) -> None:
        self.block = block
        self.places = places
        self.wire = wire
        self.rules = rules
        self.auth = auth
        self.findings = wire.findings
        self.is_app = block.get("scope") == "app"

    def build(self) -> Webhook:
        block = self.block
        read, shape = self._read(block.get("read", {}))
        asked = self.places.incoming(read=shape, is_app=self.is_app)
        told = self.places.incoming(read=shape)
        more = {"item": ANY} if "each" in block else {}
        return Webhook(
            method=str(block.get("method", "POST")),
            handshakes=tuple(
                self._handshake(one, (*_HERE, "handshakes", i)) for i, one in enumerate(block.get("handshakes", ()))
            ),
            verify=self._verify(block.get("verify", ()), (*_HERE, "verify")),
            read=read,
            each=optional_ask(block, "each", asked, self.findings, _HERE),
            events=self._events(block, told.adding(**more)),
            accepted=self._answer(block, "accepted", 200),
            duplicate=self._answer(block, "duplicate", 200) if "duplicate" in block.get("answers", {}) else None,
            refused=self._answer(block, "refused", 401),
            failed=self._answer(block, "failed", 503),
            uses=frozenset(_used(block)),
            route=self._route(block.get("route"), asked.adding(**more)),
            subscribe=SubscribeBuilder(self.places, self.wire, self.rules).build(block.get("subscribe")),
        )

    def _route(self, block: Any, names: Names) -> Route | None:
        here = (*_HERE, "route")
        if not isinstance(block, Mapping):
            return None
        if not self.is_app:
            message = "each connection has an address of its own, so nothing is routed"
            self.findings.add(here, "SPEC120", message, "add scope: app, or leave route out", key=True)
        name = str(block.get("equals", "")).removeprefix("config.")
        known = self.places.config.fields or {}
        if name not in known:
            message, hint = unknown("field of configSchema", name, known)
            hint = f"{name} is a credential, and those are not compared" if self._is_credential(name) else hint
            self.findings.add((*here, "equals"), "NAME010", message, hint)
        elif self.is_app:
            self._check_owner(name, (*here, "equals"))
        return Route(compile_ask(block.get("value"), names, self.findings, (*here, "value")), name)

    def _is_credential(self, name: str) -> bool:
        return name in (self.places.credentials.fields or {})

    def _check_owner(self, name: str, path: Path) -> None:
        """Who types another's account, or says so in a callback that nothing proves, must not get the other's messages.

        The field is captured from an answer; or a code is swapped for a token at the place that it names.
        """
        spec = self.wire.spec
        methods = spec.get("auth", ())
        if any(name in _callback(one).get("capture", {}) and "verify" not in _callback(one) for one in methods):
            message = f"{name} is captured from a callback that nothing proves, so anybody can say whose account it is"
            self.findings.add(path, "SPEC121", message, "capture it from the token's answer, or give callback.verify")
        elif spec.get("configSchema", {}).get("properties", {}).get(name, {}).get("readOnly"):
            return
        elif not any(_swaps_at(one, spec.get("servers", {}), name) for one in methods):
            message = f"anybody can type {name}, and no sign-in shows whose account it is"
            hint = "capture it from an answer (readOnly: true), or let it name the host of `exchange`"
            self.findings.add(path, "SPEC121", message, hint)

    def _verify(self, blocks: Sequence[Mapping[str, Any]], path: Path) -> tuple[Signature, ...]:
        self._check_reached(blocks, path, "proof")
        for i, block in enumerate(blocks):
            if block.get("scheme") != "refuse" and not self._is_secret(block):
                message = "this proof holds no secret: nothing in it comes from credentials, app or the engine"
                hint = "key: '{{ credentials.… }}', or '{{ webhook.token }}' against request.key"
                if self.is_app:
                    hint = "key: '{{ app.… }}', a field of `app` with writeOnly: true"
                here = (*path, i, "key") if "key" in block else (*path, i)
                self.findings.add(here, "SPEC086", message, hint)
        names, queries = self.places.proof(is_app=self.is_app), self.places.proof_queries(is_app=self.is_app)
        return self.auth.signatures(list(blocks), names, path, queries=queries)

    def _is_secret(self, proof: Mapping[str, Any]) -> bool:
        """A public key is no secret, and yet nobody else can sign for it; who the app is, everybody may know."""
        read = _templates(proof)
        roots = {path[0] for path in read}
        public = proof.get("scheme") == "ecdsa-p256-sha256" and not roots.isdisjoint({"config", "app"})
        fields = self.wire.spec.get("app", {}).get("properties", {})
        of_app = any(path[0] == "app" and fields.get(path[-1], {}).get("writeOnly") for path in read)
        return public or of_app or "credentials" in roots or not _SECRET.isdisjoint(read)

    def _handshake(self, block: Mapping[str, Any], path: Path) -> Handshake:
        return Handshake(
            when=compile_ask(
                block.get("when"), self.places.incoming(is_app=self.is_app), self.findings, (*path, "when")
            ),
            verify=self._verify(block.get("verify", ()), (*path, "verify")),
            answer=self._reply(block.get("answer", {}), 200, (*path, "answer")),
        )

    def _read(self, block: Mapping[str, Any]) -> tuple[tuple[tuple[str, Evaluate], ...], Shape]:
        """The queries in order, later ones knowing the ones before; and what is known of `read` after them."""
        made: list[tuple[str, Evaluate]] = []
        shapes: dict[str, Shape] = {}
        for name, tree in block.items():
            names = self.places.incoming(read=Shape(dict(shapes), sure=True), is_app=self.is_app)
            made.append((name, self._tree(tree, names, (*_HERE, "read", name))))
            shapes[name] = SURE
        return tuple(made), Shape(shapes, sure=True)

    def _events(self, block: Mapping[str, Any], names: Names) -> tuple[EventPlan, ...]:
        blocks = block.get("events", ())
        self._check_reached(blocks, (*_HERE, "events"), "event")
        shared = block.get("dedupe"), (*_HERE, "dedupe")
        return tuple(self._event(one, names, shared, (*_HERE, "events", i)) for i, one in enumerate(blocks))

    def _event(self, block: Mapping[str, Any], names: Names, shared: tuple[Any, Path], path: Path) -> EventPlan:
        ignored = bool(block.get("ignore", False))
        for key in ("type", "data", "dedupe", "fetch") if ignored else ():
            if key in block:
                message = f"an ignored message becomes nothing, so `{key}` says nothing"
                self.findings.add((*path, key), "SPEC087", message, "leave it out, or leave out ignore", key=True)
        dedupe, at = (block["dedupe"], (*path, "dedupe")) if "dedupe" in block else shared
        return EventPlan(
            type=None if ignored else str(block.get("type")),
            when=optional_ask(block, "when", names, self.findings, path),
            dedupe=tuple(compile_ask(text, names, self.findings, (*at, i)) for i, text in enumerate(dedupe or ())),
            data=self._tree(block["data"], names, (*path, "data"), is_root=True) if "data" in block else None,
            answer=self._reply(block["answer"], 200, (*path, "answer")) if "answer" in block else None,
            fetch=self._fetch(block.get("fetch"), names, (*path, "fetch")),
        )

    def _fetch(self, block: Any, names: Names, path: Path) -> Fetch | None:
        if not isinstance(block, Mapping):
            return None
        action = str(block.get("action"))
        self.rules.known_action(block.get("action"), (*path, "action"))
        if self.rules.actions.get(action, "read") != "read":
            self.findings.add((*path, "action"), "SPEC068", "an event is filled in by a read, and this action writes")
        given = self._tree(block["input"], names, (*path, "input"), is_root=True) if "input" in block else None
        return Fetch(action, given)

    def _answer(self, block: Mapping[str, Any], name: str, status: int) -> WebhookAnswer:
        return self._reply(block.get("answers", {}).get(name, {}), status, (*_HERE, "answers", name))

    def _reply(self, block: Mapping[str, Any], status: int, path: Path) -> WebhookAnswer:
        names = self.places.webhook_answer(is_app=self.is_app)
        kind = next((kind for kind in _KINDS if kind in block), None)
        body = None
        if kind in ("json", "text"):
            body = self.wire.tree(block, kind, names, path)
        elif kind is not None:
            body = self.wire.fields(block, kind, names, path)
        headers = self.wire.fields(block, "headers", names, path)
        return WebhookAnswer(int(block.get("status", status)), headers, kind, body)

    def _tree(self, tree: Any, names: Names, path: Path, *, is_root: bool = False) -> Evaluate:
        leaves = self.findings.query_leaves(names, escapes=self.wire.escapes)
        return compile_tree(tree, leaves, path, is_root=is_root)

    def _check_reached(self, blocks: Sequence[Mapping[str, Any]], path: Path, what: str) -> None:
        for i, block in enumerate(blocks[:-1]):
            if "when" not in block:
                message = f"this {what} has no `when`, so the ones after it are never reached"
                self.findings.add((*path, i), "SPEC085", message, "give it `when`, or put it last")


def _callback(method: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = method.get("callback", {})
    return found


def _swaps_at(method: Mapping[str, Any], servers: Mapping[str, Any], name: str) -> bool:
    """Its code is swapped at a URL that this field of the config makes."""
    request = method.get("exchange", {}).get("request", {})
    place = request["url"] if "url" in request else servers.get(str(request.get("server", "default")))
    return "exchange" in method and ("config", name) in all_paths(place)


def _proofs(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every proof of a webhook, those of handshakes and `also` too."""
    for one in (block, *block.get("handshakes", ())):
        for proof in one.get("verify", ()):
            yield proof
            yield from proof.get("also", ())


def _templates(proof: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {path[:2] for path in all_paths([proof.get(key) for key in ("text", "key", "extra")])}


def _used(block: Mapping[str, Any]) -> Iterator[Made]:
    """What the engine makes for a connection that the proofs read."""
    proofs = list(_proofs(block))
    read = {path for proof in proofs for path in _templates(proof)}
    if ("request", "key") in read or any("request.key" in text for proof in proofs for text in _queries(proof)):
        yield "key"
    if ("webhook", "token") in read:
        yield "token"
    if ("webhook", "secret") in read:
        yield "secret"


def _queries(proof: Mapping[str, Any]) -> Iterable[str]:
    given = proof.get("given", "")
    return map(str, given) if isinstance(given, list) else [str(given)]
