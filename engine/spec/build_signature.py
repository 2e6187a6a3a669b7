"""Compiles `sign` and `verify` blocks: how a message is signed, and how one is proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.catalog import Evaluate, Put, Signature
from engine.compiled.fault import Fault, Path
from engine.compiled.names import Names
from engine.compiled.template import parts_of, plain_path
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire, all_paths, compile_ask, optional_ask

_PARSED = frozenset(("request", name) for name in ("json", "form", "query", "headers"))


class SignatureBuilder:
    """Compiles the signatures of one integration. `signers` are the names that plugins registered."""

    def __init__(self, wire: Wire, signers: Sequence[str]) -> None:
        self.wire = wire
        self.findings = wire.findings
        self.signers = signers

    def check_complete(self, signature: Signature, path: Path) -> None:
        """A signature that is sent says how it is made and where it goes."""
        if signature.scheme is None and signature.plugin is None:
            self.findings.add(path, "SPEC069", "this signature does not say how it is made", "scheme: … or plugin: …")
        elif signature.put is None:
            message = "this signature does not say where it goes"
            self.findings.add(path, "SPEC069", message, "put: header.X, query.x, form.x or json.x")

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
                names = plain_path(expression) or ()
                if names in _PARSED:
                    message = f"{'.'.join(names)} is what was parsed, and only a text can be signed"
                    hint = "request.raw is the body as it stands on the wire; pairs and json write what was parsed"
                    self.findings.add(path, "SPEC088", message, hint)
        except Fault:
            pass  # reported where the text is compiled


def listed(block: Any) -> list[Any]:
    """One thing or a list of them, as a list; nothing as an empty one."""
    return [] if block is None else block if isinstance(block, list) else [block]


def _names_of(part: Any) -> tuple[str, ...]:
    """The dotted names that the templates of a text or tree read."""
    return tuple(sorted({".".join(path) for path in all_paths(part)}))


def _put(text: Any) -> Put | None:
    if not isinstance(text, str) or "." not in text:
        return None
    place, _, name = text.partition(".")
    return Put(place, name)  # type: ignore[arg-type]  # the schema allows the four places only
