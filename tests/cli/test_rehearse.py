"""`integrations rehearse` and `integrations trigger`: the sandbox speaks for the providers, to a service that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.cli.main import main
from engine.locations import specs_dir
from tests.cli.conftest import Service, free_port, serve_command, start, stop

TELLING = sorted(file.parent.name for file in specs_dir().glob("*/spec.yaml") if "\nwebhooks:\n" in file.read_text())
EVENTS = {
    "calendar": "calendar.changed",
    "crm": "contact.",
    "ecommerce": "order.created",
    "payment": "payment.updated",
    "shipping": "shipment.updated",
}
"""What a newcomer hears of, by category."""


def has_consent(integration: str) -> bool:
    return "\napp:\n" in (specs_dir() / integration / "spec.yaml").read_text()


SHOP: Mapping[str, Any] = {
    "integrationId": "payment-vnpay",
    "name": "My shop",
    "config": {"tmnCode": "MYSHOP01", "serverIp": "203.0.113.10", "returnUrl": "https://shop.example/paid"},
    "credentials": {"hashSecret": "a-secret-of-my-own-0000"},
}
PAYMENT = {"amount": 250000, "description": "Thanh toan don hang"}


class Newcomer:
    """Types commands against one service, and asks its API as a tenant."""

    def __init__(self, service: Service, capsys: pytest.CaptureFixture[str], tenant: str) -> None:
        self._service, self._capsys, self.tenant = service, capsys, tenant

    def types(self, *command: str, url: str | None = None, data_dir: Path | None = None) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        where = ["--url", url or self._service.url, "--data-dir", str(data_dir or self._service.data_dir)]
        code = main([*command, *where])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def triggers(self, *more: str) -> tuple[int, str, str]:
        return self.types("trigger", "payment-vnpay", "--tenant", self.tenant, *more)

    def asks(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"authorization": f"Bearer {self._service.token}", "x-tenant-id": self.tenant}
        with httpx.Client(trust_env=False, timeout=20) as client:
            answer = client.request(method, self._service.url + path, headers=headers, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def connects(self, *, opened: bool = True) -> str:
        connection = str(self.asks("POST", "/connections", SHOP)["connectionId"])
        if opened:
            self.asks("POST", f"/connections/{connection}/webhooks")
        return connection

    def pays(self, connection: str) -> Any:
        asked = {"connectionId": connection, "actionId": "create_payment_url", "input": PAYMENT}
        return self.asks("POST", "/execute", asked)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir, port = tmp_path_factory.mktemp("rehearse") / "data", free_port()
    running = start([*serve_command(port, data_dir), "--sandbox", "--quiet"], port, data_dir)
    try:
        yield running
    finally:
        stop(running)


@pytest.fixture
def newcomer(service: Service, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Newcomer:
    """Each test has a tenant of its own."""
    name = "".join(one if one.isalnum() else "-" for one in request.node.name)[-60:].strip("-")
    return Newcomer(service, capsys, tenant=name)


# ---------------------------------------------------------------- rehearse


@pytest.mark.parametrize("integration", TELLING)
def test_the_round_ends_at_a_subscriber_that_can_verify_the_event(newcomer: Newcomer, integration: str):
    code, said, complaint = newcomer.types("rehearse", integration)
    assert (code, complaint) == (0, "")
    steps = [line.split(maxsplit=1) for line in said.splitlines()]
    consent = ["consent"] if has_consent(integration) else []
    assert [name for name, _ in steps if not name.startswith("create_")] == [
        "connect", *consent, "webhook", "subscribe", "provider", "event", "subscriber",
    ]  # fmt: skip
    told = dict(steps)
    made = next((how for what, how in steps if what.startswith("create_")), "")
    category = integration.partition("-")[0]
    assert told["event"].startswith(EVENTS[category])
    assert bool(made) is (category != "ecommerce")
    if category == "payment":
        assert '"paymentUrl":"https://' in made
        assert '"status":"paid"' in told["event"]
    assert told["subscriber"].startswith("heard it, and its signature fits: ")


def test_the_providers_of_every_category_that_tell_of_something_are_rehearsed():
    assert {name.partition("-")[0] for name in TELLING} == EVENTS.keys()
    assert len(TELLING) >= 11


@pytest.mark.parametrize("command", ["rehearse", "trigger"])
def test_an_integration_that_does_not_exist_is_refused_with_the_nearest(newcomer: Newcomer, command: str):
    code, _, complaint = newcomer.types(command, "payment-vnpai")
    assert code == 2
    assert "payment-vnpay" in complaint


@pytest.mark.parametrize("command", ["rehearse", "trigger"])
@pytest.mark.parametrize("url", ["https://integrations.example.com", "http://127.0.0.1.example.com", "127.0.0.1:8400"])
def test_another_machine_is_never_told_made_up_stories(newcomer: Newcomer, command: str, url: str):
    code, _, complaint = newcomer.types(command, "payment-vnpay", url=url)
    assert code == 2
    assert "on this machine: give --url http://127.0.0.1:8400" in complaint


def test_a_service_that_does_not_run_is_named(newcomer: Newcomer):
    nobody = f"http://127.0.0.1:{free_port()}"
    code, said, complaint = newcomer.types("rehearse", "payment-vnpay", url=nobody)
    assert (code, said) == (2, "")
    assert f"nobody answers at {nobody}" in complaint
    newcomer.connects()
    code, _, complaint = newcomer.types("trigger", "payment-vnpay", "--tenant", newcomer.tenant, url=nobody)
    assert code == 2
    assert f"nobody answers at {nobody}" in complaint


@pytest.mark.parametrize("command", ["rehearse", "trigger"])
def test_a_folder_without_a_service_s_data_is_named_and_left_as_it_is(newcomer: Newcomer, command: str, tmp_path: Path):
    code, _, complaint = newcomer.types(command, "payment-vnpay", data_dir=tmp_path / "elsewhere")
    assert code == 2
    assert "elsewhere holds no data of a service" in complaint
    assert not (tmp_path / "elsewhere").exists()


def test_the_token_of_another_service_is_told_apart_from_none(
    newcomer: Newcomer, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("INTEGRATIONS_TOKEN", "fake-token-of-another-service-0000")
    code, _, complaint = newcomer.types("rehearse", "payment-vnpay")
    assert code == 2
    assert f"{service.url} has another token" in complaint
    assert "fake-token" not in complaint


# ---------------------------------------------------------------- trigger


def test_a_call_is_told_of_under_its_ids_as_paid_and_once(newcomer: Newcomer):
    connection = newcomer.connects()
    paid = newcomer.pays(connection)
    code, said, _ = newcomer.triggers("--execution", paid["executionId"])
    assert code == 0
    assert json.loads(json.loads(said)["answer"]) == {"RspCode": "00", "Message": "Confirm Success"}
    code, said, _ = newcomer.triggers("--execution", paid["executionId"])
    assert (code, json.loads(json.loads(said)["answer"])["RspCode"]) == (0, "02")
    (event,) = newcomer.asks("GET", "/events")["events"]
    assert (event["connectionId"], event["type"]) == (connection, "payment.updated")
    assert event["data"]["paymentId"] == paid["data"]["paymentId"]
    assert event["data"]["status"] == "paid"


def test_a_case_that_is_named_is_the_one_that_is_told(newcomer: Newcomer):
    paid = newcomer.pays(newcomer.connects())
    code, said, _ = newcomer.triggers("--execution", paid["executionId"], "--case", "the payer cancels")
    assert (code, json.loads(said)["case"]) == (0, "the payer cancels")
    (event,) = newcomer.asks("GET", "/events")["events"]
    assert (event["data"]["paymentId"], event["data"]["status"]) == (paid["data"]["paymentId"], "cancelled")


def test_a_webhook_that_is_not_open_is_told_with_the_request_that_opens_it(newcomer: Newcomer):
    connection = newcomer.connects(opened=False)
    code, said, complaint = newcomer.triggers()
    assert (code, said) == (2, "")
    assert f"POST /connections/{connection}/webhooks first" in complaint


def test_a_message_that_nobody_recorded_is_refused_with_the_nearest_or_with_all(newcomer: Newcomer):
    newcomer.connects()
    for name, expected in (
        ("the payer cancel", 'did you mean "the payer cancels"?'),
        ("qqqq", "these are known:\n  the order of the journey is paid\n"),
        ("no hash at all", 'the message "no hash at all" becomes no event'),
    ):
        code, said, complaint = newcomer.triggers("--case", name)
        assert (code, said) == (2, "")
        assert expected in complaint
    assert newcomer.asks("GET", "/events")["events"] == []


@pytest.mark.parametrize("whose", ["nobody's", "another connection's"])
def test_an_execution_that_is_not_of_this_connection_is_unknown(newcomer: Newcomer, whose: str):
    mine = newcomer.connects()
    known = newcomer.pays(newcomer.connects())["executionId"] if whose != "nobody's" else "01M8ZZZZZZZZZZZZZZZZZZZZZZ"
    code, said, complaint = newcomer.triggers("--connection", mine, "--execution", known)
    assert (code, said) == (2, "")
    assert "no such execution of this connection" in complaint


def test_a_connection_of_another_integration_is_told_as_such(newcomer: Newcomer):
    connection = newcomer.connects()
    code, _, complaint = newcomer.types(
        "trigger", "payment-momo", "--tenant", newcomer.tenant, "--connection", connection
    )
    assert code == 2
    assert "this connection is one of payment-vnpay" in complaint


def test_a_tenant_without_a_connection_is_named(newcomer: Newcomer):
    newcomer.connects()
    code, _, complaint = newcomer.types("trigger", "payment-vnpay")
    assert code == 2
    assert 'no active connection of this integration; looked at those of --tenant "default"' in complaint


def test_nothing_is_rehearsed_at_the_real_providers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A service without the sandbox would call them with an invented account."""
    port = free_port()
    real = start(serve_command(port, tmp_path / "data", "--allow-private"), port, tmp_path / "data")
    try:
        code, said, why = Newcomer(real, capsys, "acme").types("rehearse", "payment-momo")
    finally:
        stop(real)
    assert (code, said) == (2, "")
    assert "calls the real providers" in why
