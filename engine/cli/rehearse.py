"""`integrations rehearse`: the whole round of one integration, played on this machine.

connect → open its webhook → subscribe → make something → the sandbox tells of it → the event → the subscriber

Everything goes through the running service (`serve --sandbox`), as callers and the provider would do it.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as Asked

from engine.cases.callback import Unprovable, renamed, said_anew
from engine.cases.read import read_cases, read_webhook_cases
from engine.cases.stories import Story, best_story, told
from engine.catalog import Catalog
from engine.cli.folder import catalog_of, spec_file
from engine.cli.trigger import check_data_dir, nobody_at, on_this_machine, sent
from engine.errors import RequestError, SettingsError
from engine.events import sign
from engine.events.interpret import Known
from engine.library import exact
from engine.settings import Settings
from engine.storage.service_token import service_token

TENANT = "rehearsal"
_SECONDS = 20.0
_LONGEST = 160


def rehearse(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the event arrived at the subscriber and its signature fits."""
    base = on_this_machine(given.url or settings.public_url)
    if settings.token is None:
        check_data_dir(settings)
    service = Service(base, service_token(settings))
    catalog = catalog_of(given.integration, settings)
    if not service.ask("GET", "/status").get("sandbox"):
        raise SettingsError(f"the service at {base} calls the real providers: begin with make run, or serve --sandbox")
    story = asyncio.run(_story(given.integration, catalog, settings))
    with listening() as subscriber:
        _Rehearsal(service, story, catalog, subscriber).play()
    return 0


async def _story(integration_id: str, catalog: Catalog, settings: Settings) -> Story:
    folder = spec_file(integration_id, settings).parent
    story = best_story(read_cases(folder)[0], await told(read_webhook_cases(folder), catalog))
    if story is None:
        raise RequestError("NOT_FOUND", "no recorded call of this integration is followed by a message about it")
    return story


@dataclass(frozen=True, slots=True)
class Service:
    """The running service, as a caller sees it."""

    base: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Its JSON answer. Raises `RequestError` with what it says, `SettingsError` when it isn't there."""
        headers = {"Authorization": f"Bearer {self.token}", "X-Tenant-Id": TENANT, "Content-Type": "application/json"}
        data = None if body is None else exact.dumps(body)
        asked = Asked(self.base + path, data, headers, method=method)  # noqa: S310 - checked to be this machine
        try:
            with build_opener(ProxyHandler({})).open(asked, timeout=_SECONDS) as answer:
                return exact.loads(answer.read())
        except HTTPError as error:
            refused = exact.loads(error.read())
            if error.code == HTTPStatus.UNAUTHORIZED:
                raise SettingsError(f"{self.base} has another token: give the --data-dir of that service") from None
            issues = "".join(f"; {issue['message']}" for issue in refused.get("data", {}).get("issues", ()))
            raise RequestError("BAD_REQUEST", f"{method} {path}: {refused.get('message')}{issues}") from None
        except URLError:
            raise nobody_at(self.base) from None


class Subscriber(ThreadingHTTPServer):
    """Hears events on a port of its own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hearing)
        self.heard: queue.Queue[tuple[Mapping[str, str], bytes]] = queue.Queue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/events"


class _Hearing(BaseHTTPRequestHandler):
    server: Subscriber

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.put(({name.lower(): text for name, text in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the name of the base class
        """Says nothing."""


@contextmanager
def listening() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    thread = threading.Thread(target=subscriber.serve_forever, daemon=True)
    thread.start()
    try:
        yield subscriber
    finally:
        subscriber.shutdown()
        subscriber.server_close()


class _Rehearsal:
    def __init__(self, service: Service, story: Story, catalog: Catalog, subscriber: Subscriber) -> None:
        self._service = service
        self._story = story
        self._catalog = catalog
        self._subscriber = subscriber
        call, message = story.call.given, story.told.case.given
        self._config = {**message.get("config", {}), **call.get("config", {})}
        self._credentials = {**message.get("credentials", {}), **call.get("credentials", {})}

    def play(self) -> None:
        """Raises `RequestError` where the round breaks. Leaves the connection; the subscription ends with its ear."""
        connection = self._connect()
        opened = self._service.ask("POST", f"/connections/{connection}/webhooks")
        _say("webhook", f"open at {opened['url']}")
        kind = self._story.told.heard.events[0]["type"]
        subscription = self._subscribe(kind)
        try:
            facts = self._make(connection)
            self._tell(opened, facts)
            self._arrive(subscription["secret"])
        finally:
            self._service.ask("DELETE", f"/subscriptions/{subscription['subscriptionId']}")

    def _connect(self) -> str:
        story = self._story
        asked = {
            "integrationId": story.made.integration_id,
            "name": "Rehearsal",
            "config": self._config,
            "credentials": self._credentials,
        }
        connection: str = self._service.ask("POST", "/connections", asked)["connectionId"]
        _say("connect", f"{story.made.integration_id}, with the account of a recorded case: {connection}")
        return connection

    def _subscribe(self, kind: str) -> Mapping[str, Any]:
        wanted = {"url": self._subscriber.url, "eventTypes": [kind]}
        try:
            subscription: Mapping[str, Any] = self._service.ask("POST", "/subscriptions", wanted)
        except RequestError as error:
            raise RequestError(error.code, f"{error}: does the service run with --sandbox?") from None
        _say("subscribe", f"to {kind}, at {self._subscriber.url}")
        return subscription

    def _make(self, connection: str) -> Mapping[str, Any]:
        turn = self._story.call
        asked = {"connectionId": connection, "actionId": turn.action, "input": turn.given.get("input", {})}
        answer = self._service.ask("POST", "/execute", asked)
        if not answer["success"]:
            raise RequestError("BAD_REQUEST", f"{turn.action}: {answer['error']['message']}")
        _say(turn.action, _short(answer["data"]))
        return {**asked["input"], **answer["data"]}

    def _tell(self, opened: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        webhook = self._catalog.integrations[self._story.made.integration_id].webhook
        assert webhook is not None
        made = {name: opened[name] for name in ("url", "token", "secret") if name in opened}
        if "key" in webhook.uses:
            made["token"] = opened["url"].rpartition("/")[2]
        known = Known(self._config, self._credentials, made, self._catalog.signers, time.time())
        names = renamed(self._story.told.data, facts)
        try:
            message = said_anew(webhook, self._story.told.heard, names, known)
        except Unprovable as error:
            raise RequestError("BAD_REQUEST", f"the provider's message can't be told: {error}") from None
        answer = asyncio.run(sent(message, opened["url"]))
        if answer.status >= 300:
            raise RequestError("BAD_REQUEST", f"the service answered the provider's message with {answer.status}")
        answered = answer.body.decode("utf-8", "replace") or "nothing"
        _say("provider", f'says "{self._story.told.case.name}", is answered {answer.status} and {answered}')

    def _arrive(self, secret: str) -> None:
        try:
            headers, body = self._subscriber.heard.get(timeout=_SECONDS)
        except queue.Empty:
            raise RequestError("BAD_REQUEST", "no event came; look at GET /deliveries") from None
        stamp, message_id = headers["webhook-timestamp"], headers["webhook-id"]
        expected = dict(sign.signed([secret], message_id, int(stamp), body))["webhook-signature"]
        if not hmac.compare_digest(expected, headers["webhook-signature"]):
            raise RequestError("BAD_REQUEST", "the signature of the event does not fit")
        event = exact.loads(body)
        _say("event", f"{event['type']} {_short(event['data']['data'])}")
        _say("subscriber", f"heard it, and its signature fits: {message_id}")


def _short(value: Any) -> str:
    text = exact.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _say(what: str, how: str) -> None:
    sys.stdout.write(f"{what:<24} {how}\n")
    sys.stdout.flush()
