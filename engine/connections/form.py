"""Is what a tenant typed a usable account? Config and credentials are checked together against the spec's form.

Which of the two a field belongs to is the spec's decision (`writeOnly` = credential), so a secret that was put into
config by mistake is refused before anything is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.catalog import Form, Hosts, Integration
from engine.diagnostics import nearest
from engine.errors import Issue, RequestError
from engine.runtime.account import texts_of
from engine.runtime.url import UnsafeUrl, typed

Fields = Mapping[str, Any]
LONGEST_CREDENTIAL = 16_384


def check(integration: Integration, config: Fields, credentials: Fields) -> None:
    """Raises `RequestError` (400) with every issue, each under `config` or `credentials`."""
    form = integration.form
    issues = [*_misplaced(form, config, credentials), *_unfit_for_header(form, credentials)]
    issues += [*too_long("credentials", credentials), *_unfit_hosts(integration.hosts, config)]
    if not issues:
        whole = form.schema.fill({**config, **credentials})  # as calls will see it, defaults included
        issues = [_placed(form, issue) for issue in form.schema.check(whole)]
    if issues:
        raise RequestError("BAD_REQUEST", "config and credentials do not fit the integration's form", tuple(issues))


def _unfit_hosts(hosts: Hosts, config: Fields) -> Iterator[Issue]:
    """The credentials will go where these fields say."""
    for name in hosts.config_fields:
        value = config.get(name)
        if isinstance(value, str):
            try:
                typed(hosts, value)
            except UnsafeUrl as refusal:
                yield Issue(str(refusal), ("config", name))


def without_captured(form: Form, config: Fields) -> dict[str, Any]:
    """The fields of a stored config that people gave."""
    return {name: value for name, value in config.items() if name not in form.captured}


def captured_only(form: Form, config: Fields) -> dict[str, Any]:
    """The fields of a stored config that the engine learned from the provider."""
    return {name: value for name, value in config.items() if name in form.captured}


def _misplaced(form: Form, config: Fields, credentials: Fields) -> Iterator[Issue]:
    declared = form.schema.raw.get("properties", {})
    closed = form.schema.raw.get("additionalProperties", False) is False
    settings = [name for name in declared if name not in form.credentials and name not in form.captured]
    for part, given, known in (("config", config, settings), ("credentials", credentials, sorted(form.credentials))):
        for name in given:
            if name in form.captured:
                yield Issue("is filled in by the engine and can't be given", (part, name))
            elif name in form.credentials and part == "config":
                yield Issue("is a credential: send it in credentials", (part, name))
            elif name in declared and name not in form.credentials and part == "credentials":
                yield Issue("is not a credential: send it in config", (part, name))
            elif name not in declared and (closed or part == "credentials"):
                yield _unknown(part, name, known)


def _unknown(part: str, name: str, known: list[str]) -> Issue:
    near = nearest(name, known)
    hint = f'did you mean "{near}"?' if near else f"known: {', '.join(known) or 'none'}"
    return Issue(f"unknown field; {hint}", (part, name[:64]))


def _unfit_for_header(form: Form, credentials: Fields) -> Iterator[Issue]:
    for name in sorted(form.header_fields):
        value = credentials.get(name)
        if isinstance(value, str) and not _fits_header(value):
            what = "can't be sent in a header: it holds a line break, a control character, a letter beyond Latin-1"
            yield Issue(f"{what}, or a space at its beginning or end", ("credentials", name))


def too_long(part: str, secrets: Fields) -> Iterator[Issue]:
    """What is stored as a secret is looked for in everything that is shown, so its length costs."""
    for name, value in secrets.items():
        if sum(map(len, texts_of([value]))) > LONGEST_CREDENTIAL:
            yield Issue(f"must have at most {LONGEST_CREDENTIAL} characters", (part, name[:64]))


def _fits_header(value: str) -> bool:
    """RFC 9110: visible characters, spaces and tabs inside, one byte each."""
    return value == value.strip(" \t") and all(
        char == "\t" or " " <= char <= "~" or "\xa0" <= char <= "\xff" for char in value
    )


def _placed(form: Form, issue: Issue) -> Issue:
    if not issue.path:
        return issue
    return Issue(issue.message, ("credentials" if issue.path[0] in form.credentials else "config", *issue.path))
