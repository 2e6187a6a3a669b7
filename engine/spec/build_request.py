"""Compiles `request` blocks and `servers` into `RequestPlan`s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.catalog import BodyKind, EncodeOptions, Evaluate, RequestPlan
from engine.compiled.fault import EvaluationError, Fault, Path
from engine.compiled.names import SURE, Names
from engine.compiled.query import compile_query
from engine.compiled.template import Escape, compile_template, surely_present
from engine.compiled.tree import Leaves, compile_tree, nothing
from engine.diagnostics import unknown
from engine.library.absent import ABSENT
from engine.library.segment import path_segment
from engine.spec.findings import Findings

BODIES: tuple[BodyKind, ...] = ("json", "form", "xml", "graphql", "multipart", "text")


def compile_text(text: Any, names: Names, findings: Findings, path: Path, escape: Escape | None = None) -> Evaluate:
    """One template; what is wrong with it becomes a finding."""
    try:
        return compile_template(str(text), names, escape)
    except Fault as fault:
        findings.report(path, fault)
        return nothing


def compile_ask(text: Any, names: Names, findings: Findings, path: Path) -> Evaluate:
    """One query, or a literal written `{$const: …}`."""
    if isinstance(text, Mapping) and "$const" in text:
        value = text["$const"]
        return lambda _scope: value
    try:
        return compile_query(str(text), names)
    except Fault as fault:
        findings.report(path, fault)
        return lambda _scope: None


def optional_ask(block: Mapping[str, Any], key: str, names: Names, findings: Findings, path: Path) -> Evaluate | None:
    return compile_ask(block[key], names, findings, (*path, key)) if key in block else None


@dataclass(frozen=True, slots=True)
class Wire:
    """What all requests of an integration share: servers, common headers, envelope, encodings, escapes."""

    spec: Mapping[str, Any]
    findings: Findings
    escapes: Mapping[str, Escape]
    servers: Mapping[str, Evaluate]

    @staticmethod
    def of(spec: Mapping[str, Any], names: Names, findings: Findings) -> Wire:
        escapes = {name: _escape(table) for name, table in spec.get("escapes", {}).items()}
        return Wire(spec, findings, escapes, _servers(spec.get("servers", {}), names, findings))

    def leaves(self, names: Names) -> Leaves:
        return Leaves(names, self.findings.report, escapes=self.escapes)

    def tree(self, block: Mapping[str, Any], key: str, names: Names, path: Path, *, root: bool = True) -> Evaluate | None:
        if key not in block:
            return None
        return compile_tree(block[key], self.leaves(names), (*path, key), is_root=root)

    def plan(self, block: Mapping[str, Any], names: Names, path: Path, *, own_url: bool = False) -> RequestPlan:
        """`own_url`: a request of a method, which may give `url` in place of server and path."""
        http = self.spec.get("http", {})
        kind, body, payload = self._body(block, names, path)
        headers = self._headers(block, names, path)
        graphql = block["graphql"].get("query") if kind == "graphql" else None
        has_url = own_url and "url" in block
        if "url" in block and not own_url:
            self.findings.add((*path, "url"), "SPEC060", "an action names a server and a path, never a url", key=True)
        encode = http.get("encode", {})
        return RequestPlan(
            method=str(block.get("method", "POST" if body or payload else "GET")),
            server=None if has_url else self._server(block, path),
            path=None if has_url else self._path(block, names, path),
            url=compile_text(block["url"], names, self.findings, (*path, "url")) if has_url else None,
            headers=headers,
            query=self.tree(block, "query", names, path),
            body_kind=kind,
            body=body,
            payload=payload,
            graphql=graphql,
            query_options=EncodeOptions(**{"arrays": "repeat", "space": "percent", **encode.get("query", {})}),
            form_options=EncodeOptions(**{"arrays": "index", "space": "plus", **encode.get("form", {})}),
            send=block.get("send", True),
        )

    def _headers(self, block: Mapping[str, Any], names: Names, path: Path) -> Evaluate | None:
        """The integration's common headers with the request's own over them."""
        common = self.spec.get("http", {}).get("headers")
        own = self.tree(block, "headers", names, path)
        if not common:
            return own
        shared = compile_tree(common, self.leaves(names), ("http", "headers"), is_root=True)
        return shared if own is None else lambda scope: {**shared(scope), **own(scope)}

    def _body(
        self, block: Mapping[str, Any], names: Names, path: Path
    ) -> tuple[BodyKind | None, Evaluate | None, Evaluate | None]:
        if "payload" in block:
            return self._payload(block, names, path)
        for kind in BODIES:
            if kind == "graphql" and kind in block:
                variables = block[kind].get("variables", {})
                tree = compile_tree(variables, self.leaves(names), (*path, kind, "variables"), is_root=True)
                return kind, tree, None
            if kind == "text" and kind in block and isinstance(block[kind], str):
                return kind, compile_text(block[kind], names, self.findings, (*path, kind)), None
            if kind in block:
                return kind, self.tree(block, kind, names, path), None
        return None, None, None

    def _payload(
        self, block: Mapping[str, Any], names: Names, path: Path
    ) -> tuple[BodyKind | None, Evaluate | None, Evaluate | None]:
        """A payload is placed by the envelope of `http`, or by `apply`, which then decides the position."""
        payload = self.tree(block, "payload", names, path)
        envelope = self.spec.get("http", {}).get("envelope", {})
        around = names.adding(payload=SURE)
        for kind in ("json", "form"):
            if kind in envelope:
                leaves = self.leaves(around)
                body = compile_tree(envelope[kind], leaves, ("http", "envelope", kind), is_root=True)
                return ("json" if kind == "json" else "form"), body, payload
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
        if text and not text.startswith("/") or text.startswith("//"):
            self.findings.add(here, "SPEC061", "a path begins with one /", "give the host in `servers`")
        if "?" in text.partition("{{")[0]:
            self.findings.add(here, "SPEC062", "a path holds no query", "write it under `query`")
        evaluate = compile_text(text, names, self.findings, here, path_segment)
        try:
            if not surely_present(text, names):
                message = "this path can lose a part: an expression in it may be absent"
                self.findings.add(here, "EXPR030", message, "make the input required, or give it a default")
        except Fault:
            pass  # the unknown name was reported when the text was compiled
        return evaluate


def _escape(table: Mapping[str, str | None]) -> Escape:
    """A character table of an embedded query language; null refuses the character."""
    refused = frozenset(char for char, to in table.items() if to is None)
    mapping = str.maketrans({char: to for char, to in table.items() if to is not None})

    def run(text: str) -> str:
        if not refused.isdisjoint(text):
            raise EvaluationError("holds a character that can't be sent to this provider")
        return text.translate(mapping)

    return run


def _servers(servers: Any, names: Names, findings: Findings) -> Mapping[str, Evaluate]:
    made: dict[str, Evaluate] = {}
    for name, server in (servers.items() if isinstance(servers, Mapping) else ()):
        path: Path = ("servers", name)
        if isinstance(server, str):
            made[name] = compile_text(server, names, findings, path)
        elif isinstance(server, Mapping):
            choose = compile_ask(server.get("by", "`null`"), names, findings, (*path, "by"))
            urls = {k: compile_text(v, names, findings, (*path, k)) for k, v in server.items() if k != "by"}
            made[name] = _chosen(choose, urls)
    return made


def _chosen(choose: Evaluate, urls: Mapping[str, Evaluate]) -> Evaluate:
    def run(scope: Any) -> Any:
        url = urls.get(str(choose(scope)))
        return ABSENT if url is None else url(scope)

    return run
