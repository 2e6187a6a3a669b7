"""`messageContains` where `answer` does not say where the message stands."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.fault import Path
from spec_lint.refusals import refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for rule in listed.rules:
            at = (*rule.path, "messageContains")
            if "messageContains" in rule.block and not _is_declared(subject, rule.path, "message"):
                yield subject.at(
                    at,
                    "`answer` does not say where the message stands, so nothing ever contains this",
                    key=True,
                    hint="answer: {message: body.…}",
                )
    answers = {query.path for query in subject.queries if "status" in query.names.roots and query.path[0] != "auth"}
    for path, reads in subject.reads:
        for name in ("code", "message") if path in answers else ():
            is_read = (name,) in reads.whole or (name,) in reads.asked
            if is_read and path[-2:] != ("answer", name) and not _is_declared(subject, path, name):
                message = f"`answer` does not say where the {name} stands, so it is always null here"
                yield subject.at(path, message, hint=f"answer: {{{name}: body.…}}")


def _is_declared(subject: Subject, path: Path, name: str) -> bool:
    """Does `answer` of the integration say it, that of the action, or (for all actions) that of any action?"""
    actions = subject.resolved["actions"]
    own = [actions[path[1]]] if path[0] == "actions" else actions
    return any(name in block.get("answer", ()) for block in (subject.resolved, *own))


RULE = Rule("ERR005", "A rule reads a code or message that `answer` does not declare.", "error", check)
