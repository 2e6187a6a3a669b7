"""Why a proof does not fit, in an author's words and with the values that differ.

For the replay of cases only, whose secrets are invented: the service never says more than that a proof does not fit.
"""

from __future__ import annotations

from dataclasses import replace

from engine.catalog import Signature, Webhook
from engine.compiled.fault import EvaluationError
from engine.events.interpret import Known, evidence_of
from engine.plugins import PluginError
from engine.runtime import encode, signature
from engine.runtime.message import Message, see
from engine.runtime.verify import Evidence, decide, given_of, is_true, made_by_plugin, rendered

_LONGEST_TEXT = 120


def doubt_of(webhook: Webhook, message: Message, known: Known) -> str:
    """What keeps the proof of a message from fitting; empty when it fits. Raises `Unreadable`, as the message would be
    refused for that."""
    evidence = evidence_of(see(message), known)
    for handshake in webhook.handshakes:
        if handshake.verify and is_true(handshake.when, evidence.queries):
            return why_not(handshake.verify, evidence)
    return why_not(webhook.verify, evidence)


def why_not(blocks: tuple[Signature, ...], evidence: Evidence) -> str:
    """What keeps the block that decides from fitting; empty when it fits."""
    block = next((one for one in blocks if one.when is None or is_true(one.when, evidence.queries)), None)
    if block is None:
        return "the `when` of no proof holds"
    return _why(block, evidence)


def _why(block: Signature, evidence: Evidence) -> str:
    """One block, then those that must fit besides it."""
    if decide((replace(block, when=None),), evidence) is True:
        return ""
    try:
        if block.timestamp is not None:
            stamp = block.timestamp(evidence.queries)
            if not signature.within(stamp, block.timestamp_unit, block.tolerance_seconds, evidence.now):
                return f"timestamp: {_shown(stamp)} is not within {block.tolerance_seconds:g} s of {evidence.now:.0f}"
            evidence = replace(evidence, templates=evidence.templates.having(verify={"timestamp": stamp}))
        return _of_the_values(block, evidence) or _of_the_others(block, evidence)
    except (EvaluationError, PluginError, encode.Unsendable, UnicodeEncodeError) as error:
        return f"can't be computed: {error}"


def _of_the_others(block: Signature, evidence: Evidence) -> str:
    found = (f"also {i}: {why}" for i, one in enumerate(block.also, 1) if (why := _why(one, evidence)))
    return next(found, "")


def _of_the_values(block: Signature, evidence: Evidence) -> str:
    if block.scheme == "refuse":
        return "the scheme of this proof is refuse"
    keys, texts = rendered(block.keys, evidence), rendered(block.texts, evidence)
    if block.keys and not keys:
        return f"no key: {_names(block)} is not given"
    if block.texts and not texts:
        return f"no text to sign: {_names(block)} is not given" if not block.keys else "no text to sign: it is empty"
    given = [one for one in given_of(block, evidence) if isinstance(one, str) and one]
    if not given:
        return f"no signature: {' or '.join(block.given_text) or 'given'} is absent"
    return _of_what_was_made(block, evidence, keys, texts, given)


def _of_what_was_made(
    block: Signature, evidence: Evidence, keys: list[bytes], texts: list[bytes], given: list[str]
) -> str:
    if block.plugin:
        made = [one.decode(errors="replace") for one in made_by_plugin(block, evidence)]
    elif block.scheme == "equals":
        made = [key.decode(errors="replace") for key in keys]
    else:
        tried: list[bytes | None] = [*keys] or [None]
        try:
            made = [signature.sign(block.scheme or "", text, key, block.encoding) for text in texts for key in tried]
        except signature.Unsignable:  # it only verifies
            return "" if _fits(block, keys, texts, given) else f"{_all(given)} fits no key{_over(texts)}"
    if set(made) & set(given):
        return ""
    return f"computed {_all(made)}{_over(texts)}, given {_all(given)}"


def _fits(block: Signature, keys: list[bytes], texts: list[bytes], given: list[str]) -> bool:
    return signature.verify(block.scheme or "refuse", texts, keys, given, block.encoding)


def _names(block: Signature) -> str:
    return " or ".join(name for names in block.key_names for name in names) or "it"


def _all(values: list[str]) -> str:
    return " or ".join(values)


def _over(texts: list[bytes]) -> str:
    shown = [_shown(text.decode(errors="replace")) for text in texts]
    return f" over {_all(shown)}" if shown else ""


def _shown(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
