"""Compiles consent and its own requests: authorize, callback, exchange, refresh, revoke.

A token request has the form of RFC 6749 (§4.1.3, §6), a revocation that of RFC 7009, each with the app's id and secret
in the body; a body of the request's own replaces the form, an Authorization header of its own the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.catalog import AnswerPlan, Check, Consent, EncodeOptions, Refresh, RequestPlan, Scopes, Step
from engine.compiled.fault import Path
from engine.compiled.names import Names
from engine.compiled.query import compile_query
from engine.diagnostics import unknown
from engine.spec.build_capture import compile_capture
from engine.spec.build_request import BODIES, Wire, all_paths, compile_ask, compile_text, optional_ask
from engine.spec.build_rules import RuleBuilder
from engine.spec.build_signature import SignatureBuilder
from engine.spec.places import NOTHING, Places

Block = Mapping[str, Any]

_EXCHANGE = {
    "grant_type": "authorization_code",
    "code": "{{ callback.code }}",
    "redirect_uri": "{{ callback.redirectUri }}",
    "code_verifier": "{{ callback.codeVerifier }}",
}
_REFRESH = {"grant_type": "refresh_token", "refresh_token": "{{ token.refresh }}"}
_REVOKE = {"token": "{{ token.refresh | default(token.access) }}"}
_APP = {"client_id": "clientId", "client_secret": "clientSecret"}
_WHERE = ("server", "path", "url")
_INHERITED = ("server", "path", "url", "method", "headers")
_SAID = "body.error"
_SAID_MORE = "body.error_description || body.message || body.error"
_APP_HINT = "app: {type: object, properties: {clientId: {…}, clientSecret: {writeOnly: true, …}}}"


class ConsentBuilder:
    """Compiles what one integration's methods say of consent. `refreshers` are the names that plugins registered."""

    def __init__(
        self,
        places: Places,
        wire: Wire,
        rules: RuleBuilder,
        signatures: SignatureBuilder,
        refreshers: Sequence[str],
    ) -> None:
        self.places = places
        self.wire = wire
        self.rules = rules
        self.signatures = signatures
        self.refreshers = refreshers
        self.findings = wire.findings

    def consent(self, block: Block, path: Path) -> Consent | None:
        if "authorize" not in block:
            return None
        page, here = block["authorize"], (*path, "authorize")
        back, there = block.get("callback", {}), (*path, "callback")
        names, asked = self.places.consent_page(), self.places.callback()
        if "client_id" not in page.get("params", {}):
            self._check_app(here, ["clientId"])
        return Consent(
            url=compile_text(page.get("url", ""), names, self.findings, (*here, "url")),
            params=self.wire.fields(page, "params", names, here),
            pkce=page.get("pkce", "S256") == "S256",
            state=str(page.get("state", "state")),
            verify=self.signatures.signatures(
                back.get("verify"), self.places.callback_proof(), (*there, "verify"), queries=asked
            ),
            checks=tuple(self._checks(back, asked, there)),
            capture=compile_capture(back, self.places, asked, self.wire, there),
            exchange=self._exchange(block, path),
        )

    def _checks(self, back: Block, names: Names, path: Path) -> Iterator[Check]:
        for i, check in enumerate(back.get("checks", ())):
            require = compile_ask(check.get("require"), names, self.findings, (*path, "checks", i, "require"))
            yield Check(require, str(check.get("message", "")), check.get("field"))

    def _exchange(self, block: Block, path: Path) -> Step | None:
        if "exchange" not in block:
            return None
        request, here = block["exchange"].get("request", {}), (*path, "exchange", "request")
        self._check_where(request, (*path, "exchange"))
        filled = self._filled(request, _EXCHANGE, here, (*path, "exchange"))
        return self._step(block, "exchange", filled, self.places.exchange(), path)

    def refresh(self, block: Block, path: Path) -> Refresh | None:
        """The one that is declared; that of a consent is there in any case, for the refresh token that it may bring."""
        if "refresh" not in block and "exchange" not in block:
            return None
        own = block.get("refresh", {})
        at_most = own.get("atMost", {})
        plugin = own.get("plugin")
        if plugin is not None and plugin not in self.refreshers:
            message, hint = unknown("refresher", str(plugin), self.refreshers)
            self.findings.add((*path, "refresh", "plugin"), "NAME012", message, hint)
        step = self._plugin_step(block, path) if plugin is not None else self._refresh_step(block, own, path)
        return Refresh(step, plugin, at_most.get("count"), float(at_most.get("per", 0)))

    def _refresh_step(self, block: Block, own: Block, path: Path) -> Step:
        request, here = own.get("request", {}), (*path, "refresh", "request")
        whole: Path = (*path, "refresh") if "refresh" in block else (*path, "exchange")
        exchange = block.get("exchange", {}).get("request", {})
        if not any(key in request for key in _WHERE):
            if not request:
                self.findings.came_from(here, (*path, "exchange", "request"))
            for key in exchange.keys() & set(_INHERITED) - request.keys():
                self.findings.came_from((*here, key), (*path, "exchange", "request", key))
            request = {**{key: exchange[key] for key in _INHERITED if key in exchange}, **request}
            if not exchange:
                self._check_where(request, whole)
        filled = self._filled(request, _REFRESH, here, whole)
        return self._step(block, "refresh", filled, self.places.own_request(NOTHING), path)

    def _plugin_step(self, block: Block, path: Path) -> Step:
        """What the plugin builds takes the place of this request."""
        options = EncodeOptions()
        blank = RequestPlan("POST", None, None, None, None, None, None, None, None, None, options, options)
        return Step("refresh", "write", blank, self._answer(), self._rules(block, path))

    def revoke(self, block: Block, path: Path) -> Step | None:
        if "revoke" not in block:
            return None
        request, here = block["revoke"].get("request", {}), (*path, "revoke", "request")
        self._check_where(request, (*path, "revoke"))
        filled = self._filled(request, _REVOKE, here, (*path, "revoke"))
        return self._step(block, "revoke", filled, self.places.own_request(NOTHING), path)

    def scopes(self, block: Block, path: Path) -> Scopes | None:
        scopes = block.get("scopes")
        if not isinstance(scopes, Mapping):
            return None
        names, here = self.places.login_answer(NOTHING), (*path, "scopes")
        return Scopes(
            request=tuple(scopes.get("request", ())),
            separator=str(scopes.get("separator", " ")),
            granted=optional_ask(scopes, "granted", names, self.findings, here),
            implies={name: tuple(more) for name, more in scopes.get("implies", {}).items()},
        )

    def _step(self, block: Block, key: str, request: Block, names: Names, path: Path) -> Step:
        """Sent once: whether a second sending of a code or a refresh token does harm, only the provider knows."""
        self._check_leak(request, (*path, key))
        plan = self.wire.plan(request, names, (*path, key, "request"), own_url=True)
        return Step(key, "write", plan, self._answer(), self._rules(block, path))

    def _answer(self) -> AnswerPlan:
        """RFC 6749 §5.2."""
        names = self.places.login_answer(NOTHING)
        return AnswerPlan(code=compile_query(_SAID, names), message=compile_query(_SAID_MORE, names))

    def _rules(self, block: Block, path: Path) -> tuple[Any, ...]:
        own = self.rules.rules(block.get("errors"), self.places.login_answer(NOTHING), (*path, "errors"))
        return (*own, *self.rules.shared(self.wire.spec.get("errors"), self.places))

    def _filled(self, request: Block, form: Mapping[str, str], here: Path, whole: Path) -> Block:
        """The request with the standard form, where it has no body of its own. `whole`: the block as it is written."""
        made = {"method": "POST", **request}
        if made["method"] == "GET" or any(kind in request for kind in (*BODIES, "payload")):
            return made
        fields = dict(form)
        headers = request.get("headers", {})
        if not any(str(name).lower() == "authorization" for name in headers):
            self._check_app(whole, ["clientId"])
            known = self.places.app.fields or {}
            fields |= {name: f"{{{{ app.{field} }}}}" for name, field in _APP.items() if field in known}
        for name in fields:
            self.findings.came_from((*here, "form", name), whole)
        return {**made, "form": fields}

    def _check_app(self, path: Path, needed: Sequence[str]) -> None:
        missing = [name for name in needed if name not in (self.places.app.fields or {})]
        for name in missing:
            message = f"the standard form of this request reads app.{name}, and `app` has no such field"
            self.findings.add(path, "SPEC083", message, f"{_APP_HINT}; or write parameters of your own")

    def _check_where(self, request: Block, path: Path) -> None:
        if not any(key in request for key in _WHERE):
            message = "this request does not say where it goes"
            self.findings.add(path, "SPEC082", message, "request: {url: https://…}, or server and path")

    def _check_leak(self, request: Block, path: Path) -> None:
        """A tenant that types the host would be sent the operator's secret."""
        spec = self.wire.spec
        typed = {
            ("config", host.removeprefix("config.")) for host in spec.get("hosts", ()) if host.startswith("config.")
        }
        where = request.get("url", spec.get("servers", {}).get(request.get("server", "default")))
        secrets = {
            ("app", name) for name, sub in spec.get("app", {}).get("properties", {}).items() if sub.get("writeOnly")
        }
        told = sorted({".".join(read) for read in all_paths(request) if read[:2] in secrets})
        if told and not typed.isdisjoint(read[:2] for read in all_paths(where)):
            message = f"this request takes {told[0]} to a host that the tenant types"
            hint = "who types the host would read the operator's secret: make it a credential of the connection"
            self.findings.add(path, "SPEC089", message, hint)


def check_consent(block: Block, findings: Any, path: Path) -> None:
    """Do the parts of a method that ask a provider for something fit together?"""
    asks = "obtain" in block or "exchange" in block or "refresh" in block
    for key in ("exchange", "callback"):
        if key in block and "authorize" not in block:
            message = f"nobody is asked for consent, so `{key}` says nothing"
            findings.add((*path, key), "SPEC081", message, "authorize: {url: https://…}", key=True)
    for key in ("token", "capture", "errors", "revoke", "scopes"):
        if key in block and not asks and not (key == "scopes" and "authorize" in block):
            message = f"this method asks for no token, so `{key}` says nothing"
            findings.add((*path, key), "SPEC081", message, "leave it out, or add obtain or exchange", key=True)
    if "authorize" in block and "exchange" not in block and not block.get("callback", {}).get("capture"):
        message = "nothing takes what comes back from this page"
        hint = "exchange: {request: {url: …}}, or callback: {capture: …} where the message holds the credentials"
        findings.add((*path, "authorize"), "SPEC082", message, hint, key=True)
    if block.get("type") == "oauth2" and "authorize" not in block and not asks:
        message = "an oauth2 method says where a person consents, and where its token comes from"
        findings.add((*path, "type"), "SPEC082", message, "authorize: {url: …} and exchange: {request: {url: …}}")
    _check_refresh(block, findings, path)


def _check_refresh(block: Block, findings: Any, path: Path) -> None:
    own = block.get("refresh")
    if not isinstance(own, Mapping) or "exchange" in block or "plugin" in own:
        return
    if "refresh" not in block.get("token", {}):
        message = "no answer gives this method a refresh token"
        findings.add((*path, "refresh"), "SPEC082", message, "token: {refresh: body.…}", key=True)
