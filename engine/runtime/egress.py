"""Where a request may go, and where the operator sends it instead.

Credentials reach the spec's hosts and no others: the intended URL is checked first, then an `--upstream` override
replaces its origin, path and query kept, with the intended host in `X-Upstream-Host`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.model import Request
from engine.runtime import url
from engine.runtime.account import Account
from engine.runtime.url import HostRules, UnsafeUrl

UPSTREAM_HOST = "X-Upstream-Host"


def check(request: Request, account: Account, method_name: str) -> str:
    """The host that the request is for. Raises `CallError(FORBIDDEN)` when it may not go there.

    An origin that was allowed once for this account and method is not judged again: what follows it in the URL was
    encoded by us.
    """
    key = (method_name, request.url[: request.url.find("/", len("https://"))])
    known = account.reached.get(key)
    if known is None:
        known = account.reached[key] = _judged(request, account, method_name)
    return known


def _judged(request: Request, account: Account, method_name: str) -> str:
    hosts = account.integration.hosts
    plain = False
    if hosts.plain_http is not None:
        scope = Scope({"config": account.config, "auth": {"method": method_name}})
        try:
            plain = holds(hosts.plain_http(scope))
        except EvaluationError:
            plain = False
    try:
        return HostRules.of(hosts, account.config).check(request.url, ports=hosts.ports, plain_http=plain).host
    except UnsafeUrl as error:
        raise CallError("FORBIDDEN", f"nothing was sent: {error}") from None


def leads_home(name: str, value: Any, account: Account, method_name: str) -> bool:
    """May this field of config be what a provider says it is? A URL is where credentials will go, and so is a host."""
    is_host = name in account.integration.hosts.config_fields
    if not isinstance(value, str) or not (is_host or "://" in value):
        return True
    try:
        address = url.split(value if "://" in value else f"https://{value}")
        check(Request("GET", f"{address.origin}/", (), b""), account, method_name)
    except (UnsafeUrl, CallError):
        return False
    return True


def redirect(request: Request, host: str, origin: str | None) -> Request:
    """The request as the operator's override sends it; itself where there is none."""
    if origin is None:
        return request
    rest = request.url.partition("://")[2]
    slash = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    headers = (*request.headers, (UPSTREAM_HOST, host))
    return Request(request.method, origin + rest[slash:], headers, request.body)


def origins(upstreams: Mapping[str, str]) -> frozenset[tuple[str, int]]:
    """Hosts and ports of the overrides: the operator's word exempts these from the check of addresses."""
    urls = [url.split(origin) for origin in upstreams.values()]
    return frozenset((found.host, found.port) for found in urls)
