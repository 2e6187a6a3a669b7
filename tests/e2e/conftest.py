"""One service and one provider for a file of tests; tests keep apart by tenant."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.serving import Provider, Service, connect, serving, write_spec
from tests.support.specs import ID, action, fields, setting, spec, text, whole

QUOTE = action(
    inputSchema=fields(weight=whole(minimum=1), town=text()),
    request={"method": "GET", "path": "/quote/{{ input.town | default('any') }}", "query": {"w": "{{ input.weight }}"}},
)
BOOK = action(
    "book",
    "write",
    inputSchema=fields(("order",), order=whole()),
    request={"method": "POST", "path": "/book", "json": {"order": "{{ input.order }}"}},
)
KEYED = action(
    "pay",
    "write",
    idempotency="key",
    inputSchema=fields(("order",), order=whole()),
    request={
        "method": "POST",
        "path": "/pay",
        "headers": {"Idempotency-Key": "{{ call.idempotencyKey }}"},
        "json": {"order": "{{ input.order }}"},
    },
)
CREDENTIALS = {"apiKey": "canary-key-5501-zebra"}


def acme(**parts: Any) -> dict[str, Any]:
    """The carrier of these tests; whoever gets it may change it."""
    form = fields(("apiKey",), apiKey={**setting(title="Key"), "writeOnly": True}, shop=setting(pattern="^[0-9]+$"))
    return deepcopy(spec(QUOTE, BOOK, KEYED, **{"configSchema": form, "test": {"action": "quote"}, **parts}))


@dataclass
class Place:
    """A tenant of its own with a connection, at the service that the file shares."""

    service: Service
    provider: Provider
    client: httpx.Client
    tenant: str
    connection_id: str


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def service(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    specs = write_spec(folder / "specs", acme())
    with serving(folder / "data", "--specs", str(specs), "--upstream", f"{ID}={provider.origin}") as running:
        yield running


@pytest.fixture
def place(service: Service, provider: Provider) -> Iterator[Place]:
    tenant = f"t-{uuid4().hex[:12]}"
    with service.client(tenant) as client:
        connection_id = connect(client, ID, config={"shop": "17"}, credentials=CREDENTIALS)
        yield Place(service, provider, client, tenant, connection_id)
