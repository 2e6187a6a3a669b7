"""Where a person's browser comes back to, and where it may be sent when the consent is over: to pages that the operator
named, nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from engine.errors import Issue, RequestError
from engine.runtime import url
from engine.runtime.url import UnsafeUrl

CALLBACK: Final = "/oauth/callback"
LONGEST: Final = 2048
_HIDDEN: Final = re.compile("%(2f|5c|00)", re.IGNORECASE)
"""What some servers read as a slash, a backslash or the end."""


def allowed(given: str, pages: Sequence[str]) -> str:
    """The URL in one spelling. Raises `RequestError` (400) unless it is one of these pages, or lies below one."""
    for page in pages if "://" in given else ():
        try:
            found = url.split(url.on_origin(page, given))
        except UnsafeUrl:
            continue
        path = url.split(page).path.rstrip("/")
        if (found.path == path or found.path.startswith(f"{path}/")) and not _HIDDEN.search(found.path):
            return str(found)
    what = "is not one of the pages that the operator allows (INTEGRATIONS_REDIRECT_URLS)"
    raise RequestError("BAD_REQUEST", f"the redirectUrl {what}", (Issue(what, ("redirectUrl",)),))


def ended(page: str, connection_id: str, error: str | None) -> str:
    """The page with the outcome in its query."""
    told = {"connectionId": connection_id, "status": "connected" if error is None else "failed"}
    if error is not None:
        told["error"] = error
    return f"{page}{'&' if '?' in page else '?'}{urlencode(told)}"
