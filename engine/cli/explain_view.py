"""What `integrations explain` shows, as one object and as text.

    method url headers body   the first request of the action, exactly as it would be sent
    signature                 {by put value text fields} the last one made; `signatures` where there are several. `text`
                              is what was signed; a plugin puts that together itself, of `fields` {name: value}
    auth                      the auth method in use
    sent                      false: the URL is for the customer, the engine never calls it
    notes                     what is not exact, in words
    steps                     [{step effect conditional method url headers body signatures | why}] where there are
                              several; `{lookup.id}` stands for what an earlier answer gives, `why` for what it hides
    sandbox                   {fits case action at field difference} the case that the sandbox answers from, or the
                              nearest one with the first field that differs
    case                      with --case: {name source at unconfirmed calls [{action input exchanges result | error
                              differs}]}; exchanges [{step method url body answer {status body} | lost, rules}]
    answer                    with --answer, and alone: {status readable code message rules result | error lentBy}
    rules                     [{at rule matches why}] those that were asked, in their order; the last may match

Every `at` is a place as file:line:column. Secrets of an account that is not a case's are masked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.cases.miss import Miss
from engine.cases.model import Case
from engine.cases.recorded import Recorded
from engine.cases.trace import Exchanged, Placed, TracedCall
from engine.diagnostics import Position
from engine.errors import CallError
from engine.library import exact
from engine.library.absent import ABSENT
from engine.model import Request, Response
from engine.runtime.explain import Explanation, Reading, Repeat, Signed, StepRequest

View = dict[str, Any]
_LONGEST_BODY = 2000


def of_request(found: Explanation, nearest: Recorded | Miss | None, *, is_masked: bool) -> View:
    shown: View = _request(found.request)
    signatures = [_signature(one, is_masked=is_masked) for one in found.signatures]
    if signatures:
        shown["signature"] = signatures[-1]
    if len(signatures) > 1:
        shown["signatures"] = signatures
    if found.method is not None:
        shown["auth"] = found.method
    shown["sent"] = found.sends
    if found.notes:
        shown["notes"] = list(found.notes)
    if len(found.steps) > 1:
        shown["steps"] = [_step(step, is_masked=is_masked) for step in found.steps]
    masked: View = found.masker.data(shown) if is_masked else shown
    return {**masked, "sandbox": _nearest(nearest)} if nearest is not None else masked


def of_case(case: Case, calls: Sequence[TracedCall]) -> View:
    shown: View = {"name": case.name, "source": case.source, "at": _at(case.position)}
    if case.unconfirmed:
        shown["unconfirmed"] = True
    return {**shown, "calls": [_call(call) for call in calls]}


def of_answer(
    reading: Reading, answer: Response, rules: Sequence[Placed], lender: str | None, *, is_masked: bool
) -> View:
    shown: View = {"status": answer.status, "readable": reading.is_readable}
    for name, value in (("code", reading.code), ("message", reading.message)):
        if value is not None and value is not ABSENT:
            shown[name] = value
    shown["rules"] = [_rule(rule) for rule in rules]
    shown |= {"result": reading.output} if reading.error is None else {"error": _failure(reading.error)}
    if reading.repeat is not None:
        shown["repeat"] = _repeat(reading.repeat)
    masked: View = reading.masker.data(shown) if is_masked else shown
    return {"answer": {**masked, "lentBy": lender} if lender is not None else masked}


def _at(position: Position) -> str:
    """As short as it can be from where the command runs, so that a terminal makes a link of it."""
    file, here = position.file, str(Path.cwd())
    short = file.removeprefix(f"{here}{os.sep}")
    return f"{short}:{position.line}:{position.column}"


def _request(request: Request) -> View:
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "replace"),
    }


def _signature(signed: Signed, *, is_masked: bool) -> View:
    shown: View = {"by": signed.by, "put": signed.put, "value": signed.value}
    material = signed.starred if is_masked else signed.shown
    if material.text is not None:
        shown["text"] = material.text
    return {**shown, "fields": dict(material.fields)} if material.fields else shown


def _step(step: StepRequest, *, is_masked: bool) -> View:
    shown: View = {"step": step.step, "effect": step.effect}
    if step.is_conditional:
        shown["conditional"] = True
    if step.request is None:
        return {**shown, "why": step.why}
    shown |= _request(step.request)
    if step.signatures:
        shown["signatures"] = [_signature(one, is_masked=is_masked) for one in step.signatures]
    return shown


def _nearest(found: Recorded | Miss) -> View:
    recorded = found.nearest if isinstance(found, Miss) else found
    shown: View = {"fits": recorded is found}
    if recorded is not None:
        shown |= {"case": recorded.case.name, "action": recorded.action, "at": _at(recorded.case.position)}
    return {**shown, "field": found.place, "difference": found.message} if isinstance(found, Miss) else shown


def _call(call: TracedCall) -> View:
    turn, answer = call.played.turn, call.played.answer
    shown: View = {"action": turn.action, "input": turn.given.get("input", {})}
    shown["exchanges"] = [_exchange(one) for one in call.exchanges]
    if answer.error is None:
        shown["result"] = answer.data
    else:
        error = answer.error
        shown["error"] = _error(error.code, error.message, error.retryable, error.provider_code, error.details)
    if call.played.problems:
        shown["differs"] = list(call.played.problems)
    return shown


def _exchange(one: Exchanged) -> View:
    shown: View = {"step": one.step} if one.step else {}
    request = _request(one.heard.request)
    shown |= {name: request[name] for name in ("method", "url", "body")}
    if one.heard.response is not None:
        body = one.heard.response.body.decode("utf-8", "replace")
        shown["answer"] = {"status": one.heard.response.status, "body": body}
    else:
        shown["lost"] = str(one.heard.failure)
    return {**shown, "rules": [_rule(rule) for rule in one.rules]}


def _rule(rule: Placed) -> View:
    shown: View = {"at": _at(rule.position), "rule": rule.rule, "matches": rule.why is None}
    return shown if rule.why is None else {**shown, "why": rule.why}


def _failure(error: CallError) -> View:
    shown = _error(error.code, error.message, error.retryable, error.provider_code, error.details)
    return shown if error.retry_after_ms is None else {**shown, "retryAfterMs": error.retry_after_ms}


def _error(code: str, message: str, retryable: bool, provider_code: str | None, details: Mapping[str, Any]) -> View:
    shown: View = {"code": code, "message": message, "retryable": retryable}
    if provider_code is not None:
        shown["providerCode"] = provider_code
    return {**shown, "details": dict(details)} if details else shown


def _repeat(repeat: Repeat) -> View:
    shown: View = {"byEngine": repeat.is_sent_again, "attempts": repeat.attempts if repeat.is_sent_again else 1}
    if repeat.renews:
        shown["signsInAnew"] = True
    return {**shown, "byCaller": repeat.ends.retryable, "endsWith": repeat.ends.code}


# ---------------------------------------------------------------- for people


def as_text(shown: View) -> str:
    """Like HTTP, and sentences."""
    parts: list[Iterable[str]] = []
    if "method" in shown:
        parts.append(_http(shown))
    parts += [
        _signature_text(one) for one in shown.get("signatures", [shown["signature"]] if "signature" in shown else [])
    ]
    parts += [[f"({note})"] for note in shown.get("notes", ())]
    if shown.get("sent") is False:
        parts.append(["(this URL is for the customer: the engine builds and signs it, and never calls it)"])
    parts += [_step_text(number, step) for number, step in enumerate(shown.get("steps", ()), 1)]
    if "sandbox" in shown:
        parts.append(_sandbox_text(shown["sandbox"]))
    if "case" in shown:
        parts += _case_text(shown["case"])
    if "answer" in shown:
        parts += _answer_text(shown["answer"])
    return "\n\n".join("\n".join(part) for part in parts)


def _http(request: View) -> Iterator[str]:
    yield f"{request['method']} {request['url']}"
    for name, value in request["headers"].items():
        yield f"{name}: {value}"
    if request["body"]:
        yield ""
        yield request["body"]


def _signature_text(signature: View) -> Iterator[str]:
    yield f"signed by {signature['by']} in {signature['put']}: {signature['value']}"
    if "text" in signature:
        yield f"  of the text: {signature['text']}"
    if "fields" in signature:
        yield f"  of the fields: {_json(signature['fields'])}"


def _step_text(number: int, step: View) -> Iterator[str]:
    condition = ", where its `when` holds" if step.get("conditional") else ""
    yield f"step {number}, {step['step']} ({step['effect']}{condition}):"
    if "why" in step:
        yield f"  {step['why']}"
        return
    for line in _http(step):
        yield f"  {line}"
    for signature in step.get("signatures", ()):
        for line in _signature_text(signature):
            yield f"  {line}"


def _sandbox_text(found: View) -> Iterator[str]:
    if found["fits"]:
        yield f'the sandbox answers from the case "{found["case"]}" ({found["at"]})'
    elif "case" in found:
        yield f'the sandbox has no answer; nearest is the case "{found["case"]}" ({found["at"]}):'
        yield f"  {found['difference']}"
    else:
        yield f"the sandbox has no answer: {found['difference']}"


def _case_text(case: View) -> Iterator[list[str]]:
    yield [f'case "{case["name"]}" ({case["at"]})', f"  source: {case['source']}"]
    for call in case["calls"]:
        lines = [f"{call['action']} {_json(call['input'])}"]
        for number, exchange in enumerate(call["exchanges"], 1):
            lines += _exchange_text(number, exchange)
        yield [*lines, *_ending_text(call), *(f"  the case differs: {what}" for what in call.get("differs", ()))]


def _exchange_text(number: int, exchange: View) -> Iterator[str]:
    step = f" ({exchange['step']})" if "step" in exchange else ""
    yield f"  request {number}{step}: {exchange['method']} {exchange['url']}"
    if "answer" in exchange:
        answer = exchange["answer"]
        yield f"    was answered HTTP {answer['status']} {_short(answer['body'])}"
    else:
        yield f"    was lost: {exchange['lost']}"
    if "step" not in exchange:
        yield "    no rule was asked about it"
        return
    for line in _rules_text(exchange["rules"]):
        yield f"    {line}"


def _rules_text(rules: Sequence[View]) -> Iterator[str]:
    for rule in rules:
        yield f"{rule['at']} {rule['rule']}: {'matches' if rule['matches'] else 'no, ' + rule['why']}"
    if not any(rule["matches"] for rule in rules):
        yield "no rule matches: the HTTP status and `answer.success` decide"


def _ending_text(call: View) -> Iterator[str]:
    if "error" in call:
        error = call["error"]
        code = f" ({error['providerCode']})" if "providerCode" in error else ""
        yield f"  error: {error['code']}{code}{_again(call)}: {error['message']}"
    else:
        yield f"  result: {_json(call['result'])}"


def _answer_text(answer: View) -> Iterator[list[str]]:
    lent = f', with the account and input of the case "{answer["lentBy"]}"' if "lentBy" in answer else ""
    lines = [f"HTTP {answer['status']}{lent}"]
    lines += [f"  {name}: {answer[name]}" for name in ("code", "message") if name in answer]
    if not answer["readable"]:
        lines.append("  the body can't be read in the form it has")
    lines += [*(f"  {line}" for line in _rules_text(answer["rules"])), *_ending_text(answer)]
    yield [*lines, *_repeat_text(answer["repeat"], answer["error"])] if "repeat" in answer else lines


def _again(call: View) -> str:
    """Where it is known what the engine does about it, that is told instead."""
    return ", may be tried again" if call["error"]["retryable"] and "repeat" not in call else ""


def _repeat_text(repeat: View, error: View) -> Iterator[str]:
    wait = f" {error['retryAfterMs'] / 1000:g} seconds later" if "retryAfterMs" in error else ""
    if repeat.get("signsInAnew"):
        yield "  the engine signs in anew and sends it once more"
    if repeat["byEngine"]:
        yield f"  the engine sends it again by itself{wait}, at most {repeat['attempts']} attempts"
    elif not repeat.get("signsInAnew"):
        yield "  the engine does not send it again"
    ends = f" as {repeat['endsWith']}" if repeat["endsWith"] != error["code"] else ""
    if repeat["byCaller"]:
        yield f"  {'then it ' if repeat['byEngine'] else 'it '}may be tried again by the caller{wait}"
    else:
        yield f"  the caller gets it{ends} and is not to try it again as it is"


def _json(value: Any) -> str:
    return exact.dumps(value).decode()


def _short(body: str) -> str:
    return body if len(body) <= _LONGEST_BODY else body[:_LONGEST_BODY] + "…"
