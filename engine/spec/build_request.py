"""Compiles `request` blocks and `servers` into `RequestPlan`s."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from engine.catalog import BodyKind, EncodeOptions, Evaluate, RequestPlan
from engine.compiled.fault import EvaluationError, Fault, Path
from engine.compiled.names import SURE, Names
from engine.compiled.parts import is_template, split
from engine.compiled.query import compile_query
from engine.compiled.template import Escape, compile_template, paths_of, surely_present
from engine.compiled.tree import DIRECTIVES, Leaf, Leaves, compile_tree, nothing
from engine.diagnostics import unknown
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.library.segment import path_segment
from engine.spec.findings import Findings

BODIES: tuple[BodyKind, ...] = ("json", "form", "xml", "graphql", "multipart", "text")


def compile_text(text: Any, names: Names, findings: Findings, path: Path, escape: Escape | None = None) -> Evaluate:
    """One template; what is wrong with it becomes a finding."""
    findings.leaves.append(Leaf("template", path, str(text), names))
    try:
        return compile_template(str(text), names, escape)
    except Fault as fault:
        findings.report(path, fault)
        return nothing


def compile_ask(text: Any, names: Names, findings: Findings, path: Path) -> Evaluate:
    """One query, or a literal written `{$const: …}`."""
    if isinstance(text, dict) and "$const" in text:
        value = text["$const"]
        return lambda _scope: value
    findings.leaves.append(Leaf("query", path, str(text), names))
    try:
        return findings.watched(path, compile_query(str(text), names))
    except Fault as fault:
        findings.report(path, fault)
        return lambda _scope: None


def optional_ask(block: Mapping[str, Any], key: str, names: Names, findings: Findings, path: Path) -> Evaluate | None:
    return compile_ask(block[key], names, findings, (*path, key)) if key in block else None


@frozen
class Wire:
    """What all requests of an integration share: servers, common headers, envelope, encodings, escapes."""

    spec: Mapping[str, Any]
    findings: Findings
    escapes: Mapping[str, Escape]
    servers: Mapping[str, Evaluate]
    query: EncodeOptions
    form: EncodeOptions

    @staticmethod
    def of(spec: Mapping[str, Any], names: Names, findings: Findings) -> Wire:
        escapes = {name: _escape(table) for name, table in spec.get("escapes", {}).items()}
        encode = spec.get("http", {}).get("encode", {})
        return Wire(
            spec,
            findings,
            escapes,
            _servers(spec.get("servers", {}), names, findings),
            query=_options(encode.get("query", {}), arrays="repeat", space="percent"),
            form=_options(encode.get("form", {}), arrays="index", space="plus"),
        )

    def leaves(self, names: Names) -> Leaves:
        found = self.findings
        return Leaves(names, found.report, found.leaves.append, found.watch, escapes=self.escapes)

    def tree(self, block: Mapping[str, Any], key: str, names: Names, path: Path) -> Evaluate | None:
        """A tree that may be of any kind, and may be absent as a whole."""
        if key not in block:
            return None
        return compile_tree(block[key], self.leaves(names), (*path, key), is_root=True)

    def fields(self, block: Mapping[str, Any], key: str, names: Names, path: Path) -> Evaluate | None:
        """A tree that is an object whatever happens: headers, pairs, parts."""
        node = block.get(key)
        if node is not None and not isinstance(node, Mapping):
            self.findings.add((*path, key), "SPEC092", f"{key} must be an object (name: value)")
            return None
        evaluate = self.tree(block, key, names, path)
        if evaluate is None or node is None or not any(name in DIRECTIVES for name in node):
            return evaluate
        return lambda scope: {} if (made := evaluate(scope)) is ABSENT else made

    def plan(self, block: Mapping[str, Any], names: Names, path: Path, *, own_url: bool = False) -> RequestPlan:
        """`own_url`: a request of a method, which may give `url` in place of server and path."""
        kind, body, payload = self._body(block, names, path)
        has_url = own_url and "url" in block
        return RequestPlan(
            method=str(block.get("method", "GET")),
            server=None if has_url else self._server(block, path),
            path=None if has_url else self._path(block, names, path),
            url=compile_text(block["url"], names, self.findings, (*path, "url")) if has_url else None,
            headers=self._headers(block, names, path),
            query=self.fields(block, "query", names, path),
            body_kind=kind,
            body=body,
            payload=payload,
            graphql=block["graphql"].get("query") if kind == "graphql" else None,
            query_options=self.query,
            form_options=self.form,
            send=block.get("send", True),
        )

    def _headers(self, block: Mapping[str, Any], names: Names, path: Path) -> Evaluate | None:
        """The integration's common headers with the request's own over them."""
        common = self.spec.get("http", {}).get("headers")
        own = self.fields(block, "headers", names, path)
        if not common:
            return own
        shared = self.fields(self.spec["http"], "headers", names, ("http",))
        if own is None or shared is None:
            return shared or own
        return lambda scope: {**shared(scope), **own(scope)}

    def _body(
        self, block: Mapping[str, Any], names: Names, path: Path
    ) -> tuple[BodyKind | None, Evaluate | None, Evaluate | None]:
        if "payload" in block:
            return self._payload(block, names, path)
        kind = next((kind for kind in BODIES if kind in block), None)
        if kind is None:
            return None, None, None
        if kind == "graphql":
            return kind, self.fields({"variables": {}, **block[kind]}, "variables", names, (*path, kind)), None
        if kind in ("json", "text"):
            return kind, self.tree(block, kind, names, path), None
        return kind, self.fields(block, kind, names, path), None

    def _payload(
        self, block: Mapping[str, Any], names: Names, path: Path
    ) -> tuple[BodyKind | None, Evaluate | None, Evaluate | None]:
        """A payload is placed by the envelope of `http`, or by `apply`, which then decides the position."""
        payload = self.tree(block, "payload", names, path)
        envelope = self.spec.get("http", {}).get("envelope", {})
        around = names.adding(payload=SURE)
        if "json" in envelope:
            return "json", self.tree(envelope, "json", around, ("http", "envelope")), payload
        if "form" in envelope:
            return "form", self.fields(envelope, "form", around, ("http", "envelope")), payload
        return None, None, payload

    def _server(self, block: Mapping[str, Any], path: Path) -> Evaluate:
        name = str(block.get("server", "default"))
        found = self.servers.get(name)
        if found is None:
            message, hint = unknown("server", name, self.servers)
            self.findings.add((*path, "server") if "server" in block else path, "NAME007", message, hint)
            return nothing
        return found

    def _path(self, block: Mapping[str, Any], names: Names, path: Path) -> Evaluate:
        text = str(block.get("path", ""))
        here = (*path, "path")
        if text.startswith("//"):
            self.findings.add(here, "SPEC061", "a path begins with one /", "give the host in `servers`")
        self._check_path(text, here)
        evaluate = compile_text(text, names, self.findings, here, path_segment)
        try:
            if not surely_present(text, names):
                message = "this path can lose a part: an expression in it may be absent"
                self.findings.add(here, "EXPR030", message, "make the input required, or give it a default")
        except Fault:
            pass  # the unknown name was reported when the text was compiled
        return evaluate

    def _check_path(self, text: str, here: Path) -> None:
        try:
            pieces = split(text)
        except Fault:
            return  # reported where the text is compiled
        if any(mark in piece for piece in pieces if isinstance(piece, str) for mark in "?#"):
            self.findings.add(here, "SPEC062", "a path holds no query and no fragment", "write a query under `query`")


def _options(block: Mapping[str, Any], **defaults: Any) -> EncodeOptions:
    known = {key: value for key, value in block.items() if key in EncodeOptions.__dataclass_fields__}
    return EncodeOptions(**{**defaults, **known})


def _escape(table: Mapping[str, str | None]) -> Escape:
    """A character table of an embedded query language; null refuses the character."""
    refused = frozenset(char for char, to in table.items() if to is None)
    mapping = str.maketrans({char: to for char, to in table.items() if to is not None and len(char) == 1})

    def run(text: str) -> str:
        if not refused.isdisjoint(text):
            raise EvaluationError("holds a character that can't be sent to this provider")
        return text.translate(mapping)

    return run


def _servers(servers: Mapping[str, Any], names: Names, findings: Findings) -> Mapping[str, Evaluate]:
    made: dict[str, Evaluate] = {}
    for name, server in servers.items():
        path: Path = ("servers", name)
        if isinstance(server, Mapping):
            choose = compile_ask(server.get("by", "`null`"), names, findings, (*path, "by"))
            urls = {k: compile_text(v, names, findings, (*path, k)) for k, v in server.items() if k != "by"}
            made[name] = _chosen(choose, urls)
        else:
            made[name] = compile_text(server, names, findings, path)
    return made


def _chosen(choose: Evaluate, urls: Mapping[str, Evaluate]) -> Evaluate:
    def run(scope: Any) -> Any:
        url = urls.get(str(choose(scope)))
        return ABSENT if url is None else url(scope)

    return run


def all_paths(node: Any, about: str = "") -> list[tuple[str, ...]]:
    """The dotted names that the templates of a tree read; `about`: only of those in which this word stands."""
    found: list[tuple[str, ...]] = []
    _add_paths(node, about, found)
    return found


def _add_paths(node: Any, about: str, found: list[tuple[str, ...]]) -> None:
    if isinstance(node, str):
        if about in node and is_template(node):
            with suppress(Fault):  # reported where the text was compiled
                found += paths_of(node)
    elif isinstance(node, dict):
        for value in node.values():
            _add_paths(value, about, found)
    elif isinstance(node, list | tuple):
        for value in node:
            _add_paths(value, about, found)
