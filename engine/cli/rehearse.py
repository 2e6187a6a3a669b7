"""`integrations rehearse`: the whole round of one integration, played on this machine.

connect → (consent) → open its webhook → subscribe → make something → the sandbox tells of it → event → subscriber

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine.bootstrap import open_engine
from engine.cases.read import read_cases, read_webhook_cases
from engine.cases.stories import Story, best_story, told
from engine.catalog import Catalog
from engine.cli.folder import catalog_of, spec_file
from engine.cli.local_service import Service, approved, came_back, check_data_dir, on_this_machine, sent
from engine.cli.trigger import anew, lent, receiving
from engine.errors import RequestError, SettingsError
from engine.events import sign
from engine.library import exact
from engine.runtime.message import Message
from engine.settings import Settings
from engine.storage.service_token import service_token

TENANT = "rehearsal"
_SECONDS = 20.0
_LONGEST = 160


def rehearse(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the event arrived at the subscriber and its signature fits."""
    base = on_this_machine(given.url or settings.public_url)
    check_data_dir(settings)
    service = Service(base, service_token(settings), TENANT)
    catalog = catalog_of(given.integration, settings)
    if not service.ask("GET", "/status").get("sandbox"):
        raise SettingsError(f"the service at {base} calls the real providers: begin with make run, or serve --sandbox")
    story = asyncio.run(_story(given.integration, catalog, settings))
    with listening() as subscriber:
        _Rehearsal(service, story, catalog, subscriber, settings).play()
    return 0


async def _story(integration_id: str, catalog: Catalog, settings: Settings) -> Story:
    folder = spec_file(integration_id, settings).parent
    story = best_story(read_cases(folder)[0], await told(read_webhook_cases(folder), catalog))
    if story is None:
        raise RequestError("NOT_FOUND", "no recorded message of this integration becomes an event")
    return story


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
    def __init__(
        self, service: Service, story: Story, catalog: Catalog, subscriber: Subscriber, settings: Settings
    ) -> None:
        self._service = service
        self._story = story
        self._catalog = catalog
        self._subscriber = subscriber
        self._settings = settings
        self._integration = catalog.integrations[story.told.case.integration_id]
        call, message = story.call.given if story.call is not None else {}, story.told.case.given
        form = {**message.get("config", {}), **call.get("config", {})}
        self._config = {name: value for name, value in form.items() if name not in self._integration.form.captured}
        self._credentials = {**message.get("credentials", {}), **call.get("credentials", {})}
        if self._integration.app is not None:  # then a person consents
            self._credentials = {}

    def play(self) -> None:
        """Raises `RequestError` where the round breaks. Leaves the connection; the subscription ends with its ear."""
        connection = self._connect()
        opened = self._service.ask("POST", f"/connections/{connection}/webhooks")
        _say("webhook", f"open at {opened['url']}")
        kind = self._story.told.heard.events[0]["type"]
        subscription = self._subscribe(kind)
        try:
            facts = self._make(connection)
            self._tell(connection, opened["url"], facts)
            self._arrive(subscription["secret"])
        finally:
            self._service.ask("DELETE", f"/subscriptions/{subscription['subscriptionId']}")

    def _connect(self) -> str:
        name = self._integration.integration_id
        asked = {
            "integrationId": name,
            "name": "Rehearsal",
            "config": self._config,
            "credentials": self._credentials,
        }
        made = self._service.ask("POST", "/connections", asked)
        connection: str = made["connectionId"]
        _say("connect", f"{name}, with the account of a recorded case: {connection}")
        if made["status"] == "inactive":
            self._consent(connection)
        return connection

    def _consent(self, connection: str) -> None:
        """As a person would in a browser: the page, its button, and the way back."""
        page = self._service.ask("POST", f"/connections/{connection}/authorize", {})["authorizationUrl"]
        asyncio.run(came_back(asyncio.run(approved(page)), self._service.base))
        status = self._service.ask("GET", f"/connections/{connection}")["status"]
        if status != "active":
            raise RequestError("BAD_REQUEST", f"somebody consented, and the connection is {status}")
        _say("consent", f"given on the page of the sandbox: {page.partition('?')[0]}")

    def _subscribe(self, kind: str) -> Mapping[str, Any]:
        wanted = {"url": self._subscriber.url, "eventTypes": [kind]}
        try:
            subscription: Mapping[str, Any] = self._service.ask("POST", "/subscriptions", wanted)
        except RequestError as error:
            raise RequestError(error.code, f"{error}: does the service run with --sandbox?") from None
        _say("subscribe", f"to {kind}, at {self._subscriber.url}")
        return subscription

    def _make(self, connection: str) -> Mapping[str, Any]:
        """What the story begins with, where it is a call."""
        turn = self._story.call
        if turn is None:
            return {}
        asked = {"connectionId": connection, "actionId": turn.action, "input": turn.given.get("input", {})}
        answer = self._service.ask("POST", "/execute", asked)
        if not answer["success"]:
            raise RequestError("BAD_REQUEST", f"{turn.action}: {answer['error']['message']}")
        _say(turn.action, _short(answer["data"]))
        return {**asked["input"], **answer["data"]}

    def _tell(self, connection: str, url: str, facts: Mapping[str, Any]) -> None:
        message = asyncio.run(self._message(connection, url, facts))
        answer = asyncio.run(sent(message, url))
        if answer.status >= 300:
            raise RequestError("BAD_REQUEST", f"the service answered the provider's message with {answer.status}")
        answered = answer.body.decode("utf-8", "replace") or "nothing"
        _say("provider", f'says "{self._story.told.case.name}", is answered {answer.status} and {answered}')

    async def _message(self, connection: str, url: str, facts: Mapping[str, Any]) -> Message:
        """What the provider was told when the webhook was opened is read where the service keeps it."""
        apps = lent(self._integration, self._settings)
        engine = await open_engine(self._settings, catalog=self._catalog, apps=apps)
        try:
            found = await engine.store.connections.get(TENANT, connection)
            if found is None:
                raise RequestError("NOT_FOUND", "this service has its data elsewhere: give its --data-dir")
            account = await receiving(engine, found)
            account.made = {**account.made, "url": url}
            return anew(self._story.told, account, facts, self._catalog, time.time())
        finally:
            await engine.close()

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
