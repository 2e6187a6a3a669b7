"""A recorded message of a provider, said anew to a connection.

In the sandbox nobody pays and no courier drives, so nothing would ever call back. Here a recorded message is told
again: under the ids of what the newcomer made, at this moment, with proofs that fit the connection. A proof is found in
the message by its value and replaced by the one that the same block of the spec's `verify` computes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from engine.cases.replay_webhook import Heard
from engine.catalog import Signature, Webhook
from engine.compiled.fault import EvaluationError
from engine.events.interpret import Known, evidence_of, interpret
from engine.plugins import PluginError
from engine.runtime import encode, signature
from engine.runtime.message import Message, see
from engine.runtime.parse import Unreadable
from engine.runtime.verify import Evidence, given_of, is_true, made_by_plugin, rendered

_FORM = "application/x-www-form-urlencoded"
IDS = re.compile(r"[a-z]+(?:[A-Z][a-z]+)*(?:Id|Code|Reference)")
"""Names of fields that tell things apart."""
_SHORTEST = 4
"""A shorter text stands in a message by chance too."""


class Unprovable(ValueError):
    """No proof can be made that the connection would believe; says why, without a secret."""


def renamed(data: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, str]:
    """Recorded ids with the ones that stand in their place: fields of both that are codes, ids or references."""
    return {value: made[name] for name, value in data.items() if name in made and _stands_for(name, value, made[name])}


def of_account(recorded: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    """What a recorded account typed, with what another typed in the same fields."""
    pairs = ((old, own.get(name)) for name, old in recorded.items())
    return {
        old: new
        for old, new in pairs
        if isinstance(old, str) and isinstance(new, str) and len(old) >= _SHORTEST and new and old != new
    }


def _stands_for(name: str, old: Any, new: Any) -> bool:
    """A number stays one: the message may hold it without quotes."""
    if not isinstance(old, str) or not isinstance(new, str) or not IDS.fullmatch(name):
        return False
    return len(old) >= _SHORTEST and old != new and old.isdecimal() == new.isdecimal()


def said_anew(webhook: Webhook, recorded: Heard, names: Mapping[str, str], known: Known) -> Message:
    """The message for the connection that `known` describes. Raises `Unprovable`."""
    try:
        before = evidence_of(see(recorded.message), recorded.known)
        block = next(one for one in webhook.verify if one.when is None or is_true(one.when, before.queries))
        message = _addressed(recorded.message, webhook, known)
        for old, new in names.items():
            message = replaced(message, old, new)
        message = proved(message, block, before, lambda made: evidence_of(see(made), known))
    except StopIteration:
        raise Unprovable("no proof of the spec is meant for this message") from None
    except (EvaluationError, PluginError, Unreadable, encode.Unsendable, signature.Unsignable) as error:
        raise Unprovable(f"its proof can't be made ({type(error).__name__})") from None
    reading = interpret(webhook, message, known)
    if reading.outcome not in ("understood", "handshake"):
        raise Unprovable(f"the connection would not believe it: {reading.reason}")
    return message


def _addressed(message: Message, webhook: Webhook, known: Known) -> Message:
    mark, query = message.url.partition("?")[1:]
    key = known.made.get("token") if "key" in webhook.uses else None
    return replace(message, url=known.made["url"] + mark + query, key=key)


def proved(message: Message, block: Signature, before: Evidence, evidence: Callable[[Message], Evidence]) -> Message:
    """Every proof made anew: those that must hold besides come first, for the signature may be over them.

    `before`: what the recorded message was held against; `evidence`: what the new one will be.
    """
    for also in block.also:
        message = proved(message, also, before, evidence)
    if block.timestamp is not None:
        stamp = block.timestamp(before.queries)
        unit = 1000 if block.timestamp_unit == "ms" else 1
        message = replaced(message, str(stamp), str(int(evidence(message).now * unit)))
    given = [one for one in given_of(block, before) if isinstance(one, str) and len(one) >= _SHORTEST]
    made = _made(block, evidence(message))
    for old in given:
        message = replaced(message, old, made)
    return message


def _made(block: Signature, evidence: Evidence) -> str:
    if block.timestamp is not None:
        evidence = replace(
            evidence, templates=evidence.templates.having(verify={"timestamp": block.timestamp(evidence.queries)})
        )
    if block.plugin:
        return _first(made_by_plugin(block, evidence)).decode()
    keys = rendered(block.keys, evidence)
    if block.scheme == "equals":
        return _first(keys).decode()
    return signature.sign(
        block.scheme or "refuse", _first(rendered(block.texts, evidence)), keys[0] if keys else None, block.encoding
    )


def _first(found: Iterable[bytes]) -> bytes:
    made = next(iter(found), None)
    if made is None:
        raise Unprovable("the connection lacks the secret that its messages are proved with")
    return made


def replaced(message: Message, old: str, new: str) -> Message:
    """A text replaced wherever it stands alone: in headers, query and body, in either case of letters."""
    pattern = re.compile(rf"(?<![0-9A-Za-z]){re.escape(old)}(?![0-9A-Za-z])", re.IGNORECASE)

    def put(text: str) -> str:
        return pattern.sub(lambda _: new, text)

    base, mark, query = message.url.partition("?")
    body = message.body.decode("utf-8", "surrogateescape")
    is_form = message.headers.get("content-type", "").startswith(_FORM)
    return replace(
        message,
        url=base + mark + _in_pairs(query, put),
        headers={name: put(value) for name, value in message.headers.items()},
        body=(_in_pairs(body, put) if is_form else put(body)).encode("utf-8", "surrogateescape"),
    )


def _in_pairs(text: str, put: Callable[[str], str]) -> str:
    return urlencode([(name, put(value)) for name, value in parse_qsl(text, keep_blank_values=True)])
