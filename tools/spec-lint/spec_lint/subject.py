"""What a rule looks at: one spec that compiles, its cases, and the place of everything in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path as File
from typing import Any

from engine.cases.coverage import Coverage, measure
from engine.cases.model import AnyCase, Case, ConsentCase, ErrandCase, WebhookCase
from engine.cases.notes import Kind
from engine.catalog import Integration
from engine.compiled.fault import Path
from engine.plugins import Registry
from engine.spec.findings import Findings
from engine.spec.marks import Text
from engine.spec.scalars import quoted, resolve
from engine.spec.source import Source, read
from spec_lint.queries import Query
from spec_lint.reads import Reads, reads_of
from spec_lint.rule import Finding, Fix
from spec_lint.templates import Template


@dataclass(frozen=True)
class Subject:
    """One spec. All paths lead through `resolved`; a finding lands where the value was written, also in `$defs`."""

    source: Source
    """The file: its text, its plain value, the position of everything."""
    resolved: Mapping[str, Any]
    """The spec with every `$ref` replaced by what it names; `$defs` stay as they are."""
    integration: Integration
    """What the engine runs."""
    registry: Registry
    """The plugins that the spec was compiled with."""
    cases: tuple[Case, ...]
    webhook_cases: tuple[WebhookCase, ...]
    findings: Findings = field(repr=False)
    """Where each part of `resolved` was written."""
    consents: tuple[ConsentCase, ...] = ()
    errands: tuple[ErrandCase, ...] = ()

    @property
    def spec(self) -> Mapping[str, Any]:
        """As it was written, `$ref`s and all."""
        value: Mapping[str, Any] = self.source.value
        return value

    def actions(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Every action's block with its path."""
        for number, action in enumerate(self.resolved.get("actions", ())):
            yield ("actions", number), action

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """Every query. One that serves several places (from `$defs`, a shared rule) comes once for each."""
        return tuple(Query(x.path, x.text, x.names) for x in self.findings.leaves if x.kind == "query")

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """Every template, those without `{{` too. One that serves several places comes once for each."""
        return tuple(Template(x.path, x.text, x.names) for x in self.findings.leaves if x.kind == "template")

    @cached_property
    def reads(self) -> tuple[tuple[Path, Reads], ...]:
        """Every query and template with the names that it reads."""
        return tuple(reads_of(self))

    # --- what the cases reach ---

    @cached_property
    def coverage(self) -> Coverage:
        """The cases are replayed once for all rules."""
        return asyncio.run(measure(self.resolved, self.findings, self.registry, self.every_case))

    @property
    def every_case(self) -> tuple[AnyCase, ...]:
        """Those of all kinds."""
        return (*self.cases, *self.webhook_cases, *self.consents, *self.errands)

    def gaps(self, kind: Kind) -> Iterator[Path]:
        """Where no case brings this about. While there is no case at all there is none: other rules say so."""
        return (gap.path for gap in self.coverage.missing if gap.kind == kind and self.cases)

    def written(self, path: Path) -> Any:
        """What stands in the file at a path of the coverage; those lead through the file, `$defs` and all."""
        return reduce(lambda value, step: value[step], path, self.source.value)

    # --- findings ---

    def at(
        self,
        path: Path,
        message: str,
        *,
        hint: str = "",
        key: bool = False,
        offset: int | None = None,
        length: int | None = None,
        fix: Fix | None = None,
    ) -> Finding:
        """A finding about the value at `path`, its key, or `length` characters from `offset` of a text on.

        For something that is missing give the path of what lacks it.
        """
        written = self.findings.written_at(path)
        position = self.source.position(written, key=key, offset=offset)
        if length is None:
            length = 1 if offset is not None else self.source.length(written, key=key)
        return Finding(message, position, length, hint, fix)

    def at_case(self, case: AnyCase, message: str, *, path: Path = (), key: bool = False, hint: str = "") -> Finding:
        """A finding in the file of a case: about its name, or about what stands at `path` inside it."""
        source = self._case_sources[case.position.file]
        number = next(i for i in range(len(source.value)) if source.position((i,)) == case.position)
        inside = (number, *(path or (_KIND[type(case)],)))
        return Finding(message, source.position(inside, key=key), source.length(inside, key=key), hint)

    @cached_property
    def case_texts(self) -> tuple[Text, ...]:
        """The files of the cases as they are written."""
        files = {case.position.file for case in self.every_case}
        return tuple(Text(file, File(file).read_text("utf-8")) for file in sorted(files))

    @cached_property
    def _case_sources(self) -> Mapping[str, Source]:
        sources = (read(text.file, text.text)[0] for text in self.case_texts)
        return {source.file: source for source in sources if source is not None}

    # --- fixes ---

    def rewriting(self, path: Path, text: str) -> Fix | None:
        """Writes another text in place of the one at `path`, in quotes where it needs them.

        None where that can't be done within one line, so a rule can pass on what it gets.
        """
        written = self.findings.written_at(path)
        start = self.source.position(written)
        length = self.source.length(written)
        line = self.source.text.split("\n")[start.line - 1][start.column - 1 :]
        old = reduce(lambda value, step: value[step], written, self.source.value)
        if "\n" in text or not _is_whole(line[:length], old):
            return None
        return Fix(start, length, _spelt(text, line[:1]), written, text)


_KIND: Mapping[type, str] = {Case: "case", WebhookCase: "webhook", ConsentCase: "consent", ErrandCase: "errand"}
"""The key that names a case of the kind."""


def _is_whole(shown: str, value: Any) -> bool:
    """Is what the first line shows the whole of a text?"""
    if not isinstance(value, str):
        return False
    if shown[:1] in ("'", '"'):
        return len(shown) > 1 and shown.endswith(shown[0]) and "\\" not in shown
    return shown == value


def _spelt(text: str, mark: str) -> str:
    """As the text was written before (plain, single or double quotes), unless that would mean something else."""
    if mark == '"' and not set(text) & {'"', "\\"} and text.isprintable():
        return f'"{text}"'
    if mark not in ("'", '"') and _is_plain(text):
        return text
    return quoted(text)


def _is_plain(text: str) -> bool:
    value, findings = read("", f"[{text}]")
    return not findings and value is not None and value.value == [text] and resolve(text) == text
