"""A person consents at the provider: the address of the page, and the story of the callback.

1 state        known, not used, of this browser; the connection is as it was when the person was sent off
2 refusal      the provider says that nobody consented: shown, the state stays good
3 proof        the spec's `verify` and `checks`; what the callback says of the account fits the form and the hosts
4 use          the state is used up, by one of all who have it; what fails before this changes nothing
5 exchange     the code becomes a token, stored; or the callback itself held the credentials
6 connected    the connection is active, under the id that it had
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final

from engine.catalog import Consent, Method
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.connections import redirects
from engine.connections.callback import Came, learned
from engine.connections.form import without_captured
from engine.connections.page import Page
from engine.connections.ports import Engine, Proof
from engine.connections.states import Found, Pending, States
from engine.connections.waiting import consenting
from engine.errors import CallError, Code, EngineError, Issue, RequestError, StorageCorrupt, VersionConflict
from engine.frozen import frozen
from engine.library import exact
from engine.model import Connection
from engine.redact import clean_message
from engine.runtime import encode, routes, url
from engine.runtime.account import CREDENTIALS, Account, Accounts
from engine.runtime.agenda import Agenda
from engine.runtime.grant import GRANT
from engine.runtime.inputs import truth
from engine.runtime.message import Message

_TRIES: Final = 10
_LONGEST_CODE: Final = 4096
_TEST_SECONDS: Final = 10.0
_UNKNOWN: Final = "this is no answer to a consent that is under way: it is unknown, or it took too long"
_USED: Final = "this consent was used already"

logger = logging.getLogger("integrations")


class Refused(EngineError):
    """A callback that is none of ours, or comes too late. Nothing was changed, nothing was sent.

    The message is fit for whoever reads it, and says nothing of tenants and connections.
    """


@frozen
class Invitation:
    """Where the person goes; good until then (epoch seconds)."""

    url: str = field(repr=False)
    expires_at: float


@frozen
class Outcome:
    """How a consent ended; `error` None: the account is connected."""

    connection: Connection
    redirect_url: str | None
    error: CallError | None = None


class Consents:
    """`public_url`: where callbacks reach us. `redirect_urls`: pages of the operator, for afterwards."""

    def __init__(self, engine: Engine, public_url: str, redirect_urls: Sequence[str] = ()) -> None:
        self._engine = engine
        self._accounts = Accounts(engine.catalog, engine.store)
        self._states = States(engine.store, engine.clock)
        self._redirect_uri = public_url + redirects.CALLBACK
        self._redirect_urls = redirect_urls
        self._running: set[asyncio.Future[Proof]] = set()

    async def begin(
        self, connection: Connection, redirect_url: str | None = None, browser: str | None = None
    ) -> Invitation:
        """`browser`: the cookie of the browser that will come back, where it has one of ours.

        Raises `RequestError`: 404 or 400, with what the connection or its app lacks.
        """
        afterwards = None if redirect_url is None else redirects.allowed(redirect_url, self._redirect_urls)
        account = await self._account(connection)
        method = _wanted(account)
        state = self._engine.clock.secret()
        verifier = self._engine.clock.secret() if _of(method).pkce else None
        origin = self._engine.wires.upstreams.get(account.integration.integration_id)
        try:
            address = Page(account, method, self._redirect_uri, self._engine.clock).address(state, verifier, origin)
        except (EvaluationError, encode.Unsendable, url.UnsafeUrl, CallError) as error:
            what = error.message if isinstance(error, EvaluationError | CallError) else str(error)
            raise RequestError("BAD_REQUEST", f"the address of the consent page can't be made: {what}") from None
        pending = Pending(connection.connection_id, method.name, _seen(account), verifier, afterwards, _hashed(browser))
        return Invitation(address, await self._states.keep(state, connection.tenant_id, pending))

    async def come_back(self, message: Message, browser: str | None = None) -> Outcome:
        """What became of the consent. Raises `Refused`, and `StorageError` before the state is used."""
        came = Came.read(message)
        state, found = await self._found(came)
        account, method = await self._bound(found, browser)
        pending, consent = found.pending, _of(method)
        if came.text(consent.state) != state:
            raise Refused(_UNKNOWN)
        if found.used_by is not None:
            return self._again(account, consent, found, message)
        account.mask(state, pending.verifier, came.text("code"))
        if (denial := _denied(account, method, came)) is not None:
            return Outcome(account.connection, pending.redirect_url, denial)
        captured = self._proven(came, account, method)
        if consent.exchange is None and message.method == "POST":
            pending = replace(pending, redirect_url=None)  # the provider's server told it: no browser is here
        if not await self._states.use(found, message.method):
            raise Refused(_USED)
        return await self._finish(account, method, pending, came, captured)

    async def _found(self, came: Came) -> tuple[str, Found]:
        """Which parameter holds the state is known once it is found."""
        for state in came.candidates():
            try:
                found = await self._states.find(state)
            except StorageCorrupt:
                continue
            if found is not None:
                return state, found
        raise Refused(_UNKNOWN)

    async def _bound(self, found: Found, browser: str | None) -> tuple[Account, Method]:
        """The account and its method, if all is as it was when the person was sent off."""
        pending = found.pending
        connection = await self._engine.store.connections.get(found.tenant_id, pending.connection_id)
        if connection is None or connection.integration_id not in self._engine.catalog.integrations:
            raise Refused(_UNKNOWN)
        account = await self._account(connection)
        method = next((one for one in account.integration.methods if one.name == pending.method), None)
        if method is None or method.consent is None or not _same(pending.seen, _seen(account)):
            raise Refused("the connection was changed meanwhile: begin the consent again")
        has_browser = method.consent.exchange is not None  # else the provider's server may bring it
        if has_browser and pending.browser is not None and not _same(pending.browser, _hashed(browser)):
            raise Refused("this consent was begun in another browser")
        return account, method

    def _again(self, account: Account, consent: Consent, found: Found, message: Message) -> Outcome:
        """Where the provider's server told us the credentials, the person comes by after it, and learns the outcome."""
        is_after = found.used_by == "POST" and message.method == "GET" and account.connection.status == "active"
        if consent.exchange is None and is_after:
            return Outcome(account.connection, found.pending.redirect_url)
        raise Refused(_USED)

    def _proven(self, came: Came, account: Account, method: Method) -> dict[str, Any]:
        """What the callback says of the account. Raises `Refused`."""
        consent = _of(method)
        queries = Scope({**came.seen.roots, "config": account.config})
        if came.is_proven(consent.verify, queries, account, self._engine.catalog.signers, self._engine.clock.now()):
            for check in consent.checks:
                if not truth(check.require, queries):
                    raise Refused(check.message)
        else:
            raise Refused("nothing proves that this comes from the provider")
        captured, wrong = learned(consent.capture, queries, account, method.name)
        if wrong is not None:
            raise Refused(wrong)
        if consent.exchange is not None and not 0 < len(came.text("code") or "") <= _LONGEST_CODE:
            raise Refused("the provider sent no code")
        handed = [name for name in method.needs if name in consent.capture]
        if consent.exchange is None and any(captured.get(name) in (None, "") for name in handed or consent.capture):
            raise Refused("the provider sent no credentials")
        return captured

    async def _finish(
        self, account: Account, method: Method, pending: Pending, came: Came, captured: Mapping[str, Any]
    ) -> Outcome:
        secret_names = account.integration.form.credentials
        secrets = {name: value for name, value in captured.items() if name in secret_names}
        config = {name: value for name, value in captured.items() if name not in secret_names}
        start = account.connection
        account.config = {**account.config, **config}
        account.credentials = {**account.credentials, **secrets}
        account.reached.clear()
        if _of(method).exchange is not None:
            root = {**came.seen.roots, "redirectUri": self._redirect_uri, "code": came.text("code")}
            if pending.verifier is not None:
                root["codeVerifier"] = pending.verifier
            try:
                await self._engine.tokens.exchange(account, root, method)
            except VersionConflict:
                return _failed(start, pending, "CONFLICT", "the account is being connected by others at the same time")
            except CallError as error:
                error.message = account.masker.text(error.message)
                return Outcome(await self._note(account.connection, error), pending.redirect_url, error)
            await self._remind(account)
        if secrets:
            await self._keep_credentials(account.connection, secrets)
        return await self._connect(account, start, pending, config)

    async def _remind(self, account: Account) -> None:
        """A grant that may be forgotten is looked after from now on, whether somebody calls or not."""
        due = await self._engine.tokens.refresh_idle(account)
        if due is not None:
            agenda = Agenda(self._engine.store.state, self._engine.clock.now)
            await agenda.put(GRANT, account.connection.tenant_id, account.connection.connection_id, due)

    async def _keep_credentials(self, connection: Connection, secrets: Mapping[str, Any]) -> None:
        ids = (connection.tenant_id, connection.connection_id)
        for _ in range(_TRIES):
            stored = await self._engine.store.secrets.get(*ids, CREDENTIALS)
            given, version = (stored.value, stored.version) if stored is not None else ({}, 0)
            try:
                await self._engine.store.secrets.put(*ids, CREDENTIALS, {**given, **secrets}, version)
            except VersionConflict:
                continue
            return

    async def _connect(
        self, account: Account, start: Connection, pending: Pending, config: Mapping[str, Any]
    ) -> Outcome:
        """Active; every process that has the account in memory reads it again."""
        connections, integration = self._engine.store.connections, account.integration
        for _ in range(_TRIES):
            current = await connections.get(start.tenant_id, start.connection_id)
            if current is None:  # what was stored since it was deleted belongs to nobody
                await self._engine.tokens.revoke(account)
                await self._engine.store.secrets.delete(start.tenant_id, start.connection_id)
                return _failed(start, pending, "NOT_FOUND", "the connection was deleted meanwhile")
            given = [without_captured(integration.form, one.config) for one in (start, current)]
            if given[0] != given[1]:  # the consent was not for this one
                return _failed(current, pending, "CONFLICT", "the connection was changed meanwhile: connect it again")
            now = self._engine.clock.now()
            changed = replace(current, config={**current.config, **config}, status="active", updated_at=now)
            try:
                stored = await connections.update(routes.proved(replace(changed, last_error=None), integration))
            except VersionConflict:
                continue
            return Outcome(await self._acquainted(stored, account), pending.redirect_url)
        return _failed(start, pending, "CONFLICT", "the connection is being changed by others: connect it again")

    async def _acquainted(self, connection: Connection, account: Account) -> Connection:
        """What only the spec's test learns of the account is asked for once; its failure takes nothing back."""
        test = account.integration.test
        if test is None or all(name in connection.config for name in test.capture):
            return connection
        task = asyncio.ensure_future(self._engine.test(connection))
        self._running.add(task)
        task.add_done_callback(self._tested)
        await asyncio.wait({task}, timeout=_TEST_SECONDS)  # what takes longer goes on without the person
        found = await self._engine.store.connections.get(connection.tenant_id, connection.connection_id)
        return found or connection

    def _tested(self, task: asyncio.Future[Proof]) -> None:
        self._running.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:  # a message may quote a value
            logger.warning("the test after a consent ended early: %s", type(failure).__name__)

    async def _note(self, connection: Connection, error: CallError) -> Connection:
        """Why it failed, for those who look at the connection; its status stays."""
        current = await self._engine.store.connections.get(connection.tenant_id, connection.connection_id)
        if current is None:
            return connection
        noted = replace(current, last_error_at=self._engine.clock.now(), last_error=error.message)
        try:
            return await self._engine.store.connections.update(noted)
        except VersionConflict:
            return current  # somebody changed it: theirs stands

    async def _account(self, connection: Connection) -> Account:
        """As it is stored now: an app that was changed a moment ago counts."""
        try:
            return await self._accounts.read(connection)
        except CallError as error:
            raise RequestError("NOT_FOUND", error.message) from None


def _failed(connection: Connection, pending: Pending, code: Code, message: str) -> Outcome:
    return Outcome(connection, pending.redirect_url, CallError(code, message))


def _wanted(account: Account) -> Method:
    integration = account.integration
    method = consenting(integration, {**account.config, **account.credentials})
    if method is None:
        has_any = any(one.consent is not None for one in integration.methods)
        why = "it signs in with what was given" if has_any else "nobody has to consent for this integration"
        raise RequestError("BAD_REQUEST", f"there is nothing to authorize: {why}")
    if integration.app is not None and not account.app:
        what = f"has no app: the operator stores one (integrations apps set {integration.integration_id})"
        raise RequestError("BAD_REQUEST", f"the integration {what}", (Issue("or give your own", ("app",)),))
    return method


def _of(method: Method) -> Consent:
    assert method.consent is not None  # only such methods come here
    return method.consent


def _seen(account: Account) -> str:
    """What must stay as it is while the person is away."""
    captured = account.integration.form.captured
    config = {name: value for name, value in sorted(account.config.items()) if name not in captured}
    app = dict(sorted(account.app.items()))
    return hashlib.sha256(exact.dumps([account.integration.integration_id, config, app])).hexdigest()


def _same(one: str, other: str | None) -> bool:
    return other is not None and hmac.compare_digest(one, other)


def _hashed(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _denied(account: Account, method: Method, came: Came) -> CallError | None:
    """In the provider's own words (RFC 6749, 4.1.2.1), as they may be shown."""
    denial = came.text("error")
    if denial is not None:
        said = clean_message(came.text("error_description") or denial, account.masker)
        code = clean_message(denial, account.masker, 100)
        return CallError("REAUTH_REQUIRED", f"nobody consented: {said}", provider_code=code)
    consent = _of(method)
    if consent.exchange is None and not consent.verify and came.seen.message.method == "GET":
        queries = Scope({**came.seen.roots, "config": account.config})
        if learned(consent.capture, queries, account, method.name) == ({}, None):
            # The provider's server tells credentials before the person comes by.
            return CallError("REAUTH_REQUIRED", "nobody consented: the provider sent no credentials")
    return None
