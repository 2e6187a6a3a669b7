"""A host that credentials may reach, and that nothing calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HOST = re.compile(r"https?://([^/?#:]+)")


def check(subject: Subject) -> Iterator[Finding]:
    called = list(_called(subject))
    if None in called:
        return  # config, or a captured value, makes the host
    hosts = {host for host in called if host}
    for number, entry in enumerate(subject.spec.get("hosts", ())):
        if not any(host == entry or (entry[0] == "*" and host.endswith(entry[1:])) for host in hosts):
            yield subject.at(
                ("hosts", number),
                f"no server and no request is at {entry}, and credentials may go there",
                hint="leave it out",
            )


def _called(subject: Subject) -> Iterator[str | None]:
    """The host of every server and every URL; None where a template makes it."""
    for template in subject.templates:
        if template.path[0] == "servers" or template.path[-1] == "url":
            host = _HOST.match(template.text)
            yield host[1].lower() if host and "{{" not in host[1] else None


RULE = Rule("SEC008", "A host may be called, and nothing calls it.", "warning", check)
