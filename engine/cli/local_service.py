"""The service that runs on this machine, as commands talk to it that tell made-up stories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as Asked

from engine.bootstrap import is_in_use
from engine.errors import RequestError, SettingsError, TransportError
from engine.frozen import frozen
from engine.library import exact
from engine.model import Request, Response
from engine.runtime.message import Message
from engine.runtime.transport import HttpTransport
from engine.settings import Settings

LOCAL = ("127.0.0.1", "localhost", "::1")
_SECONDS = 20.0
_LARGEST = 1024 * 1024
_FORM = "application/x-www-form-urlencoded"


def on_this_machine(url: str) -> str:
    """The URL of the service. Raises `SettingsError` for another machine's: what is made up is for our own only."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOCAL:
        raise SettingsError("made-up stories are for a service on this machine: give --url http://127.0.0.1:8400")
    return url.rstrip("/")


def check_data_dir(settings: Settings) -> None:
    """Raises `SettingsError` where no service ever ran, so that none is made by looking."""
    if settings.storage == "sqlite" and is_in_use(settings.data_dir) is None:
        where = f"{settings.data_dir} holds no data of a service"
        raise SettingsError(f"{where}: begin with make run, or give the --data-dir of the one that runs")


def nobody_at(base: str) -> SettingsError:
    return SettingsError(f"nobody answers at {base}: begin with make run, or give the --url of the one that runs")


@frozen
class Service:
    """The running service, as a caller of this tenant sees it."""

    base: str
    token: str = field(repr=False)
    tenant: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Its JSON answer. Raises `RequestError` with what it says, `SettingsError` when it isn't there."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "X-Tenant-Id": self.tenant,
            "Content-Type": "application/json",
        }
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


async def sent(message: Message, target: str) -> Response:
    """The answer of the service at that address. Raises `SettingsError` when nobody answers there."""
    query = message.url.partition("?")[2]
    url = f"{target}?{query}" if query else target
    return await _asked(Request(message.method, url, tuple(message.headers.items()), message.body))


async def approved(page: str) -> str:
    """Where a browser is sent that presses Approve on a consent page of the sandbox. Raises `RequestError`."""
    answer = await _asked(Request("POST", page, (("Content-Type", _FORM),), b"decision=approve"))
    location = answer.headers.get("location", "")
    if not location:
        raise RequestError("BAD_REQUEST", f"the consent page of the sandbox answered {answer.status}: {_words(answer)}")
    return location


async def came_back(location: str, base: str) -> Response:
    """What the service shows to the browser that the provider sent back. Raises `RequestError` for a failure."""
    parts = urlsplit(location)
    answer = await _asked(Request("GET", f"{base}{parts.path}?{parts.query}", (), b""))
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise RequestError("BAD_REQUEST", f"the service refused the callback: {_words(answer)}")
    return answer


async def _asked(request: Request) -> Response:
    transport = HttpTransport(allow_private=True)
    try:
        return await transport.send(request, timeout=_SECONDS, max_bytes=_LARGEST)
    except TransportError:
        # The path may hold the key of a webhook.
        parts = urlsplit(request.url)
        raise nobody_at(f"{parts.scheme}://{parts.netloc}") from None
    finally:
        await transport.close()


def _words(answer: Response) -> str:
    """The text of a page of ours, without its markup."""
    text = answer.body.decode("utf-8", "replace").rpartition("<body>")[2]
    words = "".join(
        part.partition(">")[2] if part[:1].isalpha() or part[:1] == "/" else part for part in text.split("<")
    )
    return " ".join(words.split())
