"""Consent of a person: the invitation for a tenant's page, and the callback, which a stranger's browser brings.

The page that ends a consent is plain HTML without scripts, kept by nobody. It says nothing of tenants, and repeats of
the callback only the provider's own words, escaped.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from engine.api import views
from engine.api.bodies import AUTHORIZE_BODY
from engine.api.fields import NOON, ref
from engine.api.operations import Body, Operation
from engine.api.site import Site
from engine.api.wire import Call, Received, Reply, ok
from engine.connections import redirects
from engine.connections.consent import Outcome, Refused
from engine.errors import StorageError
from engine.runtime.message import Message

COOKIE: Final = "integrations_browser"
"""Where the browser that asks for the invitation has it, only the same browser can bring the callback."""
_HTML: Final = b"text/html; charset=utf-8"
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:18vh auto 0;padding:0 1.5rem;color:#1c2430}"
    "h1{font-size:1.6rem;margin:0 0 .5rem;padding-left:1rem;border-left:.35rem solid #c0392b}"
    "h1.ok{border-color:#1e8e5a}p{margin:0;padding-left:1.35rem;color:#48525f}"
)
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


async def authorize(site: Site, call: Call) -> Reply:
    connection = await site.connections.get(call.tenant, call.params["connectionId"])
    browser = _cookie(call.headers.get(b"cookie", b"").decode("latin-1"))
    made = await site.consents.begin(connection, call.body.get("redirectUrl"), browser)
    return ok({"authorizationUrl": made.url, "expiresAt": views.moment(made.expires_at)})


async def callback(site: Site, call: Call) -> Reply:
    came: Received = call.body
    if came.method == "HEAD":  # whoever only looks whether there is a page uses up nothing
        return _page("Consent", "This address takes the answers of providers.", 200)
    message = Message(came.method, site.public_url + came.target, came.headers, came.body)
    try:
        outcome = await site.consents.come_back(message, _cookie(came.headers.get("cookie", "")))
    except Refused as refused:
        return _page("Not connected", str(refused), 400)
    except StorageError:
        return _page("Not connected", "The service is not available now: load this page again in a moment.", 503)
    return _ended(outcome)


def _ended(outcome: Outcome) -> Reply:
    error = outcome.error
    if outcome.redirect_url is not None:
        there = redirects.ended(
            outcome.redirect_url, outcome.connection.connection_id, error.code if error is not None else None
        )
        return Reply(b"", 303, b"", headers=((b"location", there.encode()), *_HEADERS))
    if error is not None:
        return _page("Not connected", error.message, 400)
    return _page("Connected", "The account is connected. You can close this window.", 200)


def _page(title: str, text: str, status: int) -> Reply:
    mark = ' class="ok"' if status == 200 else ""
    body = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1{mark}>{escape(title)}</h1><p>{escape(text)}</p></body></html>\n"
    )
    return Reply(body.encode(), status, _HTML, headers=_HEADERS)


def _cookie(header: str) -> str | None:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE and value), None)


def _callback(method: str) -> Operation:
    return Operation(
        f"oauth.callback{'' if method == 'GET' else 'Posted'}",
        method,
        redirects.CALLBACK,
        callback,
        "The answer of a provider's consent page, brought by a browser or sent by the provider. It needs no token: its "
        "state is good once, for ten minutes. Leads on to the redirectUrl of the invitation (303), else shows a page.",
        {"type": "string"},
        access="browser",
        answer_type=_HTML.decode(),
        examples={"connected": "<!doctype html>…"},
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "connections.authorize",
        "POST",
        "/connections/{connectionId}/authorize",
        authorize,
        "Where a person consents, for a connection that waits for it or lost what was granted; it keeps its id.",
        ref("Invitation"),
        body=Body("Authorize", AUTHORIZE_BODY, required=False),
        failures=("NOT_FOUND",),
        examples={
            "invitation": {
                "authorizationUrl": "https://accounts.example.com/authorize?response_type=code&client_id=shop",
                "expiresAt": NOON,
            }
        },
    ),
    _callback("GET"),
    _callback("POST"),
)
