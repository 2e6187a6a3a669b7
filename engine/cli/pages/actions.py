"""What can be done: a table of all actions, then each with its input, its output and an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from engine.cases.model import Case, Exchange, Turn
from engine.catalog import Action
from engine.cli.pages.fields import field_table
from engine.cli.pages.markdown import as_json, code, fenced, folded, heading, plain, table
from engine.cli.pages.subject import Subject
from engine.redact import Masker

_KINDS = {"read": "reads", "write": "writes", "action": "acts"}
_REPEATS = {
    "key": "Safe with the same `Idempotency-Key`: the provider recognises the key and does it once.",
    "natural": "Safe: the same again changes nothing more.",
    "none": "**Not safe: a second call does it a second time.** After `OUTCOME_UNKNOWN` look before repeating it.",
}
_BODIES = ("json", "form", "xml", "text", "multipart", "raw")


def actions(subject: Subject) -> list[str]:
    lines = [*heading(2, "Actions"), *_overview(subject)]
    for block in subject.blocks():
        lines += _action(subject, block, subject.integration.actions[block["actionId"]])
    return lines


def _overview(subject: Subject) -> list[str]:
    rows = []
    for action in subject.integration.actions.values():
        cases = subject.cases_of(action.action_id)
        rows.append(
            [f"[`{action.action_id}`](#{action.action_id})", plain(action.name), _kind(action), str(len(cases))]
        )
    return table(("Action", "What it is for", "Effect", "Cases"), rows)


def _kind(action: Action) -> str:
    return _KINDS[action.category] + (", deprecated" if action.deprecated else "")


def _action(subject: Subject, block: Mapping[str, Any], action: Action) -> list[str]:
    lines = [*heading(3, action.action_id), plain(action.description), ""]
    lines += [*_facts(block, action), ""]
    given = field_table(action.input_schema.raw)
    lines += ["**Input**", "", *(given or ["None.", ""])]
    got = field_table(action.output_schema.raw, required=False)
    lines += ["**Result**", "", *(got or ["Nothing but success.", ""])]
    example = subject.example_of(action.action_id)
    return lines + (_example(*example, subject.masker) if example else [])


def _facts(block: Mapping[str, Any], action: Action) -> Iterator[str]:
    effect = "changes nothing" if action.effect == "read" else "changes something at the provider"
    yield f"- **Effect:** {action.category}: {effect}"
    if action.effect == "read":
        yield "- **Repeat:** safe."
    else:
        settled = (
            f" A lost answer is settled by a look with {code(action.confirm.action_id)}." if action.confirm else ""
        )
        yield f"- **Repeat:** {_REPEATS[action.idempotency or 'none']}{settled}"
    if action.rate_limit is not None:
        yield f"- **Limit:** {action.rate_limit} calls per minute and connection"
    if action.timeout_seconds is not None:
        yield f"- **Time:** at most {action.timeout_seconds:g} seconds, retries included"
    if "pagination" in block:
        yield "- **Pages:** yes: call again with `cursor` set to `nextCursor` until there is none"
    for check in action.checks:
        yield f"- **Check:** {plain(check.message)}"


def _example(case: Case, turn: Turn, masker: Masker) -> list[str]:
    lines = [f"Case *{plain(case.name)}*" + (" (unconfirmed)" if case.unconfirmed else "") + ":", ""]
    lines += ["Input", "", *fenced("json", as_json(turn.given.get("input", {})))]
    if turn.exchanges:
        lines += ["What is sent" + (" (the last request)" if len(turn.exchanges) > 1 else ""), ""]
        lines += fenced("http", masker.text(_request(turn.exchanges[-1])))
    return folded("Example", [*lines, "Result", "", *fenced("json", as_json(masker.data(turn.result)))])


def _request(exchange: Exchange) -> str:
    """Method, URL and body of what a case expects; headers hold credentials and stay out."""
    expect = exchange.expect
    query = urlencode(expect["query"], doseq=True) if expect.get("query") else ""
    first = f"{expect['method']} {expect['url']}" + (f"?{query}" if query else "")
    kind = next((kind for kind in _BODIES if kind in expect), None)
    if kind is None:
        return first
    body = expect[kind]
    return f"{first}\n\n{body if isinstance(body, str) else as_json(body)}"
