"""What comes back: status words, events, errors and limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cli.pages.markdown import as_json, code, fenced, folded, heading, plain, table
from engine.cli.pages.subject import Subject
from engine.errors import RETRYABLE

WHO: Mapping[str, str] = {
    "INVALID_INPUT": "the caller",
    "ACTION_NOT_FOUND": "the caller",
    "CONNECTION_INACTIVE": "the tenant",
    "AUTH_FAILED": "the tenant",
    "REAUTH_REQUIRED": "the tenant",
    "FORBIDDEN": "the tenant",
    "NOT_FOUND": "the caller",
    "CONFLICT": "the caller",
    "REJECTED": "the caller",
    "RATE_LIMITED": "nobody: wait",
    "CIRCUIT_OPEN": "nobody: wait",
    "PROVIDER_UNAVAILABLE": "nobody: wait",
    "TIMEOUT": "nobody: wait",
    "OUTCOME_UNKNOWN": "the caller: look first",
    "INVALID_RESPONSE": "the author of the spec",
    "PAYLOAD_TOO_LARGE": "the author of the spec",
    "INTERNAL": "the operator",
}
"""Who must act, for every code."""
_SUCCESS = "success"


def tables(subject: Subject) -> list[str]:
    """The tables that translate between the provider's words and ours."""
    lines: list[str] = []
    for name, block in subject.spec.get("tables", {}).items():
        rows = [[code(theirs), code(ours)] for theirs, ours in block.get("map", {}).items()]
        rows += [[code(rule["when"]), code(rule["is"])] for rule in block.get("rules", ())]
        rows += [["anything else", code(block["other"])]] if "other" in block else []
        lines += [f"**{name}**", "", *table(("From", "To"), rows)]
    return [*heading(2, "Words and codes"), *lines] if lines else []


# --- errors --------------------------------------------------------------------------------------------------------


def errors(subject: Subject) -> list[str]:
    rows = list(_rules(subject.spec.get("errors", ()), "all"))
    for block in subject.blocks():
        name = code(block["actionId"])
        rows += _rules(block.get("errors", ()), name)
        if "partial" in block:
            rows += _rules([block["partial"]], f"{name}, per entry")
        for step in block.get("steps", ()):
            rows += _rules(step.get("errors", ()), f"{name}, step {code(step['stepId'])}")
    for block in subject.spec["auth"]:
        rows += _rules(block.get("errors", ()), f"sign-in {code(block['method'])}")
    success = subject.spec.get("answer", {}).get("success")
    note = [f"An answer is a success where {code(success)}."] if success else []
    note.append(
        "What no line names goes by its HTTP status: 401 is AUTH_FAILED, 404 NOT_FOUND, 429 RATE_LIMITED, "
        "5xx PROVIDER_UNAVAILABLE, any other 4xx INVALID_INPUT or REJECTED."
    )
    columns = ("What the provider says", "Our code", "Retryable", "Who acts", "Where")
    return [*heading(2, "Errors"), *note, "", *table(columns, rows)]


def _rules(rules: Any, where: str) -> Iterator[list[str]]:
    for rule in rules:
        matchers = list(_matchers(rule))
        if "by" in rule:
            for outcome, values in _grouped(rule["codes"]):
                yield _row([f"{code(rule['by'])} is {' or '.join(map(code, values))}", *matchers], outcome, where)
            if "other" in rule:
                yield _row([f"{code(rule['by'])} is anything else", *matchers], rule["other"], where)
        else:
            yield _row(matchers or ["any other answer"], rule, where)


def _grouped(codes: Mapping[str, Any]) -> list[tuple[Any, list[str]]]:
    """The provider's codes that have the same outcome, in the order in which the outcomes first stand there."""
    groups: list[tuple[Any, list[str]]] = []
    for value, outcome in codes.items():
        same = next((values for other, values in groups if other == outcome), None)
        if same is None:
            groups.append((outcome, [value]))
        else:
            same.append(value)
    return groups


def _matchers(rule: Mapping[str, Any]) -> Iterator[str]:
    if "messageContains" in rule:
        yield "message contains " + " or ".join(f"“{plain(text)}”" for text in rule["messageContains"])
    if "status" in rule:
        listed = rule["status"] if isinstance(rule["status"], list) else [rule["status"]]
        yield "HTTP " + ", ".join(map(str, listed))
    if "effect" in rule:
        yield f"for a {rule['effect']}"
    if "when" in rule:
        yield code(rule["when"])
    if "failed" in rule:
        yield code(rule["failed"])


def _row(matchers: list[str], outcome: Any, where: str) -> list[str]:
    rule = {"code": outcome} if isinstance(outcome, str) else outcome
    if rule.get("ok"):
        return [", ".join(matchers), _SUCCESS, "", "", where]
    name = rule.get("code", "REJECTED")
    retryable = rule.get("retryable", name in RETRYABLE)
    return [", ".join(matchers), code(name), "yes" if retryable else "no", WHO[name], where]


# --- events --------------------------------------------------------------------------------------------------------


def events(subject: Subject) -> list[str]:
    """What the provider sends by itself."""
    block = subject.spec.get("webhooks")
    if block is None:
        return []
    rows = [
        [code(event["type"]), code(event["when"]) if "when" in event else "always", ", ".join(map(code, _data(event)))]
        for event in block.get("events", ())
        if not event.get("ignore")
    ]
    proofs = "; ".join(_proof(entry) for entry in block.get("verify", ()))
    return [
        *heading(2, "Events"),
        f"The provider calls us with {code(block.get('method', 'POST'))}. The sender is proved by {proofs}.",
        "",
        *table(("Event", "When", "Data"), rows),
        *_example(subject),
    ]


def _example(subject: Subject) -> list[str]:
    """The first message that becomes an event; headers hold proofs and stay out."""
    case = next((case for case in subject.webhook_cases if case.events), None)
    if case is None:
        return []
    parts = [(kind, case.receive[kind]) for kind in _CONTENTS if kind in case.receive]
    lines = [f"Case *{plain(case.name)}*" + (" (unconfirmed)" if case.unconfirmed else "") + ":", ""]
    for kind, content in parts:
        text = content if isinstance(content, str) else as_json(content)
        lines += [f"What comes ({kind})", "", *fenced("text", subject.masker.text(text))]
    made = [subject.masker.data(event) for event in case.events or ()]
    return folded("Example", [*lines, "What it becomes", "", *fenced("json", as_json(made))])


_CONTENTS = ("query", "json", "form", "xml", "text", "raw")


def _data(event: Mapping[str, Any]) -> list[str]:
    data = event.get("data")
    return [name for name in data if not name.startswith("$")] if isinstance(data, Mapping) else []


def _proof(entry: Mapping[str, Any]) -> str:
    if entry.get("scheme") == "equals":
        return f"a secret in {code(entry.get('given', ''))}"
    return f"a signature ({code(entry.get('scheme') or entry.get('plugin') or '')})"


# --- limits --------------------------------------------------------------------------------------------------------


def limits(subject: Subject) -> list[str]:
    rows = [
        [f"all actions, per {limit['scope']}", f"{limit['calls']} in {limit['per']} s", limit.get("mode", "enforce")]
        for limit in subject.spec.get("limits", ())
    ]
    rates: dict[int, list[str]] = {}
    for action in subject.integration.actions.values():
        if action.rate_limit is not None:
            rates.setdefault(action.rate_limit, []).append(code(action.action_id))
    rows += [[", ".join(names), f"{rate} per minute and connection, each", "enforce"] for rate, names in rates.items()]
    return [*heading(2, "Limits"), *(table(("Of", "Calls", "Mode"), rows) or ["None of our own.", ""])]
