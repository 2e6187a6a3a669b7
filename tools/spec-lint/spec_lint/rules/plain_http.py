"""A provider that is called without TLS."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        is_url = template.path[0] == "servers" or (template.path[0] == "auth" and template.path[-1] == "url")
        if is_url and template.text.lower().startswith("http://"):
            text = template.text
            yield subject.at(
                template.path,
                "everybody on the way can read and change what goes over http, credentials too",
                hint="https://",
                offset=0,
                length=len("http://"),
                fix=subject.rewriting(template.path, f"https://{text[len('http://') :]}"),
            )


RULE = Rule("SEC006", "A provider is called over http.", "error", check)
