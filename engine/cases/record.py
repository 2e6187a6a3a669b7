"""Makes a case of a call that was recorded, without anybody's secrets and data, and tries it out.

Only what was *given* and what was *answered* is cleaned. The expected requests are those that the engine makes of that,
so they hold nothing that is not in there, and their signatures are right for the invented credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import product
from pathlib import Path
from typing import Any

from engine.cases.kinds import text_of
from engine.cases.match import compare, differences
from engine.cases.model import Case
from engine.cases.read import parse_cases
from engine.cases.replay import play
from engine.cases.scrub import Replaced, Scrub, vocabulary
from engine.cases.tape import Heard, Recording, RecordingClock, answered, expected
from engine.cases.wire import xml_tree
from engine.cases.write import Unwritable, yaml_of
from engine.catalog import Action, Catalog, Integration
from engine.compiled.scope import Scope
from engine.errors import CallError, RequestError
from engine.frozen import frozen
from engine.library import exact
from engine.model import Answer
from engine.redact import sensitive_fields
from engine.runtime.call import derived_key, rfc3339
from engine.runtime.response import answer_scope
from engine.runtime.transport import Transport
from engine.spec.source import read

_FAKE_ID = "01FAKE00000000000000000001"
_FAKE_KEY = "fake-idempotency-key-0001"
_MOST_SUSPECTS = 60
_TRIES = 3


@frozen
class Recorded:
    """A call as it was made. `given`: config, credentials, app, input, and the token that it held before; `learned`:

    secrets that came with the answers.
    """

    name: str
    source: str
    integration: Integration
    action: Action
    given: Mapping[str, Any] = field(repr=False)
    learned: Sequence[str] = field(repr=False)
    key: str | None = field(repr=False)
    clock: RecordingClock = field(repr=False)
    heard: Sequence[Heard] = field(repr=False)
    answer: Answer = field(repr=False)


@frozen
class Outcome:
    """The case, and what is to be said of it. `needed`: values whose fakes change what comes of the call."""

    block: Mapping[str, Any] = field(repr=False)
    replaced: Mapping[str, int]
    made_anew: tuple[str, ...]
    """Places of requests that are not those that were sent with fakes put in: signatures and the like."""
    hidden: bool
    """Some value was left in an encoded form and is starred out."""
    problems: tuple[str, ...]
    needed: tuple[Replaced, ...]


async def make_case(recorded: Recorded, catalog: Catalog, spec: Any, spec_text: str) -> Outcome:
    """`spec`: its plain value, `spec_text` the file. Raises `RequestError` for a call that no case can hold."""
    scrub = _learned(recorded, spec, spec_text)
    tried = await _tried(recorded, catalog, _fitting(recorded, scrub), spec_text)
    needed = await _needed(recorded, catalog, scrub, spec_text) if tried.problems else []
    block = scrub.guard(spec_text).data(tried.block)
    hidden = block is not tried.block and block != tried.block
    return Outcome(block, scrub.counts(), tried.made_anew, hidden, tried.problems, tuple(needed))


async def _needed(recorded: Recorded, catalog: Catalog, scrub: Scrub, spec_text: str) -> list[Replaced]:
    """The values that alone, left as they are, make the case come out like the call."""
    suspects = scrub.replaced[:_MOST_SUSPECTS]
    tried = [(one, await _tried(recorded, catalog, scrub.without(one), spec_text)) for one in suspects]
    return [one for one, without in tried if not without.problems]


# ---------------------------------------------------------------- what is to be replaced


def _learned(recorded: Recorded, spec: Any, spec_text: str) -> Scrub:
    integration, action, given = recorded.integration, recorded.action, recorded.given
    scrub = Scrub(vocabulary(spec) | _codes(recorded))
    scrub.learn_secrets(given["credentials"], "credentials")
    scrub.learn_secrets(given.get("app", {}), "credentials")
    token = given.get("token", {})
    scrub.learn_secrets({name: token[name] for name in ("access", "refresh") if name in token}, "token")
    scrub.learn_secrets(list(recorded.learned), "token")
    fields = integration.config_schema.get("properties", {})
    scrub.learn(given["config"], "config", sensitive_fields(integration.config_schema))
    for name, value in given["config"].items():
        if not {"enum", "const"} & fields.get(name, {}).keys():
            scrub.learn_setting(name, value, f"config.{name}")
    scrub.learn(given["input"], "input", sensitive_fields(action.input_schema.raw))
    answers = [answered(heard, spec_text) for heard in recorded.heard]
    came_in = exact.dumps([answers, given["input"]]).decode()
    shown = _found_in(came_in, recorded.answer.data)
    scrub.learn(shown, "result", sensitive_fields(action.output_schema.raw))
    for number, answer in enumerate(answers, 1):
        _learn_answer(scrub, answer, f"answer {number}")
    _freeze(recorded, scrub)
    return scrub


def _codes(recorded: Recorded) -> frozenset[str]:
    """What the spec reads as the codes of these answers are words of the provider, whatever they look like."""
    logins = (step for method in recorded.integration.methods for step in method.obtain)
    steps = (*recorded.action.steps, *logins)
    roots = {"input": recorded.given["input"], "config": recorded.given["config"], "call": {}, "vars": {}, "steps": {}}
    found = {recorded.answer.error.provider_code or ""} if recorded.answer.error is not None else set()
    for step, response in product(steps, [heard.response for heard in recorded.heard if heard.response is not None]):
        scope, _ = answer_scope(step, Scope(roots), response, "", ())
        found.add(text_of(scope["code"]))
    return frozenset(found - {""})


def _found_in(came_in: str, data: Any) -> Any:
    """The output without what the spec makes of other values: that will be made of their fakes."""
    if isinstance(data, Mapping):
        return {name: _found_in(came_in, value) for name, value in data.items()}
    if isinstance(data, list):
        return [_found_in(came_in, value) for value in data]
    written = exact.dumps(data).decode().strip('"')
    return data if written in came_in else None


def _learn_answer(scrub: Scrub, answer: Mapping[str, Any], place: str) -> None:
    scrub.learn(answer.get("headers", {}), f"{place}.headers")
    for kind in ("json", "form", "text"):
        if kind in answer:
            scrub.learn(answer[kind], f"{place}.{kind}")
    if "xml" in answer:
        scrub.learn(xml_tree(answer["xml"]), f"{place}.xml")
        scrub.learn(answer["xml"], f"{place}.xml")


def _freeze(recorded: Recorded, scrub: Scrub) -> None:
    """Ids, keys and randomness of this one call are others in the case, also where a provider repeats them."""
    for real, fake in ((_execution_id(recorded), _FAKE_ID), (recorded.key, _FAKE_KEY)):
        if real is not None:
            scrub.replace(real, fake)
            scrub.replace(derived_key(real), derived_key(fake))
    for number, drawn in enumerate(recorded.clock.drawn, 1):
        scrub.replace(drawn, f"{number:032x}")


def _execution_id(recorded: Recorded) -> str:
    return recorded.clock.made[0]


def _fitting(recorded: Recorded, scrub: Scrub) -> Scrub:
    """Fakes that the form and the input schema refuse take the form of the real values."""
    config, credentials, asked = (recorded.given[name] for name in ("config", "credentials", "input"))
    for _ in range(_TRIES):
        account, given = scrub.clean({**config, **credentials}), scrub.clean(asked)
        form, schema = recorded.integration.form.schema, recorded.action.input_schema
        issues = [(account, issue) for issue in form.check(form.fill(account))]
        issues += [(given, issue) for issue in schema.check(schema.fill(given))]
        changed = [scrub.keep_form(_at(tree, issue.path)) for tree, issue in issues]
        if not any(changed):
            break
    return scrub


def _at(tree: Any, path: tuple[str | int, ...]) -> str:
    for step in path:
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return ""
    return tree if isinstance(tree, str) else exact.dumps(tree).decode()


# ---------------------------------------------------------------- trying it out


@frozen
class _Tried:
    block: Mapping[str, Any] = field(repr=False)
    made_anew: tuple[str, ...]
    problems: tuple[str, ...]


async def _tried(recorded: Recorded, catalog: Catalog, scrub: Scrub, spec_text: str) -> _Tried:
    """The cleaned case with the requests that the engine makes of it."""
    answers = [_writable(scrub.clean(answered(heard, spec_text))) for heard in recorded.heard]
    sent = [_cleaned_request(scrub, heard) for heard in recorded.heard]
    exchanges = [{"expect": expect, "answer": answer} for expect, answer in zip(sent, answers, strict=True)]
    block = _block(recorded, scrub, exchanges, recorded.answer)
    tapes: list[Recording] = []

    def around(wire: Transport) -> Transport:
        tapes.append(Recording(wire))
        return tapes[0]

    try:
        (made,) = await play(_read(block, recorded.integration.integration_id), catalog, around=around)
    except CallError as error:
        return _Tried(block, (), (f"the case's account can't be connected: {error.code}: {error.message}",))
    heard = tapes[0].heard
    problems = _outcome_differs(recorded, scrub, made.answer)
    if len(heard) != len(answers):
        problems.append(f"the call sent {len(recorded.heard)} requests, the case sends {len(heard)}")
    anew = sorted({_place(what) for expect, one in zip(sent, heard, strict=False) for what in _differing(expect, one)})
    pairs = zip(heard, answers, strict=False)
    exchanges = [{"expect": expected(one.request), "answer": answer} for one, answer in pairs]
    return _Tried(_block(recorded, scrub, exchanges, made.answer), tuple(anew), tuple(problems))


def _cleaned_request(scrub: Scrub, heard: Heard) -> dict[str, Any]:
    expect: dict[str, Any] = scrub.clean(expected(heard.request))
    return expect


def _differing(expect: Mapping[str, Any], heard: Heard) -> list[str]:
    return differences(expect, heard.request)


def _place(difference: str) -> str:
    return difference.partition(":")[0]


def _outcome_differs(recorded: Recorded, scrub: Scrub, made: Answer) -> list[str]:
    """How what comes of the case differs from what came of the call, with fakes put in."""
    real = recorded.answer
    if (real.error is None) != (made.error is None):
        was = "a result" if real.error is None else real.error.code  # no message: it is the provider's, and not cleaned
        return [f"the call ended with {was}, the case with {_ending(made)}"]
    if real.error is not None and made.error is not None:
        return compare("error", scrub.clean(_error(real)), _error(made))
    shown = _plain(made.data)
    return compare("result", _without_cursor(scrub.clean_like(_plain(real.data), shown)), _without_cursor(shown))


def _ending(answer: Answer) -> str:
    return "a result" if answer.error is None else f"{answer.error.code} ({answer.error.message})"


def _error(answer: Answer) -> dict[str, Any]:
    error = answer.error
    assert error is not None  # asked for failures only
    shown = {"code": error.code, "retryable": error.retryable}
    more = {"providerCode": error.provider_code, "retryAfterMs": error.retry_after_ms}
    return {**shown, **{name: value for name, value in more.items() if value is not None}}


def _plain(data: Any) -> Any:
    return exact.loads(exact.dumps(data))


def _without_cursor(data: Any) -> Any:
    """Of two calls each has a cursor sealed by itself."""
    return {k: v for k, v in data.items() if k != "nextCursor"} if isinstance(data, Mapping) else data


def _writable(answer: dict[str, Any]) -> dict[str, Any]:
    """JSON that YAML can't hold (a number of a hundred digits) stands there as text."""
    try:
        yaml_of([answer])
    except Unwritable:
        if "json" not in answer:
            raise
        headers = {"content-type": "application/json", **answer.get("headers", {})}
        text = exact.dumps(answer["json"]).decode()
        return {"status": answer["status"], "headers": headers, "text": text}
    return answer


def _block(recorded: Recorded, scrub: Scrub, exchanges: list[dict[str, Any]], answer: Answer) -> dict[str, Any]:
    requests = exact.dumps([exchange["expect"] for exchange in exchanges]).decode()
    given: dict[str, Any] = {"now": rfc3339(recorded.clock.now()).replace(".000", "")}
    if _holds(requests, _FAKE_ID) and recorded.key is None:
        given["id"] = _FAKE_ID
    if recorded.clock.drawn:
        given["random"] = [f"{n:032x}" for n in range(1, len(recorded.clock.drawn) + 1)]
    if recorded.key is not None and _holds(requests, _FAKE_KEY):
        given["idempotencyKey"] = _FAKE_KEY
    for name in ("config", "credentials", "app", "token", "input"):
        if recorded.given.get(name):
            given[name] = scrub.clean(recorded.given[name])
    block: dict[str, Any] = {
        "case": recorded.name,
        "action": recorded.action.action_id,
        "source": recorded.source,
        "given": given,
        "exchanges": exchanges,
    }
    return {**block, **({"result": _plain(answer.data)} if answer.error is None else {"error": _error(answer)})}


def _holds(text: str, key: str) -> bool:
    return key in text or derived_key(key) in text


def _read(block: Mapping[str, Any], integration_id: str) -> Case:
    """The block as it will be read from its file. Raises `RequestError` when it can't be."""
    try:
        cases, wrong = parse_cases("case.yaml", yaml_of([block]), integration_id)
    except Unwritable as error:
        raise RequestError("BAD_REQUEST", f"a case can't hold this call: {error}") from None
    if wrong or not isinstance(cases[0], Case):
        said = "; ".join(re.sub(r'"[^"]*"', "…", finding.message) for finding in wrong[:3])
        raise RequestError("BAD_REQUEST", f"a case can't hold this call: {said}")
    return cases[0]


# ---------------------------------------------------------------- into its file


def append(file: Path, block: Mapping[str, Any], head: str = "") -> None:
    """Writes the case at the end of its file, which else stays as it is; `head`: what a new file begins with.

    Raises `RequestError` where that can't be.
    """
    before = file.read_text("utf-8") if file.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    after = f"{before or head}{gap}{yaml_of([block])}"
    old, _ = read(str(file), before) if before else (None, [])
    new, wrong = read(str(file), after)
    if wrong or new is None or new.value != [*((old.value or []) if old is not None else []), *_plain([block])]:
        raise RequestError("BAD_REQUEST", f"{file} is no list of cases in block style: nothing can be added at its end")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(after, "utf-8", newline="\n")
