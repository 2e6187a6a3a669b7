"""A message from a provider as it came in, and what queries and templates see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.model import Response
from engine.plugins import SignInput
from engine.runtime.parse import Unreadable, grouped, parse_body, text_of
from engine.runtime.verify import text_of_bytes

LARGEST_MESSAGE = 1024 * 1024
"""Bytes of a body."""
_MOST_PAIRS = 1000
_FORM = "application/x-www-form-urlencoded"
_PORTS = {"https": 443, "http": 80}


@frozen
class Message:
    """`url`: absolute, as the provider called it. Header names are lower-case. `key`: the last part of the path."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    key: str | None = field(default=None, repr=False)


@frozen
class Seen:
    """What is read of a message: the roots of queries, and `request` of templates."""

    roots: Mapping[str, Any] = field(repr=False)
    request: Scope = field(repr=False)
    message: Message

    def for_plugin(self) -> SignInput:
        """The values of the body, or of the query where there is none."""
        body = self.roots["body"]
        return SignInput(
            method=self.message.method,
            base=self.request["base"],
            query=tuple(_pairs(self.message)),
            headers=dict(self.message.headers),
            values=body if isinstance(body, dict) else self.roots["query"],
            raw=self.message.body,
        )


def bare(message: Message) -> Scope:
    """`request` for the answer to a message that can't be read."""
    return Scope({"method": message.method, "url": message.url, "headers": dict(message.headers)})


def see(message: Message) -> Seen:
    """Raises `Unreadable` for a body or a query that is not what it is declared to be."""
    if message.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unreadable("the body is compressed")
    response = Response(200, message.headers, message.body)
    query = grouped(_pairs(message))
    body = parse_body(response)
    is_form = message.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    roots = {
        "method": message.method,
        "query": query,
        "form": body if is_form and isinstance(body, dict) else {},
        "headers": dict(message.headers),
        "body": body,
        "text": text_of(response),
    }
    return Seen(roots, _request(message, roots, response), message)


def _pairs(message: Message) -> list[tuple[str, str]]:
    text = message.url.partition("?")[2]
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS) if text else []
    except ValueError:
        raise Unreadable("the query can't be read") from None


def _request(message: Message, roots: Mapping[str, Any], response: Response) -> Scope:
    base, mark, query = message.url.partition("?")

    def as_json(_seen: Scope) -> Any:
        try:
            return parse_body(response, "json")
        except Unreadable:
            return ABSENT

    return Scope.of(
        {
            "method": message.method,
            "url": message.url,
            "base": base,
            "queryText": mark + query,
            "query": roots["query"],
            "headers": roots["headers"],
            "form": roots["form"],
            "key": ABSENT if message.key is None else message.key,
        },
        {
            "urlWithPort": lambda _: _with_port(message.url),
            "json": as_json,
            "raw": lambda _: text_of_bytes(message.body),
        },
    )


def _with_port(url: str) -> str:
    """The URL with its port written out: some providers sign it so."""
    parts = urlsplit(url)
    if parts.port is not None or parts.scheme not in _PORTS:
        return url
    return url.replace(parts.netloc, f"{parts.netloc}:{_PORTS[parts.scheme]}", 1)
