"""Compiles `webhooks`: what the provider sends to us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from engine.catalog import Evaluate, EventPlan, Handshake, Signature, Webhook, WebhookAnswer
from engine.compiled.fault import Path
from engine.compiled.names import ANY, SURE, Names, Shape
from engine.compiled.tree import compile_tree
from engine.spec.build_auth import AuthBuilder
from engine.spec.build_request import Wire, all_paths, compile_ask, optional_ask
from engine.spec.places import Places

Made = Literal["key", "token", "secret"]
_KINDS: tuple[Literal["json", "form", "xml", "text"], ...] = ("json", "form", "xml", "text")
_SECRET = frozenset({("webhook", "token"), ("webhook", "secret")})
_HERE: Path = ("webhooks",)


class WebhookBuilder:
    def __init__(self, places: Places, wire: Wire, auth: AuthBuilder) -> None:
        self.places = places
        self.wire = wire
        self.auth = auth
        self.findings = wire.findings

    def build(self, block: Mapping[str, Any]) -> Webhook:
        read, shape = self._read(block.get("read", {}))
        asked = self.places.incoming(read=shape)
        return Webhook(
            method=str(block.get("method", "POST")),
            handshakes=tuple(
                self._handshake(one, (*_HERE, "handshakes", i)) for i, one in enumerate(block.get("handshakes", ()))
            ),
            verify=self._verify(block.get("verify", ()), (*_HERE, "verify")),
            read=read,
            each=optional_ask(block, "each", asked, self.findings, _HERE),
            events=self._events(block, asked.adding(item=ANY) if "each" in block else asked),
            accepted=self._answer(block, "accepted", 200),
            duplicate=self._answer(block, "duplicate", 200) if "duplicate" in block.get("answers", {}) else None,
            refused=self._answer(block, "refused", 401),
            failed=self._answer(block, "failed", 503),
            uses=frozenset(_used(block)),
        )

    def _verify(self, blocks: Sequence[Mapping[str, Any]], path: Path) -> tuple[Signature, ...]:
        self._check_reached(blocks, path, "proof")
        for i, block in enumerate(blocks):
            if block.get("scheme") != "refuse" and not _is_secret(block):
                message = "this proof holds no secret: nothing in it comes from credentials or from the engine"
                hint = "key: '{{ credentials.… }}', or '{{ webhook.token }}' against request.key"
                here = (*path, i, "key") if "key" in block else (*path, i)
                self.findings.add(here, "SPEC086", message, hint)
        return self.auth.signatures(list(blocks), self.places.proof(), path, queries=self.places.proof_queries())

    def _handshake(self, block: Mapping[str, Any], path: Path) -> Handshake:
        return Handshake(
            when=compile_ask(block.get("when"), self.places.incoming(), self.findings, (*path, "when")),
            verify=self._verify(block.get("verify", ()), (*path, "verify")),
            answer=self._reply(block.get("answer", {}), 200, (*path, "answer")),
        )

    def _read(self, block: Mapping[str, Any]) -> tuple[tuple[tuple[str, Evaluate], ...], Shape]:
        """The queries in order, later ones knowing the ones before; and what is known of `read` after them."""
        made: list[tuple[str, Evaluate]] = []
        shapes: dict[str, Shape] = {}
        for name, tree in block.items():
            names = self.places.incoming(read=Shape(dict(shapes), sure=True))
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
        for key in ("type", "data", "dedupe") if ignored else ():
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
        )

    def _answer(self, block: Mapping[str, Any], name: str, status: int) -> WebhookAnswer:
        return self._reply(block.get("answers", {}).get(name, {}), status, (*_HERE, "answers", name))

    def _reply(self, block: Mapping[str, Any], status: int, path: Path) -> WebhookAnswer:
        names = self.places.webhook_answer()
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


def _proofs(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every proof of a webhook, those of handshakes and `also` too."""
    for one in (block, *block.get("handshakes", ())):
        for proof in one.get("verify", ()):
            yield proof
            yield from proof.get("also", ())


def _templates(proof: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {path[:2] for path in all_paths([proof.get(key) for key in ("text", "key", "extra")])}


def _is_secret(proof: Mapping[str, Any]) -> bool:
    """A public key is no secret, and yet nobody else can sign for it."""
    roots = {path[0] for path in _templates(proof)}
    public = proof.get("scheme") == "ecdsa-p256-sha256" and "config" in roots
    return public or not roots.isdisjoint({"credentials", "app"}) or not _SECRET.isdisjoint(_templates(proof))


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
