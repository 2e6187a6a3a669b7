"""The page on which somebody at the sandbox consents: plain HTML, two buttons, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

from engine.model import Response

_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_STYLE = "body{font-family:sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}button{padding:.5rem 1.5rem}"


def consent_page(provider: str, asked: Mapping[str, str], scopes: Sequence[str], back: str) -> Response:
    """`asked`: what the page shows of app and account; `back`: the redirect URI. The form goes where the page is."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in asked.items())
    wanted = "".join(f"<li>{escape(scope)}</li>" for scope in scopes) or "<li>access</li>"
    body = (
        f"<h1>{escape(provider)}: connect?</h1>"
        f"<p>This is the provider sandbox. Nothing here is real, and nobody is asked for a password.</p>"
        f"<dl>{rows}</dl><p>The app asks for:</p><ul>{wanted}</ul>"
        f'<form method="post">'
        f'<button name="decision" value="approve">Approve</button> <button name="decision" value="deny">Deny</button>'
        f"</form>"
    )
    return _page(200, body, f"form-action 'self' {_origin(back)}")


def plain_page(status: int, title: str, text: str) -> Response:
    """A page that only says something."""
    return _page(status, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", "form-action 'none'")


def _page(status: int, body: str, forms: str) -> Response:
    policy = f"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; {forms}"
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Provider sandbox</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )
    return Response(status, {**_HEADERS, "content-security-policy": policy}, text.encode())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
