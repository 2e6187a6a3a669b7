"""A secret that is written into the spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.compiled.fault import Path
from engine.spec.marks import Text
from spec_lint.rule import Finding, Rule
from spec_lint.secrecy import is_fake, known_secrets, names_secret, random_token
from spec_lint.subject import Subject

_HINT = "a secret is a writeOnly field of configSchema: {{ credentials.<field> }}; change the one that was published"
_WORDS_ONLY = frozenset({"description", "docsUrl", "pattern", "examples", "title"})
_SENT = frozenset({"apply", "form", "headers", "json", "query", "basic", "payload", "sign"})
_SHORTEST = 8


def check(subject: Subject) -> Iterator[Finding]:
    text = Text(subject.source.file, subject.source.text)
    for start, end in known_secrets(text.text):
        yield Finding("this looks like a real secret", text.at(start), end - start, _HINT)
    for path, value in _texts(subject.spec, ()):
        span = _secret(path, value)
        if span is not None:
            message = "this looks like a secret that is sent as it stands"
            yield subject.at(path, message, hint=_HINT, offset=span[0], length=span[1] - span[0])


def _texts(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in _WORDS_ONLY:
                yield from _texts(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _texts(value, (*path, number))


def _secret(path: Path, text: str) -> tuple[int, int] | None:
    """Where the text holds something random, or the whole of it where it is what its key calls a secret."""
    name = str(path[-1])
    is_secret = names_secret(name) or name.lower() == "authorization"
    if is_secret and "{{" not in text and not _SENT.isdisjoint(path[:-1]) and _could_be_secret(text):
        return 0, len(text)
    return random_token(text)


def _could_be_secret(text: str) -> bool:
    return len(text) >= _SHORTEST and any(char.isdigit() for char in text) and not is_fake(text)


RULE = Rule("SEC001", "A secret stands in the spec.", "error", check)
