"""A description that speaks of requests, which its reader never makes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import texts
from spec_lint.subject import Subject

_WIRE = re.compile(
    r"\b(?:GET|POST|PUT|PATCH|DELETE) +(?:https?:/)?/\S*"
    r"|(?<![\w./:-])/(?:api|rest|v[0-9]+)/[\w/{}-]*"
    r"|\bHTTP (?:status |code )?[1-5][0-9]{2}\b"
    r"|\b(?i:(?:API|REST|HTTP) endpoints?|(?:request|response) (?:body|headers?)|query (?:parameters?|string)"
    r"|(?:path|body|header) parameters?|JSON (?:body|payload))\b"
)


def check(subject: Subject) -> Iterator[Finding]:
    for path, text in texts(subject):
        for match in _WIRE.finditer(text):
            yield subject.at(
                path,
                f"{match[0]}: the reader of this calls a tool and never sees a request",
                hint="say what happens, in the words of the business",
                offset=match.start(),
                length=len(match[0]),
            )


RULE = Rule("TOOL009", "A description speaks of requests in place of what happens.", "warning", check)
