"""A credential in the URL: proxies and servers write URLs into their logs."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.places import schema_of
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_URL = frozenset({"path", "query", "url"})
_SECRET = frozenset({"credentials", "token"})


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        if template.path[0] != "auth" or _URL.isdisjoint(template.path) or "sign" in template.path:
            continue
        for expression in template.expressions:
            if any(_is_secret(subject, path) for path in expression.paths):
                yield subject.at(
                    template.path,
                    "a secret in a URL gets into the logs of every server and proxy on its way",
                    hint="send it as a header or in the body, if the provider takes it there",
                    offset=expression.start - 2,
                    length=expression.end - expression.start + 4,
                )


def _is_secret(subject: Subject, name: tuple[str, ...]) -> bool:
    """An app has fields that everybody may know, its id above all."""
    field = schema_of(subject.resolved, (), name) if name[0] == "app" else None
    return name[0] in _SECRET or bool((field or {}).get("writeOnly"))


RULE = Rule("SEC005", "A credential is sent in a URL.", "warning", check)
