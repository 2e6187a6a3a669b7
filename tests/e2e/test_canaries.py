"""Every spec of the tree: a known secret in each credential field, a provider that echoes it, and every outlet read.

`test_secrets` tries every spelling on made-up specs; here it is the real ones, with their own places for credentials,
their own signatures and their own error words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from engine.catalog import Integration
from tests.cases.recorded import FOLDERS, cases, catalog
from tests.e2e.serving import Provider, Service, execute, files_of, leaks, serving
from tests.support.upstream import Reply, Seen

IDS = sorted(catalog().integrations)


BEGINS = {"secretKey": "sk_test_", "webhookSecret": "whsec_"}
"""What some forms ask such a field to begin with; the others do not mind."""


def canary(name: str) -> str:
    """32 characters: some providers' keys have that many, never more or less."""
    return f"{BEGINS.get(name, '')}canary-{name}-{'7f3a91Zq' * 4}"[:32]


TOKENS = {"access_token": canary("access"), "refresh_token": canary("refresh"), "expires_in": 3600}
CODE = canary("code")
SENT = (canary("access"), canary("refresh"), CODE)


def echo(seen: Seen) -> Reply:
    """All of the request as the provider's error: in the words that specs read messages and codes from, and beside."""
    said = " ".join([seen.target, seen.body.decode("utf-8", "replace"), *(f"{k}: {v}" for k, v in seen.pairs)])
    words = ("message", "error", "error_description", "return_message", "code", "code_message", "errorCode", "msg")
    is_token = b"grant_type" in seen.body
    tree = {
        **(TOKENS if is_token else {}),
        **dict.fromkeys(words, said),
        "errors": [{"message": said}],
        "said": said,
        "headers": dict(seen.pairs),
    }
    headers = {"content-type": "application/json", "x-said": said.encode("ascii", "replace").decode()[:2000]}
    return Reply(422 if len(said) % 2 and not is_token else 200, headers, json.dumps(tree).encode())


@dataclass
class Heard:
    """The service and everything that it said over HTTP."""

    service: Service
    provider: Provider
    said: list[bytes] = field(default_factory=list)

    def client(self) -> httpx.Client:
        client = self.service.client("acme")
        client.event_hooks = {"response": [self._keep]}
        return client

    def _keep(self, reply: httpx.Response) -> None:
        reply.read()
        self.said += [reply.content, json.dumps(dict(reply.headers)).encode()]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    data = tmp_path_factory.mktemp("canaries") / "data"
    with Provider(echo) as provider:
        wires = [word for name in IDS for word in ("--upstream", f"{name}={provider.origin}")]
        fixtures = ("--specs", str(FOLDERS[1]))
        with serving(data, *fixtures, *wires, INTEGRATIONS_TENANT_LIMIT="100000") as service:
            yield Heard(service, provider)


def _secrets(integration: Integration) -> dict[str, str]:
    return {name: canary(name) for name in integration.form.credentials}


def _app(integration: Integration) -> dict[str, str]:
    """An app of the tenant's own, where there are apps; its id is no secret."""
    if integration.app is None:
        return {}
    fields = integration.app.json_schema["properties"]
    return {name: canary(name) if name in integration.app.secrets else f"fake-{name}" for name in fields}


def _consent(client: httpx.Client, connection_id: str) -> None:
    """The provider sends the person back with a code; its answer to that holds tokens."""
    invited = client.post(f"/connections/{connection_id}/authorize").json()
    state = parse_qs(urlsplit(invited["authorizationUrl"]).query)["state"][0]
    client.get("/oauth/callback", params={"code": CODE, "state": state})


def _all_secrets(integration: Integration) -> set[str]:
    app = integration.app.secrets if integration.app is not None else frozenset()
    return {canary(name) for name in {*integration.form.credentials, *app}}


def _config(integration: Integration) -> dict[str, object]:
    """A case's own, without what the engine captures."""
    given = next(c.turns[0].given for c in cases() if c.integration_id == integration.integration_id)
    return {name: v for name, v in given.get("config", {}).items() if name not in integration.form.captured}


@pytest.mark.parametrize("integration_id", IDS)
def test_no_credential_of_any_spec_comes_out(heard: Heard, integration_id: str):
    integration = catalog().integrations[integration_id]
    assert _all_secrets(integration), "a spec without a credential proves nothing here"
    with heard.client() as client:
        body = {"integrationId": integration_id, "name": "Canary", "config": _config(integration)}
        app = {"app": _app(integration)} if integration.app is not None else {}
        made = client.post("/connections", json={**body, "credentials": _secrets(integration), **app})
        assert made.status_code == 200, made.text
        connection = made.json()["connectionId"]
        before = len(heard.provider.seen)
        if made.json()["status"] == "inactive":
            _consent(client, connection)
            assert client.get(f"/connections/{connection}").json()["status"] == "active"
        for case in cases():
            turn = case.turns[0]
            if case.integration_id == integration_id and turn.has_result:
                execute(client, turn.action, connectionId=connection, input=turn.given.get("input", {}))
        client.post(f"/connections/{connection}/test")
        client.get(f"/connections/{connection}")
        client.get("/executions", params={"limit": 200, "integrationId": integration_id})
    assert len(heard.provider.seen) > before, "no call got as far as the provider"
    assert leaks(b"\n".join(heard.said), *_all_secrets(integration), *SENT) == []


def test_the_process_and_its_files_hold_none_of_them(heard: Heard):
    """Log lines, figures, status and the database, after all calls above."""
    every = {secret for one in catalog().integrations.values() for secret in _all_secrets(one)}
    every.update(SENT)
    with heard.client() as client:
        outlets = [client.get(path).content for path in ("/metrics", "/status", "/openapi.json", "/events")]
    assert leaks(b"\n".join(outlets), *every) == []
    assert heard.service.output.count('"executionId"') > len(IDS)
    assert leaks(heard.service.output, *every) == []
    assert leaks(files_of(heard.service.data_dir), *every) == []
