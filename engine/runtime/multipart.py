"""`multipart/form-data`: fields, and files as `{filename, contentType, base64}`.

    {note: hello, photos: [{filename: a.png, contentType: image/png, base64: …}, …]}

A list repeats its part, null falls. The boundary is the digest of what it separates: the same tree always gives the
same bytes, and no part can hold it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from engine.runtime.encode import Unsendable, header_value, text_body

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;[\x20-\x7e]*)?")
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def multipart_body(tree: Any) -> tuple[str, bytes]:
    """`(content type with boundary, body)`. Raises `Unsendable`, naming the part."""
    if not isinstance(tree, dict):
        raise Unsendable("multipart: must be an object of parts")
    parts = [part for name, value in tree.items() for part in _parts(name, value)]
    digest = hashlib.sha256()
    for head, content in parts:
        digest.update(hashlib.sha256(head).digest() + hashlib.sha256(content).digest())
    boundary = digest.hexdigest()[:40]
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return f"multipart/form-data; boundary={boundary}", body + mark + b"--\r\n"


def _parts(name: str, value: Any) -> Iterator[tuple[bytes, bytes]]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            yield _file(name, item)
        elif item is not None:
            if isinstance(item, list):
                raise Unsendable(f"multipart.{name}: a list inside a list has no parts")
            yield _head(name), text_body(item)


def _file(name: str, item: dict[str, Any]) -> tuple[bytes, bytes]:
    kind = item.get("contentType", "application/octet-stream")
    content, filename = item.get("base64"), item.get("filename")
    if not isinstance(content, str) or not isinstance(filename, str) or not isinstance(kind, str):
        raise Unsendable(f"multipart.{name}: a file needs filename and base64, both text")
    if not _TYPE.fullmatch(kind):
        raise Unsendable(f"multipart.{name}: contentType is no media type")
    try:
        data = base64.b64decode(content, validate=True)
    except ValueError:
        raise Unsendable(f"multipart.{name}: base64 can't be decoded") from None
    return _head(name, f'; filename="{_quoted(filename)}"', f"\r\nContent-Type: {header_value(kind)}"), data


def _head(name: str, more: str = "", lines: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{_quoted(name)}"{more}{lines}'.encode()


def _quoted(text: str) -> str:
    quoted = text.translate(_QUOTED)
    if re.search(r"[\x00-\x1f\x7f]", quoted):
        raise Unsendable("multipart: a name holds control characters")
    try:
        quoted.encode()
    except UnicodeEncodeError:
        raise Unsendable("multipart: half of a surrogate pair can't be sent") from None
    return quoted
