"""Compiles `pagination` of an action.

Where position and limit go is written into the request before that is compiled, as its author could have done it:
`into: query.after` stands for `query: {after: "{{ page.cursor }}"}`. What the caller sees (`limit`, `cursor`,
`nextCursor`) is added to the schemas after the names of the spec were checked against the author's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.catalog import LONGEST_CURSOR, Pagination, Step
from engine.compiled.fault import Path
from engine.compiled.names import Names, Shape
from engine.compiled.schema import Schema
from engine.compiled.tree import DIRECTIVES
from engine.spec.build_request import compile_ask, compile_text, optional_ask
from engine.spec.findings import Findings

_POSITIONS: Mapping[str, str] = {"cursor": "cursor", "page": "number", "offset": "offset", "url": "url"}
"""What names a page of each kind, as `page.…`."""
_LIMIT = "How many entries one page holds at most."
_CURSOR = (
    "Where to go on: the nextCursor of the page before, with everything else of the input as it was. "
    "Leave it out for the first page."
)
_NEXT_CURSOR = "There is more: call again with this as cursor and the same input. Absent on the last page."


def page_shape(block: Mapping[str, Any]) -> Shape:
    """The root `page` of an action with this pagination."""
    kind = str(block.get("kind"))
    fields = {_POSITIONS[kind]: Shape(sure=kind in ("page", "offset"))} if kind in _POSITIONS else {}
    if "limit" in block:
        fields["limit"] = Shape(sure="default" in block["limit"])
    return Shape(fields, sure=True)


def offered_input(own: Schema, block: Mapping[str, Any]) -> Schema:
    """What the caller may give: the author's fields, and where and how long the page is."""
    added: dict[str, Any] = {}
    if "limit" in block:
        limit = block["limit"]
        given = {word: limit[key] for word, key in _BOUNDS.items() if key in limit}
        added["limit"] = {"type": "integer", "minimum": 1, **given, "description": _LIMIT}
    added["cursor"] = {"type": "string", "minLength": 1, "maxLength": LONGEST_CURSOR, "description": _CURSOR}
    return _with_properties(own, added)


_BOUNDS = {"minimum": "min", "maximum": "max", "default": "default"}


def offered_output(own: Schema) -> Schema:
    return _with_properties(own, {"nextCursor": {"type": "string", "description": _NEXT_CURSOR}})


def _with_properties(own: Schema, added: Mapping[str, Any]) -> Schema:
    return Schema({**own.raw, "properties": {**(own.raw.get("properties") or {}), **added}})


def compile_pagination(
    block: Mapping[str, Any], steps: Sequence[Step], requests: Names, answer: Names, findings: Findings, path: Path
) -> Pagination:
    """`path` is that of the action; its request was made by `with_places`."""
    paging, here = block["pagination"], (*path, "pagination")
    kind = paging.get("kind", "cursor")
    follow = None
    if kind == "url" and "steps" not in block:
        location = compile_text("{{ page.url }}", requests, findings, (*here, "next"))
        follow = replace(steps[0], request=replace(steps[0].request, **_BARE, url=location))
    return Pagination(
        kind=kind,
        has_limit="limit" in paging,
        next=optional_ask(paging, "next", answer, findings, here),
        more=optional_ask(paging, "more", answer, findings, here),
        items=compile_ask(paging.get("items", ""), answer, findings, (*here, "items")),
        follow=follow,
    )


_BARE: Mapping[str, Any] = {"server": None, "path": None, "query": None}


# --- where position and limit go ---


def _places(paging: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is put somewhere by name: the key that says so, the place, the template."""
    position = _POSITIONS.get(str(paging.get("kind")))
    if "into" in paging and position is not None and position != "url":
        yield ("into",), str(paging["into"]), f"{{{{ page.{position} }}}}"
    if "into" in paging.get("limit", ()):
        yield ("limit", "into"), str(paging["limit"]["into"]), "{{ page.limit }}"


def with_places(block: Mapping[str, Any], findings: Findings, path: Path) -> Mapping[str, Any]:
    """The action with position and limit written into its request."""
    for key, place, template in _places(block["pagination"]):
        here = (*path, "pagination", *key)
        if "steps" in block:
            message = "in an action with steps nothing says which of their requests this is about"
            findings.add(here, "SPEC106", message, f'write "{template}" into the request that reads the list')
        elif isinstance(block.get("request"), Mapping):
            request = _with_place(block["request"], place, template, findings, (path, here))
            block = {**block, "request": request}
    return block


def _with_place(
    request: Mapping[str, Any], place: str, template: str, findings: Findings, at: tuple[Path, Path]
) -> Mapping[str, Any]:
    path, here = at
    kind, _, name = place.partition(".")
    key = "headers" if kind == "header" else kind
    node = request.get(key, {})
    if not isinstance(node, Mapping) or (kind in ("json", "form") and key not in request):
        message = f"the request has no `{key}` of names and values that this could be put into"
        findings.add(here, "SPEC106", message, f'write "{template}" where it belongs')
        return request
    if any(name == known or (kind == "header" and name.lower() == str(known).lower()) for known in node):
        findings.add(
            here, "SPEC106", f"`{key}` of the request has another value for {name} already", "give one of them"
        )
        return request
    added = "$" + name if name.startswith("$") else name
    inside = (*path, "request", key)
    if any(known in DIRECTIVES for known in node):
        findings.came_from((*inside, "$merge", 0), findings.written_at(inside))
        findings.came_from((*inside, "$merge", 1, added), here)
        return {**request, key: {"$merge": [node, {added: template}]}}
    findings.came_from((*inside, added), here)
    return {**request, key: {**node, added: template}}


# --- what does not go together ---


def check_pagination(block: Mapping[str, Any], read: Sequence[tuple[str, ...]], findings: Findings, path: Path) -> None:
    """`read`: the names that the templates of the requests read, before `with_places`."""
    paging, here = block["pagination"], (*path, "pagination")
    _check_kind(paging, block, findings, here)
    _check_limit(paging, findings, here)
    _check_fields(paging, block, findings, path)
    if block.get("category", "read") != "read":
        message = "only a read can be read page by page: a write would be done again for each page"
        findings.add(here, "SPEC105", message, "category: read", key=True)
    position = _POSITIONS.get(str(paging.get("kind")), "url")
    if position != "url" and "into" not in paging and ("page", position) not in read:
        message = "nothing says where in the request it stands which page is asked for"
        findings.add((*here, "kind"), "SPEC102", message, f'into: query.<name>, or "{{{{ page.{position} }}}}"')
    if "limit" in paging and "into" not in paging["limit"] and ("page", "limit") not in read:
        message = "nothing says where in the request the limit stands, so the caller's wish would be lost"
        findings.add((*here, "limit"), "SPEC102", message, 'into: query.<name>, or "{{ page.limit }}"', key=True)


def _check_kind(paging: Mapping[str, Any], block: Mapping[str, Any], findings: Findings, here: Path) -> None:
    kind = paging.get("kind")
    if kind == "url" and "into" in paging:
        message = "the next URL is called as it is, so nothing of it is put anywhere"
        findings.add((*here, "into"), "SPEC101", message, "leave it out, or kind: cursor", key=True)
    if kind in ("page", "offset") and "next" in paging:
        message = f"kind {kind} counts on by itself, so nothing of the answer leads on"
        findings.add((*here, "next"), "SPEC101", message, "leave it out, or kind: cursor", key=True)
    if kind == "url" and "steps" in block:
        message = "in an action with steps nothing says which of their requests the next URL stands for"
        findings.add((*here, "kind"), "SPEC105", message, "kind: cursor, with the cursor in a step's request")
    elif kind == "url" and block.get("request", {}).get("method", "GET") != "GET":
        message = "the next URL is called with GET and no body, so the first request is a GET too"
        findings.add((*here, "kind"), "SPEC105", message, "kind: cursor for other methods")


def _check_limit(paging: Mapping[str, Any], findings: Findings, here: Path) -> None:
    limit = paging.get("limit", {})
    low, high = limit.get("min", 1), limit.get("max")
    if high is not None and low > high:
        findings.add((*here, "limit", "min"), "SPEC103", "the smallest limit is above the largest")
    elif "default" in limit and not low <= limit["default"] <= (high or limit["default"]):
        message = f"the default is not from {low} to {high}" if high else f"the default is below {low}"
        findings.add((*here, "limit", "default"), "SPEC103", message)


def _check_fields(paging: Mapping[str, Any], block: Mapping[str, Any], findings: Findings, path: Path) -> None:
    added = {"inputSchema": ("cursor", "limit") if "limit" in paging else ("cursor",), "outputSchema": ("nextCursor",)}
    for schema, names in added.items():
        raw = block.get(schema)
        properties = raw.get("properties") if isinstance(raw, Mapping) else None
        for name in names:
            if isinstance(properties, Mapping) and name in properties:
                message = f"pagination adds {name} to the {schema}, so it can't be a field of your own"
                findings.add((*path, schema, "properties", name), "SPEC104", message, "leave it out", key=True)
