"""What a provider sends back from its consent page, in the words of a recorded callback.

The newcomer's state, code and account stand in the place of the recorded ones, and proofs are made anew with the app of
the sandbox, as the spec's `callback.verify` will check them. Where nothing was recorded it is as RFC 6749 has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import urlencode

from engine.cases.callback import Unprovable, of_account, proved, replaced
from engine.cases.model import AnyCase, ConsentCase
from engine.cases.stage import epoch_of
from engine.cases.token_answers import code_of
from engine.cases.wire import body_of
from engine.catalog import Consent
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.plugins import PluginError, Signer
from engine.runtime import encode, signature
from engine.runtime.message import Message, see
from engine.runtime.parse import Unreadable
from engine.runtime.verify import Evidence, is_true


def recorded_callback(cases: Sequence[AnyCase], *, denied: bool) -> ConsentCase | None:
    """The first consent of the cases that was given, or denied by the person."""
    consents = (case for case in cases if isinstance(case, ConsentCase))
    return next((case for case in consents if _is_denied(case) == denied and (denied or case.result is not None)), None)


def _is_denied(case: ConsentCase) -> bool:
    return case.result is None and "error" in case.callback.get("query", {})


def bare_callback(url: str, pairs: Mapping[str, str]) -> Message:
    """As RFC 6749 has it."""
    mark = "&" if "?" in url else "?"
    return Message("GET", f"{url}{mark}{urlencode(pairs)}", {}, b"", None)


@frozen
class Visit:
    """Somebody at a consent page: where they are sent back to, the account that they typed, and the app that asks.

    `fresh`: the state that they bring, and the code that they get.
    """

    url: str = field(repr=False)
    fresh: Mapping[str, str] = field(repr=False)
    form: Mapping[str, Any] = field(repr=False)
    app: Mapping[str, Any] = field(repr=False)


def told_anew(case: ConsentCase, consent: Consent, visit: Visit, signers: Mapping[str, Signer], now: float) -> Message:
    """The recorded callback as this visit's. Raises `Unprovable`."""
    said, given = case.callback, case.given
    mark = "&" if "?" in visit.url else "?"
    query = mark + urlencode(said["query"], doseq=True) if "query" in said else ""
    body = body_of(said)
    recorded = Message(said.get("method", "GET"), visit.url + query, body.headers, body.body, None)
    before = proof_of(recorded, given.get("config", {}), given.get("app", {}), signers, epoch_of(given))
    message = recorded
    for old, new in _names(case, visit).items():
        message = replaced(message, old, new)

    def evidence(made: Message) -> Evidence:
        return proof_of(made, visit.form, visit.app, signers, now)

    try:
        block = next((one for one in consent.verify if one.when is None or is_true(one.when, before.queries)), None)
        return proved(message, block, before, evidence) if block is not None else message
    except (EvaluationError, PluginError, Unreadable, encode.Unsendable, signature.Unsignable) as error:
        raise Unprovable(f"its proof can't be made ({type(error).__name__})") from None


def proof_of(
    message: Message, config: Mapping[str, Any], app: Mapping[str, Any], signers: Mapping[str, Signer], now: float
) -> Evidence:
    """What a proof of this callback is held against. Raises `Unreadable`."""
    seen = see(message)
    queries = Scope({**seen.roots, "config": config})
    templates = Scope({"request": seen.request, "config": config, "credentials": {}, "app": dict(app)})
    return Evidence(queries, templates, seen.for_plugin, signers, now)


def _names(case: ConsentCase, visit: Visit) -> dict[str, str]:
    """Recorded texts with those that stand in their place."""
    recorded = {"state": case.given.get("state", ""), "code": code_of(case)}
    return {**of_account(case.given.get("config", {}), visit.form), **of_account(recorded, visit.fresh)}
