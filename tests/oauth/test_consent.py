"""Consent over HTTP with a real authority: a tenant connects, calls, loses the grant, connects again.

The authority demands PKCE, rotates refresh tokens, and takes every code once.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.e2e.serving import PROGRAM, Service, connect, execute, start, write_spec
from tests.oauth.authority import APP, ID, Authority, authority, consent, spec
from tests.support.environment import clean_environment
from tests.support.ports import free_port

FIVE = {"defined", "code", "status", "message", "data"}


@dataclass
class Town:
    """A service, the authority that it connects to, and a tenant's client."""

    service: Service
    authority: Authority
    client: httpx.Client

    def invitation(self, connection_id: str, **body: Any) -> str:
        answer = self.client.post(f"/connections/{connection_id}/authorize", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["authorizationUrl"])

    def come_back(self, address: str) -> httpx.Response:
        return httpx.get(address, trust_env=False, timeout=30)

    def connected(self, **parts: Any) -> str:
        """A connection to which the person has consented; its id."""
        connection_id = connect(self.client, ID, **parts)
        assert self.come_back(consent(self.invitation(connection_id))).status_code == 200
        return connection_id

    def status(self, connection_id: str) -> str:
        return str(self.client.get(f"/connections/{connection_id}").json()["status"])

    def who(self, connection_id: str) -> dict[str, Any]:
        found: dict[str, Any] = execute(self.client, "who_am_i", connectionId=connection_id).json()
        return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder, port = tmp_path_factory.mktemp("town"), free_port()
    with authority(f"http://127.0.0.1:{port}/oauth/callback") as there:
        write_spec(folder / "specs", spec())
        given = ("--specs", str(folder / "specs"), "--upstream", f"{ID}={there.origin}")
        service = start(
            folder / "data", *given, port=port,
            environment={"INTEGRATIONS_REDIRECT_URLS": "https://admin.example.com/connected"},
        )  # fmt: skip
        try:
            set_app(folder / "data", folder / "specs", APP)
            with service.client() as client:
                yield Town(service, there, client)
        finally:
            service.stop()


def set_app(data_dir: Path, specs: Path, app: dict[str, str]) -> None:
    done = subprocess.run(
        [PROGRAM, "apps", "set", ID, "--from", "-", "--data-dir", str(data_dir), "--specs", str(specs)],
        input=json.dumps(app), env=clean_environment(), text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_person_consents_and_the_account_works(town: Town):
    connection_id = connect(town.client, ID)
    assert town.status(connection_id) == "inactive"
    assert town.who(connection_id)["error"]["code"] == "CONNECTION_INACTIVE"

    page = town.come_back(consent(town.invitation(connection_id)))

    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert page.headers["cache-control"] == "no-store"
    assert town.status(connection_id) == "active"
    assert town.who(connection_id)["data"] == {"person": "fake-person"}
    assert town.client.post(f"/connections/{connection_id}/test", json={}).json()["success"] is True


def test_the_address_of_the_page_says_all_that_the_authority_needs(town: Town):
    address = urlsplit(town.invitation(connect(town.client, ID)))
    asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert address.path == "/auth"
    assert asked["client_id"] == "shop"
    assert asked["redirect_uri"] == f"{town.service.url}/oauth/callback"
    assert asked["response_type"] == "code"
    assert asked["scope"] == "openid offline_access read"
    assert asked["prompt"] == "consent"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 32
    assert APP["clientSecret"] not in address.query


def test_who_says_no_stays_unconnected_and_may_think_again(town: Town):
    connection_id = connect(town.client, ID)
    page = town.come_back(consent(town.invitation(connection_id), agrees=False))
    assert page.status_code < 500
    assert "End-User aborted interaction" in page.text
    assert town.status(connection_id) == "inactive"

    town.come_back(consent(town.invitation(connection_id)))
    assert town.status(connection_id) == "active"


def test_a_callback_counts_once(town: Town):
    connection_id = connect(town.client, ID)
    address = consent(town.invitation(connection_id))
    town.come_back(address)
    before = town.authority.told()

    again = town.come_back(address)

    assert again.status_code == 400
    assert town.authority.told() == before
    assert town.who(connection_id)["success"] is True


def test_a_forged_state_is_refused_and_nothing_is_sent(town: Town):
    connection_id = connect(town.client, ID)
    address = consent(town.invitation(connection_id))
    before = town.authority.told()

    forged = town.come_back(replaced(address, state="x" * 43))

    assert forged.status_code == 400
    assert connection_id not in forged.text
    assert town.authority.told() == before
    assert town.come_back(address).status_code == 200, "what was forged did not use up the real one"


def test_the_code_of_another_persons_consent_brings_nothing(town: Town):
    """A swapped callback: the attacker's code under the victim's state. PKCE ties the code to its own invitation."""
    mine, theirs = connect(town.client, ID), connect(town.client, ID, name="Theirs")
    my_address, their_address = (consent(town.invitation(one)) for one in (mine, theirs))

    swapped = town.come_back(replaced(their_address, code=query_of(my_address)["code"]))

    assert swapped.status_code >= 400 or "not connected" in swapped.text.lower()
    assert town.status(theirs) != "active"


def test_two_tenants_never_meet(town: Town):
    with town.service.client("rival") as rival:
        foreign = rival.post(f"/connections/{connect(town.client, ID)}/authorize", json={})
        assert foreign.status_code == 404
        assert set(foreign.json()) == FIVE


def test_the_browser_goes_only_where_the_operator_allows(town: Town):
    connection_id = connect(town.client, ID)
    for there in ("https://evil.example.com/", "https://admin.example.com.evil.example/connected", "javascript:0"):
        refused = town.client.post(f"/connections/{connection_id}/authorize", json={"redirectUrl": there})
        assert refused.status_code == 400, there
        assert set(refused.json()) == FIVE

    address = consent(town.invitation(connection_id, redirectUrl="https://admin.example.com/connected"))
    sent = town.come_back(address)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("https://admin.example.com/connected?")
    assert query_of(sent.headers["location"]) == {"connectionId": connection_id, "status": "connected"}


def test_a_grant_that_was_taken_back_asks_for_consent_again_under_the_same_id(town: Town):
    connection_id = town.connected()
    town.authority.settle(1)
    try:
        short = town.connected(name="Short")
    finally:
        town.authority.settle(3600)
    assert town.who(short)["success"] is True
    town.authority.revoke_all()

    lost = town.who(connection_id)

    assert lost["error"]["code"] == "REAUTH_REQUIRED"
    assert lost["error"]["retryable"] is False
    assert town.status(connection_id) == "error"
    refreshes = town.authority.told()
    assert town.who(connection_id)["error"]["code"] == "REAUTH_REQUIRED"
    assert town.authority.told() == refreshes, "a grant that is dead is not tried again"

    town.come_back(consent(town.invitation(connection_id)))

    assert town.status(connection_id) == "active"
    assert town.who(connection_id)["success"] is True


def test_who_deletes_a_connection_gives_the_grant_back(town: Town):
    connection_id = town.connected()
    before = town.authority.told()["revocations"]
    assert town.client.delete(f"/connections/{connection_id}").json() == {"success": True}
    assert town.authority.told()["revocations"] == before + 1


def test_no_log_line_holds_a_code_a_state_or_a_token(town: Town):
    connection_id = connect(town.client, ID)
    address = consent(town.invitation(connection_id))
    town.come_back(address)
    told = town.service.output
    for name in ("code", "state"):
        assert query_of(address)[name] not in told
    assert APP["clientSecret"] not in told


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def replaced(address: str, **changes: str) -> str:
    return f"{address.partition('?')[0]}?{urlencode({**query_of(address), **changes})}"
