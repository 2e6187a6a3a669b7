"""Builds a request by position: from a `RequestPlan` and a scope to a `Draft`, and from a draft to bytes.

A draft is what `apply` and `sign` work on: they see it as data and add to it; only `finish` makes bytes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine.catalog import EncodeOptions, RequestPlan
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Lazy, Scope
from engine.errors import CallError
from engine.frozen import slotted
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.model import Request
from engine.runtime import encode, url
from engine.runtime.multipart import multipart_body
from engine.runtime.parse import grouped
from engine.runtime.xml import XmlError, to_xml

_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "graphql": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}


@slotted
class Draft:
    """A request before it is bytes. `query` and `form` hold decoded pairs; `body` the tree of any other kind."""

    method: str
    base: str
    headers: dict[str, str] = field(repr=False)
    query: list[tuple[str, str]] = field(repr=False)
    kind: str | None
    body: Any = field(repr=False)
    form: list[tuple[str, str]] = field(repr=False)
    query_options: EncodeOptions
    form_options: EncodeOptions
    send: bool = True
    payload: Any = field(default=None, repr=False)

    def copy(self) -> Draft:
        made = self.with_headers({})
        made.query, made.form = list(self.query), list(self.form)
        if isinstance(self.body, dict):
            made.body = dict(self.body)
        return made

    def with_headers(self, more: Mapping[str, str]) -> Draft:
        """The same request, everything but the headers shared."""
        headers = {**self.headers, **more}
        return Draft(
            self.method,
            self.base,
            headers,
            self.query,
            self.kind,
            self.body,
            self.form,
            self.query_options,
            self.form_options,
            self.send,
            self.payload,
        )

    def query_text(self) -> str:
        """The encoded query with its `?`, empty when there is none."""
        return "?" + encode.encode_pairs(self.query, self.query_options.space) if self.query else ""

    def url(self) -> str:
        mark = "&" if "?" in self.base else "?"
        return self.base + (mark + self.query_text()[1:] if self.query else "")

    def raw(self) -> bytes:
        """The body as bytes."""
        if self.kind == "form":
            return encode.encode_pairs(self.form, self.form_options.space).encode()
        if self.kind in ("json", "graphql"):
            return encode.json_body(self.body)
        if self.kind == "xml":
            return to_xml(self.body)
        if self.kind == "multipart":
            return multipart_body(self.body)[1]
        return encode.text_body(self.body) if self.kind == "text" else b""

    def seen(self) -> Scope:
        """The roots of `request.…` as `sign` sees them; the costly ones are made when they are read."""
        return Scope.of(
            {
                "method": self.method,
                "base": self.base,
                "path": url.split(self.base).path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "query": grouped(self.query),
                "form": grouped(self.form),
                "json": self.body if self.kind == "json" else ABSENT,
            },
            _OF_DRAFT,
            self,
        )


_OF_DRAFT: Lazy = {
    "url": lambda seen: seen.source.url(),
    "queryText": lambda seen: seen.source.query_text(),
    "raw": lambda seen: seen.source.raw().decode("utf-8", "replace"),
}


def build(plan: RequestPlan, scope: Scope) -> Draft:
    """Render a plan. Raises `CallError` when a value can't be sent, naming the input at fault."""
    try:
        return _build(plan, scope)
    except EvaluationError as error:
        raise unsendable(error.message, error.inputs) from None
    except (encode.Unsendable, XmlError, url.UnsafeUrl, LibraryError) as error:
        raise unsendable(str(error)) from None


def unsendable(message: str, inputs: tuple[str, ...] = ()) -> CallError:
    """A value that can't be written where the spec puts it: the caller's input, unless it came from elsewhere."""
    named = [name.removeprefix("input.") for name in inputs if name.startswith("input.")]
    where = f" ({', '.join(named)})" if named else ""
    details = {"issues": [{"message": message, "path": named[0].split(".")}]} if named else None
    return CallError("INVALID_INPUT", message + where, details=details)


def _build(plan: RequestPlan, scope: Scope) -> Draft:
    payload = plan.payload(scope) if plan.payload is not None else None
    inner = scope.having(payload=payload) if plan.payload is not None else scope
    body = plan.body(inner) if plan.body is not None else None
    form: list[tuple[str, str]] = []
    if plan.body_kind == "graphql":
        body = {"query": plan.graphql, "variables": body}
    elif plan.body_kind == "form":
        form, body = encode.form_pairs(body, plan.form_options), None
    query = plan.query(scope) if plan.query is not None else None
    return Draft(
        method=plan.method,
        base=_base(plan, scope),
        headers=header_fields(plan.headers(scope) if plan.headers is not None else {}),
        query=encode.query_pairs(query, plan.query_options) if query else [],
        kind=plan.body_kind,
        body=None if body is ABSENT else body,
        form=form,
        query_options=plan.query_options,
        form_options=plan.form_options,
        send=plan.send,
        payload=payload,
    )


def _base(plan: RequestPlan, scope: Scope) -> str:
    if plan.url is not None:
        whole = plan.url(scope)
        if not isinstance(whole, str):
            raise CallError("CONNECTION_INACTIVE", "the connection lacks what its sign-in URL is made of")
        return str(url.split(whole))
    server = plan.server(scope) if plan.server is not None else ABSENT
    path = plan.path(scope) if plan.path is not None else ABSENT
    if not isinstance(server, str):
        raise CallError("CONNECTION_INACTIVE", "the connection's config does not say which server to call")
    if not isinstance(path, str):
        raise CallError("INVALID_RESPONSE", "an answer lacked the value that the next path needs; nothing was sent")
    return url.join(server, path) if path else server


def header_fields(tree: Any) -> dict[str, str]:
    """Header names to text; one whose value is absent or null falls."""
    if not isinstance(tree, dict):
        return {}
    fields = {}
    for name, value in tree.items():
        if type(value) is str and value.isascii() and value.isprintable():  # what `header_value` lets by
            fields[name] = value.strip(" ")
        elif value is not None:
            fields[name] = encode.header_value(value)
    return fields


def _says_type(headers: Mapping[str, str]) -> bool:
    return "Content-Type" in headers or "content-type" in map(str.lower, headers)


def finish(draft: Draft) -> Request:
    """The draft as it goes onto the wire. Raises `CallError`."""
    try:
        body = draft.raw()
        headers = dict(draft.headers)
        kind = multipart_body(draft.body)[0] if draft.kind == "multipart" else _TYPES.get(draft.kind or "")
        if kind and not _says_type(headers):
            headers["Content-Type"] = kind
        return Request(draft.method, draft.url(), tuple(headers.items()), body)
    except (encode.Unsendable, XmlError) as error:
        raise unsendable(str(error)) from None
