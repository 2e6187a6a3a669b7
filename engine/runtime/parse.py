"""The body of an answer as data: what `answer.as` says, or what `auto` finds.

    nothing in it              null, whatever the type says
    JSON type                  JSON, else unreadable
    XML type                   XML, else unreadable
    form type                  {name: text}, a repeated name gives a list
    text type, or none at all  JSON where it begins with { or [ and parses (many servers say text/html), else text
    anything else              binary: {contentType, base64}

`auto` never takes a web page for an answer: text that begins like HTML is unreadable, so that a maintenance page with
status 200 ends as INVALID_RESPONSE, not as a refusal by the provider. Who wants the page says `as: text`.
Error rules that look for words in such an answer use `text_of`, which always gives something.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qsl

from engine.library.exact import loads
from engine.model import Response
from engine.runtime.xml import XmlError, from_xml

As = Literal["auto", "json", "xml", "form", "text", "binary"]

MAX_FORM_FIELDS = 10_000

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:+-]{1,40})', re.IGNORECASE)
_TEXT_CODEC = (  # compiled where an answer names a character set
    r"ascii|utf-8(-sig)?|utf-(16|32)(-[lb]e)?|iso8859-\d+|cp\d+|koi8-[rut]|gb2312|gbk|gb18030|big5(hkscs)?"
    r"|shift_jis(_2004|x0213)?|euc_(jp|kr|jis_2004|jisx0213)|iso2022_(jp|kr)|mac-\w+|tis-620"
)
_PAGE = re.compile(r"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_JSON_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_BLANK = _JSON_SPACE + _BOM[:1]
"""What a body without anything in it begins with."""


class Unreadable(ValueError):
    """A body that is not what it was declared to be. Names the form and perhaps a line, never the content."""


def parse_body(response: Response, as_: As = "auto") -> Any:
    """The body as plain data, numbers exact. Raises `Unreadable`."""
    if not response.body:
        return None
    if as_ == "binary":
        return _binary(response)
    if as_ != "text" and response.body[0] in _BLANK and not response.body.removeprefix(_BOM).strip(_JSON_SPACE):
        return None
    kind, charset = _content_type(response.headers.get("content-type", ""))
    return PARSERS[kind if as_ == "auto" else as_](response, charset)


def text_of(response: Response) -> str:
    """The body as text in its declared character set (UTF-8 otherwise); what does not fit becomes U+FFFD."""
    _, charset = _content_type(response.headers.get("content-type", ""))
    return _text(response, charset)


@lru_cache(maxsize=256)
def _content_type(header: str) -> tuple[str, str | None]:
    """What `auto` makes of a content type, and its character set where it names a known one."""
    essence = header.partition(";")[0].strip().lower()
    found = _CHARSET.search(header)
    return _kind(essence), _codec(found[1]) if found else None


def _kind(essence: str) -> str:
    if essence.endswith(("/json", "+json")):
        return "json"
    if essence in {"application/xml", "text/xml"} or (essence.startswith("application/") and essence.endswith("+xml")):
        return "guess" if essence == "application/xhtml+xml" else "xml"
    if essence == "application/x-www-form-urlencoded":
        return "form"
    return "guess" if not essence or essence.startswith("text/") or essence in _VAGUE else "binary"


_VAGUE = frozenset({"application/javascript", "application/octet-stream", "unknown/unknown"})


def _codec(name: str) -> str | None:
    """The codec of a character set; null for unknown ones and for codecs that are no character set (punycode …)."""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return None
    return codec if re.fullmatch(_TEXT_CODEC, codec) else None


def _guess(response: Response, charset: str | None) -> Any:
    if response.body.removeprefix(_BOM).lstrip(_JSON_SPACE)[:1] in {b"{", b"["}:
        try:
            return _json(response, charset)
        except Unreadable:
            pass
    text = _text(response, charset)
    if _PAGE.match(text):
        raise Unreadable("the answer is a web page, not data")
    return text if _is_text(response, charset) else _binary(response)


def _is_text(response: Response, charset: str | None) -> bool:
    """A body without a telling type is text when all its bytes are."""
    if response.headers.get("content-type", "").lstrip().lower().startswith("text/"):
        return True
    try:
        return "\0" not in response.body.decode(charset or "utf-8")
    except UnicodeDecodeError:
        return False


def _json(response: Response, charset: str | None) -> Any:
    body: bytes | str = response.body
    try:
        if charset and charset not in {"utf-8", "ascii"}:
            body = response.body.decode(charset)
        return loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("the answer is not JSON") from None


def _xml(response: Response, charset: str | None) -> Any:
    try:
        return from_xml(response.body.lstrip(_JSON_SPACE), charset)
    except XmlError as error:
        raise Unreadable(f"the answer is not readable XML: {error}") from None


def _form(response: Response, charset: str | None) -> Any:
    codec = charset or "utf-8"
    try:
        pairs = parse_qsl(
            response.body.decode(codec).strip(),
            keep_blank_values=True,
            encoding=codec,
            errors="strict",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError:
        raise Unreadable("the answer is not a readable form") from None
    return grouped(pairs)


def grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as an object; a name that occurs more than once holds the list of its texts."""
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in found:
            found[name] = text
        elif isinstance(found[name], list):
            found[name].append(text)
        else:
            found[name] = [found[name], text]
    return found


def _text(response: Response, charset: str | None) -> str:
    return response.body.decode(charset or "utf-8", "replace").removeprefix("\ufeff")


def _binary(response: Response, _: str | None = None) -> dict[str, str]:
    essence, mark, parameters = response.headers.get("content-type", "").strip().partition(";")
    return {
        "contentType": f"{essence.strip().lower() or 'application/octet-stream'}{mark}{parameters}",
        "base64": base64.b64encode(response.body).decode(),
    }


PARSERS: Mapping[str, Callable[[Response, str | None], Any]] = {
    "json": _json,
    "xml": _xml,
    "form": _form,
    "text": _text,
    "binary": _binary,
    "guess": _guess,
}
