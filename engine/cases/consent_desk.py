"""Where a browser meets the sandbox: the consent page, the decision, and the way back to the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.cases.authority import Authority, Party
from engine.cases.callback import Unprovable
from engine.cases.come_back import Visit, bare_callback, recorded_callback, told_anew
from engine.cases.consent_page import consent_page, plain_page
from engine.cases.model import ConsentCase
from engine.cases.sites import Site
from engine.catalog import Consent
from engine.frozen import frozen
from engine.model import Request, Response
from engine.runtime.message import Message

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DENIED = {"error": "access_denied", "error_description": "nobody consented"}


@frozen
class Reply:
    """What the browser gets; `first`: what the provider itself tells the service before that."""

    response: Response
    first: Message | None = None


@frozen
class _Asked:
    """What somebody who was sent here brought along."""

    site: Site
    form: Mapping[str, Any] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    back: str = field(repr=False)

    @property
    def consent(self) -> Consent:
        assert self.site.method.consent is not None  # the site is one of a consent
        return self.site.method.consent

    @property
    def state(self) -> str:
        return self.query.get(self.consent.state, "")


class ConsentDesk:
    """`callback_url`: the redirect URI that is registered for the sandbox's apps; None: any on this machine."""

    def __init__(self, authority: Authority, callback_url: str | None = None) -> None:
        self._authority = authority
        self._callback_url = callback_url

    def visit(self, request: Request) -> Reply:
        """GET shows the page, POST brings the decision."""
        query = dict(parse_qsl(request.url.partition("?")[2]))
        found = self._authority.site(request.url, "consent", query)
        if found is None:
            return _said(404, "no spec sends anybody to this address for consent")
        back = query.get("redirect_uri") or next((text for text in query.values() if self._is_ours(text)), "")
        if not self._is_ours(back):
            return _said(400, "the redirect URI is not the one that is registered for the app")
        asked = _Asked(*found, query, back)
        if not asked.state:
            return _said(400, f"the parameter {asked.consent.state} is missing")
        decision = dict(parse_qsl(request.body.decode("utf-8", "replace"))).get("decision")
        if request.method != "POST" or decision not in ("approve", "deny"):
            return Reply(self._page(asked))
        return self._decided(asked, denied=decision == "deny")

    def _is_ours(self, url: str) -> bool:
        if self._callback_url is not None:
            return url == self._callback_url
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK

    def _page(self, asked: _Asked) -> Response:
        scopes = asked.site.method.scopes
        wanted = asked.query.get("scope", "").split(scopes.separator if scopes is not None else None)
        shown = {"App": asked.query.get("client_id", "the sandbox's own")}
        shown |= {name: str(asked.form[name]) for name in asked.site.fields.values() if name in asked.form}
        return consent_page(asked.site.integration.provider, shown, [text for text in wanted if text], asked.back)

    def _decided(self, asked: _Asked, *, denied: bool) -> Reply:
        party = self._authority.parties[asked.site.integration.integration_id]
        case = recorded_callback(party.cases, denied=denied)
        if case is None and asked.consent.verify and not denied:
            return _said(501, "this provider signs its callback, and no case of a consent shows how")
        try:
            message = self._message(asked, party, case, denied=denied)
        except Unprovable as error:
            return _said(501, f"the callback can't be signed: {error}")
        if message.method == "GET":
            return Reply(_sent_to(message.url))
        return Reply(_sent_to(bare_callback(asked.back, {asked.consent.state: asked.state}).url), message)

    def _message(self, asked: _Asked, party: Party, case: ConsentCase | None, *, denied: bool) -> Message:
        fresh = {"state": asked.state}
        visit = Visit(asked.back, fresh, asked.form, party.app)
        if not denied and asked.consent.exchange is not None:
            fresh["code"] = self._authority.code_for(asked.site, visit, asked.query)
        if case is not None:
            return told_anew(case, asked.consent, visit, self._authority.signers, self._authority.now())
        own = {name: text for name, text in fresh.items() if name != "state"}
        return bare_callback(asked.back, {**(_DENIED if denied else own), asked.consent.state: asked.state})


def _sent_to(url: str) -> Response:
    return Response(303, {"location": url, "cache-control": "no-store"}, b"")


def _said(status: int, text: str) -> Reply:
    return Reply(plain_page(status, "Provider sandbox", text))
