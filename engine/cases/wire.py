"""Between what a case writes and what goes over the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import urlencode

from engine.library import exact
from engine.model import Request, Response
from engine.runtime.xml import XmlError, from_xml, to_xml

_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
    "text": "text/plain; charset=utf-8",
    "base64": "application/octet-stream",
}


def response_of(answer: Mapping[str, Any]) -> Response:
    """The answer of a case as a response; its content type follows the kind of body unless it is given."""
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    for kind, content_type in _TYPES.items():
        if kind in answer:
            headers.setdefault("content-type", content_type)
            return Response(answer.get("status", 200), headers, _BODIES[kind](answer[kind]))
    return Response(answer.get("status", 200), headers, b"")


def body_of(said: Mapping[str, Any]) -> Response:
    """Headers and body of a message of a case; `raw` has the content type that the case gives it, or none."""
    if "raw" in said:
        headers = {name.lower(): text for name, text in said.get("headers", {}).items()}
        return Response(200, headers, said["raw"].encode())
    return response_of(said)


def _xml_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else to_xml(value)


_BODIES = {
    "json": exact.dumps,
    "form": lambda pairs: urlencode(pairs, doseq=True).encode(),
    "xml": _xml_bytes,
    "text": str.encode,
    "base64": base64.b64decode,
}


def xml_tree(value: Any) -> Any:
    """XML as text, bytes or tree, as a tree."""
    if isinstance(value, dict):
        return from_xml(to_xml(value))
    try:
        return from_xml(value.encode() if isinstance(value, str) else value)
    except XmlError:
        return None


def parts_of(request: Request) -> dict[str, Any]:
    """The parts of a multipart body: text, or `{filename, contentType, base64}`."""
    head = b"".join(f"{name}: {value}\r\n".encode() for name, value in request.headers)
    message = message_from_bytes(head + b"\r\n" + request.body, policy=policy.HTTP)
    parts: dict[str, Any] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        filename = part.get_filename()
        parts[name] = (
            {
                "filename": filename,
                "contentType": part.get_content_type(),
                "base64": base64.b64encode(data).decode(),
            }
            if filename
            else data.decode("utf-8", "replace")
        )
    return parts
