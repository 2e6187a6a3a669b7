"""What consent compiles to: the standard forms, what a refresh takes over, and what a grant belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.catalog import Integration, Method, Step
from engine.compiled.scope import Scope
from engine.runtime.request import build
from tests.spec.compiling import compiled, marked
from tests.support.specs import HOST, consent_spec, fields, setting

SCOPE = Scope(
    {
        "config": {"shop": "lan", "environment": "test"},
        "credentials": {},
        "app": {"clientId": "id-0000", "clientSecret": "secret-0000"},
        "token": {"access": "access-0000", "refresh": "refresh-0000"},
        "callback": {"code": "code-0000", "redirectUri": "https://us.test/back", "query": {"code": "code-0000"}},
        "call": {"random": "r"},
    }
)
WHO = [("client_id", "id-0000"), ("client_secret", "secret-0000")]


def method(made: dict[str, Any]) -> Method:
    integration, found = compiled(made)
    assert [str(one) for one in found] == []
    assert isinstance(integration, Integration)
    return integration.methods[0]


def sent(step: Step | None) -> tuple[str, str, list[tuple[str, str]], Any, dict[str, str]]:
    """Method, URL, form, other body and headers of a step's request."""
    assert step is not None
    draft = build(step.request, SCOPE)
    return draft.method, draft.url(), draft.form, draft.body, draft.headers


def exchange_of(made: Method) -> Step | None:
    assert made.consent is not None
    return made.consent.exchange


def refresh_of(made: Method) -> Step:
    assert made.refresh is not None
    return made.refresh.step


def test_the_three_requests_have_their_standard_forms() -> None:
    made = method(consent_spec(revoke={"request": {"path": "/revoke"}}))
    code = [("grant_type", "authorization_code"), ("code", "code-0000"), ("redirect_uri", "https://us.test/back")]
    assert sent(exchange_of(made)) == ("POST", f"https://{HOST}/token", [*code, *WHO], None, {})
    again = [("grant_type", "refresh_token"), ("refresh_token", "refresh-0000")]
    assert sent(refresh_of(made)) == ("POST", f"https://{HOST}/token", [*again, *WHO], None, {})
    assert sent(made.revoke) == ("POST", f"https://{HOST}/revoke", [("token", "refresh-0000"), *WHO], None, {})


def test_an_access_token_is_revoked_where_there_is_no_refresh_token() -> None:
    made = method(consent_spec(revoke={"request": {"path": "/revoke"}}))
    assert made.revoke is not None
    draft = build(made.revoke.request, SCOPE.having(token={"access": "access-0000"}))
    assert draft.form[0] == ("token", "access-0000")


def test_an_app_without_a_secret_sends_none() -> None:
    made = {**consent_spec(), "app": fields(("clientId",), clientId=setting())}
    assert sent(refresh_of(method(made)))[2][-1] == ("client_id", "id-0000")


def test_a_refresh_takes_over_where_the_exchange_goes_and_how_it_says_who_asks() -> None:
    headers = {"authorization": "Basic {{ app.clientSecret | base64 }}", "X-Version": "2"}
    request = {"url": f"https://{HOST}/{{{{ config.shop }}}}/token", "method": "PUT", "headers": headers}
    made = method(consent_spec(exchange={"request": request}))
    kind, url, form, _, told = sent(refresh_of(made))
    assert (kind, url) == ("PUT", f"https://{HOST}/lan/token")
    assert form == [("grant_type", "refresh_token"), ("refresh_token", "refresh-0000")]
    assert told == sent(exchange_of(made))[4]


def test_a_refresh_with_an_address_of_its_own_takes_over_nothing() -> None:
    exchange = {"request": {"path": "/token", "headers": {"X-Version": "2"}}}
    made = method(consent_spec(exchange=exchange, refresh={"request": {"path": "/again"}}))
    _, url, _, _, told = sent(refresh_of(made))
    assert (url, told) == (f"https://{HOST}/again", {})


@pytest.mark.parametrize("kind", ["json", "form", "text"])
def test_a_body_of_its_own_is_the_whole_body(kind: str) -> None:
    body: Any = "code={{ callback.code }}" if kind == "text" else {"code": "{{ callback.code }}"}
    _, _, form, other, _ = sent(exchange_of(method(consent_spec(exchange={"request": {"path": "/t", kind: body}}))))
    assert (form or other) in ([("code", "code-0000")], {"code": "code-0000"}, "code=code-0000")


def test_a_request_that_gets_has_no_form() -> None:
    request = {"path": "/token", "method": "GET", "query": {"code": "{{ callback.code }}"}}
    made = method(consent_spec(exchange={"request": request}, refresh={"request": {"path": "/again"}}))
    assert sent(exchange_of(made)) == ("GET", f"https://{HOST}/token?code=code-0000", [], None, {})


def test_a_grant_belongs_to_what_its_requests_read() -> None:
    made = consent_spec(authorize={"url": "https://{{ config.shop }}.acme.example/authorize"})
    assert method(made).bound == frozenset({"shop"})
    made["servers"] = {"default": f"https://{HOST}/{{{{ config.theme }}}}"}
    assert method(made).bound == frozenset({"shop"}), (
        "where actions go does not matter, as long as the host is the spec's"
    )
    made["hosts"] = [HOST, "*.acme.example", "config.shop"]
    assert method(made).bound == frozenset({"shop"})


def test_a_grant_belongs_to_the_environment_that_chooses_its_server() -> None:
    made = consent_spec(exchange={"request": {"server": "login", "path": "/token"}})
    made["configSchema"] = fields((), environment=setting(enum=["test", "live"], default="live"))
    made["servers"] = {
        "default": f"https://{HOST}",
        "login": {"by": "config.environment", "test": f"https://{HOST}/t", "live": f"https://{HOST}/l"},
    }
    assert method(made).bound == frozenset({"environment"})


def test_a_code_and_message_of_a_token_call_are_those_of_the_standard() -> None:
    made = {**consent_spec(), "answer": {"success": "body.ok", "code": "body.number", "message": "body.words"}}
    plan = refresh_of(method(made)).answer
    scope = Scope({"body": {"error": "invalid_grant", "error_description": "over", "number": 7}})
    assert plan.code is not None
    assert plan.message is not None
    assert (plan.success, plan.code(scope), plan.message(scope)) == (None, "invalid_grant", "over")


def test_an_unknown_name_in_a_standard_place_is_found_where_it_is_written() -> None:
    request = {"path": "/token", "form": {"code": "{{ callback.quary.code }}"}}
    text = json.dumps(consent_spec(exchange={"request": request}), indent=1)
    _, found = compiled(text)
    assert [(one.code, marked(text, one)) for one in found] == [("NAME002", "callback.quary")]


@pytest.mark.parametrize("place", ["authorize", "refresh"])
def test_what_came_back_is_known_to_the_exchange_only(place: str) -> None:
    parts = {
        "authorize": {"url": f"https://{HOST}/a", "params": {"x": "{{ callback.code }}"}},
        "refresh": {"request": {"path": "/r", "form": {"x": "{{ callback.code }}"}}},
    }
    _, found = compiled(consent_spec(**{place: parts[place]}))
    assert [one.code for one in found] in (["NAME001"], ["NAME002"])
