"""`*.co.uk` in `hosts`: everybody can have a name below it."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_SECOND = frozenset({"ac", "biz", "co", "com", "edu", "go", "gob", "gov", "info", "ne", "net", "nom", "or", "org"})
"""What registries of countries put below their top-level domain."""
_COUNTRY = 2
_HOSTERS = frozenset(
    {
        "amazonaws.com", "appspot.com", "azurewebsites.net", "blogspot.com", "cloudfront.net", "cloudfunctions.net",
        "execute-api.amazonaws.com", "firebaseapp.com", "fly.dev", "github.io", "gitlab.io", "herokuapp.com",
        "netlify.app", "ngrok.app", "ngrok.io", "ngrok-free.app", "onrender.com", "pages.dev", "run.app",
        "s3.amazonaws.com", "sharepoint.com", "trycloudflare.com", "vercel.app", "web.app", "workers.dev",
    }
)  # fmt: skip
"""Domains below which anybody can have a server (of https://publicsuffix.org/list/, private part)."""


def check(subject: Subject) -> Iterator[Finding]:
    for number, host in enumerate(subject.spec.get("hosts", ())):
        name = host.removeprefix("*.")
        if name != host and _is_open(name):
            yield subject.at(
                ("hosts", number),
                f"anybody can have a server below {name}, and credentials may be sent there",
                hint="name the hosts of the provider, or the field that a tenant types: config.<field>",
            )


def _is_open(name: str) -> bool:
    labels = name.split(".")
    is_registry = len(labels) == 2 and labels[0] in _SECOND and len(labels[1]) == _COUNTRY
    return len(labels) == 1 or is_registry or name in _HOSTERS


RULE = Rule("SEC007", "Credentials may reach hosts that anybody can have.", "error", check)
