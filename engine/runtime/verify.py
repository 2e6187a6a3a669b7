"""Proofs: is a message, or an answer, from whom it says?

Everything fails closed. What can't be computed, a secret that is not configured and a plugin that fails are no proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from engine.catalog import Evaluate, Signature
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.plugins import PluginError, Signer, SignInput
from engine.runtime import encode, signature


@frozen
class Evidence:
    """What came, as both languages see it and (`seen`) as a plugin does. `now`: epoch seconds."""

    queries: Scope = field(repr=False)
    templates: Scope = field(repr=False)
    seen: Callable[[], SignInput] = field(repr=False)
    signers: Mapping[str, Signer] = field(repr=False)
    now: float


def decide(blocks: tuple[Signature, ...], evidence: Evidence) -> bool | None:
    """What the first block says whose `when` holds; None when there is none."""
    for block in blocks:
        if block.when is None or is_true(block.when, evidence.queries):
            return _fits(block, evidence)
    return None


def is_true(query: Evaluate, scope: Scope) -> bool:
    """A condition that can't be answered does not hold."""
    try:
        return holds(query(scope))
    except EvaluationError:
        return False


def _fits(block: Signature, evidence: Evidence) -> bool:
    try:
        if block.timestamp is not None:
            stamp = block.timestamp(evidence.queries)
            if not signature.within(stamp, block.timestamp_unit, block.tolerance_seconds, evidence.now):
                return False
            evidence = replace(evidence, templates=evidence.templates.having(verify={"timestamp": stamp}))
        given = given_of(block, evidence)
        matched = _by_plugin(block, evidence, given) if block.plugin else _by_scheme(block, evidence, given)
    except (EvaluationError, PluginError, encode.Unsendable, UnicodeEncodeError):
        return False
    return matched and all(_fits(also, evidence) for also in block.also)


def given_of(block: Signature, evidence: Evidence) -> list[Any]:
    """What the message holds as its signature; null where a query finds none."""
    found = block.given(evidence.queries) if block.given is not None else None
    return found if isinstance(found, list) else [found]


def _by_plugin(block: Signature, evidence: Evidence, given: list[Any]) -> bool:
    return signature.verify("equals", (), made_by_plugin(block, evidence), given)


def _by_scheme(block: Signature, evidence: Evidence, given: list[Any]) -> bool:
    texts = rendered(block.texts, evidence)
    keys = rendered(block.keys, evidence)
    return signature.verify(block.scheme or "refuse", texts, keys, given, block.encoding)


def made_by_plugin(block: Signature, evidence: Evidence) -> list[bytes]:
    """The plugin only computes. Without a key nothing is computed: its text would be anybody's."""
    signer = evidence.signers[str(block.plugin)]
    render = block.extra
    extra = render(evidence.templates) if render is not None else {}
    seen = replace(
        evidence.seen(),
        fields=block.fields,
        extra=extra if isinstance(extra, dict) else {},
        epoch=evidence.now,
    )
    texts = rendered(block.texts, evidence) or [b""]
    return [
        signer(replace(seen, text=text, key=key)).encode() for text in texts for key in rendered(block.keys, evidence)
    ]


def rendered(blocks: tuple[Evaluate, ...], evidence: Evidence) -> list[bytes]:
    """Those that are there, as bytes. A body that is not UTF-8 comes back byte for byte (see `text_of_bytes`)."""
    found = []
    for block in blocks:
        value = block(evidence.templates)
        if value is not ABSENT and value is not None:
            text = value if isinstance(value, bytes) else encode.scalar_text(value, "verify")
            found.append(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return [part for part in found if part]


def text_of_bytes(raw: bytes) -> str:
    """A body as the text that templates join; `rendered` makes the same bytes of it again, whatever they are."""
    return raw.decode("utf-8", "surrogateescape")
