"""The sandbox as the one who grants access: it gives out codes and tokens, renews them and takes them back.

It knows no provider. Where the consent page stands follows from the compiled spec; how an answer about tokens looks and
what a callback holds follows from the cases. It refuses what a strict provider refuses: a code that was used, a refresh
token that was replaced, another app's secret, a PKCE verifier that does not fit.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, unquote

from engine.cases.come_back import Visit
from engine.cases.fake_apps import fake_app
from engine.cases.grants import Code, Grant, Grants, Token, ends, texts_made
from engine.cases.model import AnyCase, ErrandCase
from engine.cases.sites import Site, address_of, sites_of
from engine.cases.token_answers import DEAD, REFUSED, Answer, Fresh, TokenAnswers
from engine.catalog import Catalog, Integration
from engine.frozen import frozen
from engine.library import exact
from engine.model import Request

_REFRESH_SECONDS = 90 * 86_400
_UNKNOWN_CLIENT: Answer = {
    "status": 401,
    "json": {"error": "invalid_client", "error_description": "this is not the app, or not its secret"},
}


@frozen
class Party:
    """An integration whose provider the sandbox plays, its cases, and the sandbox's app there."""

    integration: Integration
    cases: Sequence[AnyCase] = field(repr=False)
    app: Mapping[str, Any] = field(repr=False)
    answers: TokenAnswers = field(repr=False)

    @staticmethod
    def of(integration: Integration, cases: Sequence[AnyCase]) -> Party:
        return Party(integration, cases, fake_app(integration, cases), TokenAnswers(integration, cases))

    @property
    def clients(self) -> frozenset[str]:
        """What names the app."""
        return frozenset(str(value) for name, value in self.app.items() if name not in self._secret)

    @property
    def secrets(self) -> frozenset[str]:
        """What proves the app."""
        return frozenset(str(value) for name, value in self.app.items() if name in self._secret)

    @property
    def _secret(self) -> frozenset[str]:
        return self.integration.app.secrets if self.integration.app is not None else frozenset()


class Authority:
    """`life`: seconds that access tokens hold, in place of what the cases say."""

    def __init__(
        self,
        catalog: Catalog,
        cases: Iterable[AnyCase],
        life: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        by_id: dict[str, list[AnyCase]] = {}
        for case in cases:
            by_id.setdefault(case.integration_id, []).append(case)
        self.parties = {name: Party.of(one, by_id.get(name, ())) for name, one in catalog.integrations.items()}
        self.grants = Grants()
        self.signers = catalog.signers
        self.now = now
        self._life = life
        self._sites = [site for one in catalog.integrations.values() for site in sites_of(one)]

    def site(self, url: str, purpose: str, said: Mapping[str, str]) -> tuple[Site, dict[str, Any]] | None:
        """The site at a URL, and the form of the account as far as the URL tells it.

        Several providers may look alike; then it is the one whose app is named in what is `said`.
        """
        address = address_of(url)
        found = (
            (one, form) for one in self._sites if one.purpose == purpose and (form := one.typed(address)) is not None
        )
        return min(found, key=lambda one: not self._is_meant(one[0], said), default=None)

    def _is_meant(self, site: Site, said: Mapping[str, str]) -> bool:
        return not self.parties[site.integration.integration_id].clients.isdisjoint(said.values())

    def code_for(self, site: Site, visit: Visit, asked: Mapping[str, str]) -> str:
        """A code for somebody who consented. `asked`: the query of the consent page."""
        party = self.parties[site.integration.integration_id]
        client = next((text for text in asked.values() if text in party.clients), asked.get("client_id", ""))
        grant = Grant(site.integration.integration_id, asked.get("scope", ""))
        return self.grants.new_code(Code(grant, client, visit.url, asked.get("code_challenge", "")), self.now())

    def answer(self, request: Request) -> Answer | None:
        """To a request about tokens, and to one with a token that is over; None: it is about something else."""
        headers = (text for _, text in request.headers)
        whole = "\n".join((request.url, *headers, request.body.decode("utf-8", "replace")))
        codes, renewals = texts_made(whole, "code"), texts_made(whole, "refresh")
        access = texts_made(whole, "access")
        said = said_in(request) if codes or renewals or access else {}
        if (renewals or access) and (found := self.site(request.url, "revoke", said)) is not None:
            return self._revoked(found[0], renewals, access)
        if codes:
            return self._exchanged(codes[0], said)
        if renewals:
            return self._renewed(renewals[0], said)
        if any(not self.grants.holds(text, self.now()) for text in access):
            token = self.grants.access.get(access[0])
            return self.parties[token.grant.integration_id].answers.dead if token is not None else DEAD
        return None

    def _exchanged(self, text: str, said: Mapping[str, str]) -> Answer:
        code = self.grants.codes.get(text)
        if code is None:
            return REFUSED
        party = self.parties[code.grant.integration_id]
        if not _is_client(party, said, code.client):
            return _UNKNOWN_CLIENT
        if code.is_used:
            code.grant.is_over = True  # RFC 6749, 4.1.2: one of the two who have it stole it
        leads_back = said.get("redirect_uri", code.redirect_uri) == code.redirect_uri
        if code.is_used or self.now() >= ends(text) or not leads_back or not _is_verified(code.challenge, said):
            return party.answers.refused
        code.is_used = True
        return self._tokens(party, code.grant)

    def _renewed(self, text: str, said: Mapping[str, str]) -> Answer:
        token = self.grants.refresh.get(text) or self._from_before(text, said)
        party = self.parties[token.grant.integration_id] if token is not None else None
        if token is None or party is None or not _is_client(party, said):
            return _UNKNOWN_CLIENT
        if token.is_over or token.grant.is_over or self.now() >= ends(text):
            return party.answers.refused
        token.is_over = party.answers.rotates
        return self._tokens(party, token.grant, None if party.answers.rotates else text, renews=True)

    def _from_before(self, text: str, said: Mapping[str, str]) -> Token | None:
        """A refresh token of a sandbox that has ended since: whoever proves to be the app may go on with it."""
        clients = set(said.values())
        party = next((one for one in self.parties.values() if one.secrets & clients and one.clients & clients), None)
        if party is None:
            return None
        token = Token(Grant(party.integration.integration_id, ""))
        self.grants.refresh.put(text, token)
        return token

    def _tokens(self, party: Party, grant: Grant, refresh: str | None = None, *, renews: bool = False) -> Answer:
        """A new access token, and a new refresh token where the old one does not stay."""
        now, seconds = self.now(), self._life or party.answers.life
        fresh = Fresh(
            access=self.grants.new_access(grant, now + seconds),
            refresh=refresh or self.grants.new_refresh(grant, now + _REFRESH_SECONDS),
            scopes=grant.scopes,
            seconds=seconds,
            now=now,
        )
        return party.answers.granted(fresh, renews=renews)

    def _revoked(self, site: Site, renewals: Sequence[str], access: Sequence[str]) -> Answer:
        known = [
            *(self.grants.refresh.get(text) for text in renewals),
            *(self.grants.access.get(text) for text in access),
        ]
        for token in known:
            if token is not None:
                token.grant.is_over = True
        cases = self.parties[site.integration.integration_id].cases
        recorded = (
            one for one in cases if isinstance(one, ErrandCase) and one.does == "revoke" and one.result is not None
        )
        return next((one.exchanges[-1].answer for one in recorded if one.exchanges), {"status": 200})


def said_in(request: Request) -> dict[str, str]:
    """Parameters of the query, the form or the JSON body, and what a Basic authorization says, by name."""
    said = dict(parse_qsl(request.url.partition("?")[2]))
    headers = {name.lower(): text for name, text in request.headers}
    body = request.body.decode("utf-8", "replace")
    if body.lstrip()[:1] == "{":
        said |= _json_pairs(body)
    else:
        said |= dict(parse_qsl(body))
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        user, _, password = _decoded(text).partition(":")
        said |= {"basic.user": unquote(user), "basic.password": unquote(password)}
    return said


def _json_pairs(body: str) -> dict[str, str]:
    try:
        found = exact.loads(body)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _is_client(party: Party, said: Mapping[str, str], client: str = "") -> bool:
    """Is it the app that asked for consent, with its secret? That of an app of somebody's own is not known here."""
    texts = set(said.values())
    if client and client not in party.clients:
        return client in texts
    return (not party.clients or bool(party.clients & texts)) and (not party.secrets or bool(party.secrets & texts))


def _is_verified(challenge: str, said: Mapping[str, str]) -> bool:
    """RFC 7636, 4.6."""
    digests = (hashlib.sha256(text.encode()).digest() for text in said.values())
    return not challenge or any(base64.urlsafe_b64encode(one).decode().rstrip("=") == challenge for one in digests)
