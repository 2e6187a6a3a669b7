"""Reads `specs/<integrationId>/cases/*.yaml`, as strictly as specs are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from engine.cases.model import AnyCase, Case, ConsentCase, ErrandCase, Exchange, Turn, WebhookCase
from engine.diagnostics import Diagnostic, Position
from engine.spec.check import check_cases
from engine.spec.kept import Kept, packed, unpacked
from engine.spec.source import Source, read

_Block: TypeAlias = tuple[Mapping[str, Any], Position]
"""What a case says, and where it begins."""

_ACCOUNT = frozenset({"config", "credentials", "token", "app", "webhook"})


def read_cases(folder: Path) -> tuple[list[Case], list[Diagnostic]]:
    """All cases of one integration's folder, and what is wrong with their files. A case's name is unique.

    Cases of other kinds are checked with them, and given by `read_folder`.
    """
    cases, diagnostics = read_folder(folder)
    return [case for case in cases if isinstance(case, Case)], diagnostics


def read_webhook_cases(folder: Path) -> list[WebhookCase]:
    """The cases of webhooks of one integration's folder; what is wrong with the files is told by `read_cases`."""
    return [case for case in read_folder(folder)[0] if isinstance(case, WebhookCase)]


def parse_cases(file: str, text: str, integration_id: str) -> tuple[list[AnyCase], list[Diagnostic]]:
    """The cases of one file's text, none where something is wrong with it; `file` is the name that positions show."""
    blocks, found = _blocks(file, text)
    return _cases(blocks, integration_id), found


def read_folder(folder: Path, kept: Kept | None = None) -> tuple[list[AnyCase], list[Diagnostic]]:
    """All cases of every kind in one integration's folder, and what is wrong with their files.

    `kept`: files that were read before without findings are not parsed once more.
    """
    cases: list[AnyCase] = []
    diagnostics: list[Diagnostic] = []
    for path in sorted((folder / "cases").glob("*.yaml")):
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"can't read the file: {type(error).__name__}"
            diagnostics.append(Diagnostic("YAML001", message, Position(str(path), 1, 1)))
            continue
        found, wrong = _recalled(path, text, folder.name, kept)
        cases += found
        diagnostics += wrong
    names: dict[str, Position] = {}
    for case in cases:
        other = names.setdefault(case.name, case.position)
        if other is not case.position:
            hint = f"give each its own name; the other stands in {Path(other.file).name}, line {other.line}"
            diagnostics.append(Diagnostic("CASE001", f'there is another case "{case.name}"', case.position, 1, hint))
    return cases, diagnostics


def _recalled(path: Path, text: str, integration_id: str, kept: Kept | None) -> tuple[list[AnyCase], list[Diagnostic]]:
    if kept is None:
        return parse_cases(str(path), text, integration_id)
    key = kept.key(b"cases", text.encode())
    content = kept.recall(key)
    if content is not None:
        placed = [(block, Position(str(path), line, column)) for block, line, column in unpacked(content)]
        return _cases(placed, integration_id), []
    blocks, found = _blocks(str(path), text)
    if not found and (content := packed([[block, at.line, at.column] for block, at in blocks])) is not None:
        kept.keep(key, content)
    return _cases(blocks, integration_id), found


def _blocks(file: str, text: str) -> tuple[list[_Block], list[Diagnostic]]:
    """The cases of one file as they are written and where, none where something is wrong with it."""
    source, found = read(file, text)
    if source is None:
        return [], found
    found += check_cases(source) or list(_late_accounts(source))
    return ([] if found else [(block, source.position((i,))) for i, block in enumerate(source.value or ())]), found


def _late_accounts(source: Source) -> Iterator[Diagnostic]:
    """A connection is made before the first call, so what a later one says of the account would be passed over."""
    for i, block in enumerate(source.value or ()):
        for n, call in enumerate(block.get("calls", ())[1:], 1):
            for name in sorted(call.get("given", {}).keys() & _ACCOUNT):
                path = (i, "calls", n, "given", name)
                message = f"{name} belongs to the connection, which all calls of a case share"
                at, length = source.position(path, key=True), source.length(path, key=True)
                yield Diagnostic("CASE002", message, at, length, "write it under the case's `given`")


def _cases(blocks: Iterable[_Block], integration_id: str) -> list[AnyCase]:
    made: list[AnyCase] = []
    for block, position in blocks:
        one = next(one for kind, one in _KINDS.items() if kind in block)
        made.append(one(block, integration_id, position))
    return made


def _call_case(block: Mapping[str, Any], integration_id: str, position: Position) -> Case:
    return Case(
        name=block["case"],
        integration_id=integration_id,
        source=block["source"],
        unconfirmed=block.get("unconfirmed", False),
        turns=_turns(block),
        position=position,
    )


def _webhook_case(block: Mapping[str, Any], integration_id: str, position: Position) -> WebhookCase:
    return WebhookCase(
        name=block["webhook"],
        integration_id=integration_id,
        source=block["source"],
        unconfirmed=block.get("unconfirmed", False),
        given=block.get("given", {}),
        receive=block["receive"],
        answer=block["answer"],
        exchanges=_exchanges(block),
        events=tuple(block["events"]) if "events" in block else None,
        again="again" in block,
        tampers=tuple(block.get("tamper", ())),
        position=position,
    )


def _consent_case(block: Mapping[str, Any], integration_id: str, position: Position) -> ConsentCase:
    return ConsentCase(
        name=block["consent"],
        integration_id=integration_id,
        source=block["source"],
        unconfirmed=block.get("unconfirmed", False),
        given=block.get("given", {}),
        authorize=block.get("authorize"),
        callback=block["callback"],
        exchanges=_exchanges(block),
        result=block.get("result"),
        error=block.get("error", {}),
        tampers=tuple(block.get("tamper", ())),
        position=position,
    )


def _errand_case(block: Mapping[str, Any], integration_id: str, position: Position) -> ErrandCase:
    return ErrandCase(
        name=block["errand"],
        integration_id=integration_id,
        source=block["source"],
        unconfirmed=block.get("unconfirmed", False),
        does=block["does"],
        given=block.get("given", {}),
        exchanges=_exchanges(block),
        result=block.get("result"),
        error=block.get("error", {}),
        position=position,
    )


_KINDS: Mapping[str, Callable[[Mapping[str, Any], str, Position], AnyCase]] = {
    "consent": _consent_case,
    "errand": _errand_case,
    "webhook": _webhook_case,
    "case": _call_case,
}
"""By the key that names a case of the kind."""


def _turns(block: Mapping[str, Any]) -> tuple[Turn, ...]:
    """`calls` share what the case gives; a case without them is one turn."""
    if "calls" not in block:
        return (_turn(block, {}, block.get("given", {}).keys()),)
    shared = dict(block.get("given", {}))
    turns: list[Turn] = []
    for call in block["calls"]:
        own = call.get("given", {})
        turns.append(_turn(call, shared, own.keys() if turns else {*shared, *own}))
        if "now" in own:
            shared["now"] = own["now"]
    return tuple(turns)


def _turn(block: Mapping[str, Any], shared: Mapping[str, Any], sets: Iterable[str]) -> Turn:
    return Turn(
        action=block["action"],
        given={**shared, **block.get("given", {})},
        sets=frozenset(sets),
        exchanges=_exchanges(block),
        any_order=block.get("anyOrder", False),
        has_result="result" in block,
        result=block.get("result"),
        error=block.get("error", {}),
        sent=block.get("sent"),
        waited_ms=block.get("waitedMs"),
    )


def _exchanges(block: Mapping[str, Any]) -> tuple[Exchange, ...]:
    return tuple(Exchange(x["expect"], x["answer"]) for x in block.get("exchanges", ()))
