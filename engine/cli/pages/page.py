"""The page of one integration, and the index of all."""

from __future__ import annotations

from collections.abc import Sequence

from engine.cli.pages.actions import actions
from engine.cli.pages.connecting import connecting, refreshes
from engine.cli.pages.evidence import sources, unconfirmed
from engine.cli.pages.markdown import code, heading, plain, table
from engine.cli.pages.outcomes import errors, events, limits, tables
from engine.cli.pages.subject import Subject

INDEX = "README.md"
_MADE = "<!-- Written by `integrations docs` from the spec and its cases: change those, not this page. -->"


def page(subject: Subject) -> str:
    integration = subject.integration
    lines = [*heading(1, plain(integration.name)), _MADE, "", plain(integration.description), ""]
    lines += table(("", ""), _facts(subject))
    for part in (connecting, actions, tables, events, errors, limits, unconfirmed, sources):
        lines += part(subject)
    return "\n".join(lines).rstrip("\n") + "\n"


def index(subjects: Sequence[Subject]) -> str:
    lines = [*heading(1, "Integrations"), _MADE, ""]
    rows = []
    for subject in subjects:
        one = subject.integration
        name = f"[{plain(one.name)}]({one.integration_id}.md)"
        counts = (str(len(one.actions)), str(len(subject.all_cases)))
        rows.append(
            [name, code(one.integration_id), one.category, one.status, code(one.auth_type), *counts, _renewal(subject)]
        )
    columns = ("Integration", "Id", "Category", "State", "Sign-in", "Actions", "Cases", "Token renewal")
    lines += table(columns, rows) or ["There is none.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _facts(subject: Subject) -> list[list[str]]:
    one = subject.integration
    open_ones = sum(case.unconfirmed for case in subject.all_cases)
    docs = f" ([documentation]({one.docs_url}))" if one.docs_url else ""
    return [
        ["Id", code(one.integration_id)],
        ["Category", one.category],
        ["Provider", plain(one.provider) + docs],
        ["State", f"{one.status}, version {one.version}"],
        ["Sign-in", f"{code(one.auth_type)}; token renewal: {_renewal(subject)}"],
        ["Actions", str(len(one.actions))],
        ["Cases", f"{len(subject.all_cases)}, of them {open_ones} unconfirmed"],
    ]


def _renewal(subject: Subject) -> str:
    blocks = subject.spec["auth"]
    if any(map(refreshes, blocks)):
        return "by itself"
    return "by connecting again" if any("token" in block for block in blocks) else "not needed"
