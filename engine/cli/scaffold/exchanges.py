"""The first cases of a new integration: invented exchanges with an invented account."""

from __future__ import annotations

import base64
from typing import Any

from engine.cli.scaffold.consents import consent_cases
from engine.cli.scaffold.plan import EXAMPLE_ID, Plan, spaced

_UNKNOWN_ID = "9999"
_SOURCE = "invented when the spec was begun; put the page of the provider's documentation here"


def account(plan: Plan, *, refused: bool = False) -> dict[str, dict[str, str]]:
    """An invented account: what `given` of a case and the options of a command name `config` and `credentials`."""
    fake = f"fake-{plan.integration_id}-{'refused' if refused else 'key'}-0000"
    if plan.auth == "basic":
        return {"config": {"username": "fake-user"}, "credentials": {"password": fake}}
    if plan.auth == "oauth2":
        return {"config": {}}
    return {"credentials": {"apiKey" if plan.auth == "api_key" else "accessToken": fake}}


def example_input(plan: Plan, id_: str = EXAMPLE_ID) -> dict[str, Any]:
    """An input that the first case has."""
    values: dict[str, Any] = dict.fromkeys(plan.parameters, id_)
    if plan.kind == "list":
        values["limit"] = 2
    return {**values, **dict.fromkeys(plan.body_fields, "An example")}


def example_cases(plan: Plan) -> list[dict[str, Any]]:
    """A success, the refusal that the spec has a rule for, and a refused credential."""
    refusal, code = plan.refusal
    what = spaced(plan.noun)
    name = f"no such {what}" if plan.parameters else f"{spaced(plan.action)} is not allowed"
    item = {"id": int(EXAMPLE_ID), "status": "active"}
    rows = [item, {"id": int(EXAMPLE_ID) + 1, "status": "active"}]
    shown = [{**row, "id": str(row["id"])} for row in rows]
    answer: Any = {plan.collection: rows} if plan.kind == "list" else item
    result: Any = {plan.collection: shown} if plan.kind == "list" else shown[0]
    refused = {"error": {"code": refusal, "message": name[0].upper() + name[1:]}}
    unknown_key = {"error": {"code": "unauthorized", "message": "Unknown credentials"}}
    no_credentials: dict[str, Any] = {"code": "AUTH_FAILED", "providerCode": "unauthorized"}
    refusal_error: dict[str, Any] = {"code": code, "providerCode": refusal}
    return [
        _case(plan, spaced(plan.action), {"status": 200, "json": answer}, {"result": result}),
        _case(plan, name, {"status": 400, "json": refused}, {"error": refusal_error}, id_=_UNKNOWN_ID),
        _case(
            plan, "the credentials are refused", {"status": 401, "json": unknown_key}, {"error": no_credentials},
            is_refused=True,
        ),
    ]  # fmt: skip


def example_consents(plan: Plan) -> list[dict[str, Any]]:
    """How an account is connected, and what becomes of its token."""
    success = example_cases(plan)[0]
    (exchange,) = success["exchanges"]
    expect = {**exchange["expect"], "headers": {"Authorization": "Bearer fake-access-0001"}}
    renewed = {**success, "exchanges": [{**exchange, "expect": expect}]}
    return consent_cases(plan, _SOURCE, renewed)


def _case(
    plan: Plan,
    name: str,
    answer: dict[str, Any],
    outcome: dict[str, Any],
    *,
    id_: str = EXAMPLE_ID,
    is_refused: bool = False,
) -> dict[str, Any]:
    given = example_input(plan, id_)
    expect: dict[str, Any] = {"method": plan.method, "url": plan.url(id_)}
    if plan.kind == "list":
        expect["query"] = {"limit": str(given["limit"])}
    expect["headers"] = {_header(plan): _signed_in(plan, refused=is_refused)}
    if plan.body_fields:
        expect["json"] = {name: given[name] for name in plan.body_fields}
    return {
        "case": name,
        "action": plan.action,
        "source": _SOURCE,
        "unconfirmed": True,
        "given": {**_given(plan, refused=is_refused), "input": given},
        "exchanges": [{"expect": expect, "answer": answer}],
        **outcome,
    }


def _given(plan: Plan, *, refused: bool) -> dict[str, Any]:
    """The account of a case; one that was connected by consent has a token."""
    if plan.auth != "oauth2":
        return account(plan, refused=refused)
    return {"token": {"access": f"fake-access-{'refused-0000' if refused else '0000'}"}}


def _header(plan: Plan) -> str:
    return plan.header if plan.auth == "api_key" else "Authorization"


def _signed_in(plan: Plan, *, refused: bool) -> str:
    if plan.auth == "oauth2":
        return f"Bearer {_given(plan, refused=refused)['token']['access']}"
    made = account(plan, refused=refused)
    if plan.auth == "basic":
        pair = f"{made['config']['username']}:{made['credentials']['password']}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    (secret,) = made["credentials"].values()
    return f"Bearer {secret}" if plan.auth == "bearer" else f"{plan.before_key}{secret}"
