"""What the page rests on: the cases that nobody has seen on the wire yet, and the sources."""

from __future__ import annotations

from collections.abc import Sequence

from engine.cases.model import Case, WebhookCase
from engine.cli.pages.markdown import code, folded, heading, plain, table
from engine.cli.pages.subject import Subject


def unconfirmed(subject: Subject) -> list[str]:
    lines = heading(2, "Unconfirmed")
    listed: list[tuple[str, Sequence[Case | WebhookCase]]] = [
        *((code(action_id), subject.cases_of(action_id)) for action_id in subject.integration.actions),
        ("events", subject.webhook_cases),
    ]
    open_ones = [(name, cases, [case for case in cases if case.unconfirmed]) for name, cases in listed]
    rows = [[name, f"{len(unseen)} of {len(cases)}"] for name, cases, unseen in open_ones if unseen]
    if not rows:
        return [*lines, "Every case rests on its source.", ""]
    cases = [
        f"- {name}, *{plain(case.name)}*: {plain(case.source)}" for name, _, unseen in open_ones for case in unseen
    ]
    note = "The sources do not prove these cases; they were not seen on the wire."
    return [*lines, note, "", *table(("Of", "Cases"), rows), *folded("Which, and what their sources say", [*cases, ""])]


def sources(subject: Subject) -> list[str]:
    docs = subject.integration.docs_url
    lines = [f"Documentation of the provider: <{docs}>", ""] if docs else []
    named = sorted({case.source for case in subject.all_cases})
    shown = folded(f"{len(named)} sources of the cases", [*(f"- {plain(source)}" for source in named), ""])
    return [*heading(2, "Sources"), *lines, *shown]
