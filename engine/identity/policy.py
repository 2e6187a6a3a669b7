"""The policy file: which principal may do what for which tenants. Read strictly, like a spec.

    policyVersion: 1
    allow:
      - principals: ["arn:aws:iam::111122223333:role/agents"]
        tenants: [acme, "shop-*"]
        actions: [execute]

What no entry allows is forbidden. A token has the rights that it was made with; one that the file names has only those
of them that the file gives too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from engine.errors import SettingsError
from engine.frozen import frozen
from engine.identity.arn import pattern_of
from engine.identity.caller import Grant, covers
from engine.settings import Settings
from engine.spec.check import check_policy
from engine.spec.source import Source, read

TOKEN: Final = "token:"  # noqa: S105 - how a policy names tokens


@frozen
class Policy:
    """Pairs of a principal's pattern and what it is granted."""

    entries: Sequence[tuple[str, Grant]] = field(default=())

    def of(self, principal: str) -> tuple[Grant, ...]:
        """What the principal (an ARN as `principal_of` gives it, or `token:<name>`) is granted."""
        return tuple(grant for pattern, grant in self.entries if covers(pattern, principal))

    def bounds(self, token: str) -> tuple[Grant, ...] | None:
        """None where the file does not name the token."""
        return self.of(TOKEN + token) or None


def open_policy(settings: Settings) -> Policy:
    """What the operator's file allows to whom. Raises `SettingsError`."""
    return Policy() if settings.policy is None else read_policy(settings.policy)


def read_policy(path: Path) -> Policy:
    """Raises `SettingsError` with every finding, each at its place: file, line, column."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"INTEGRATIONS_POLICY: {path} can't be read: {error.strerror}") from None
    source, findings = read(str(path), content)
    findings = [*findings, *(check_policy(source) if source is not None else ())]
    if source is None or findings:
        raise SettingsError("the policy file can't be used:\n" + "\n".join(f"  {one}" for one in findings))
    entries, wrong = _entries(source)
    if wrong:
        raise SettingsError("the policy file can't be used:\n" + "\n".join(f"  {one}" for one in wrong))
    return Policy(entries)


def _entries(source: Source) -> tuple[list[tuple[str, Grant]], list[str]]:
    entries, wrong = [], []
    for i, block in enumerate(source.value["allow"]):
        grant = Grant(tuple(block["tenants"]), frozenset(block["actions"]))
        for j, text, pattern, complaint in _patterns(block):
            if complaint:
                wrong.append(f"{source.position(('allow', i, 'principals', j))}: {complaint}")
            elif text:
                entries.append((pattern, grant))
    return entries, wrong


def _patterns(block: Mapping[str, Any]) -> Iterator[tuple[int, str, str, str]]:
    for j, text in enumerate(block["principals"]):
        if text.startswith(TOKEN):
            yield j, text, text, ""
            continue
        try:
            yield j, text, pattern_of(text), ""
        except ValueError as error:
            yield j, text, "", str(error)
