"""`POST /execute`, and the log of what was executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.api import views, wire
from engine.api.bodies import EXECUTE_BODY, EXECUTIONS_QUERY
from engine.api.fields import NOON, OTHER_ULID, ULID, listing, ref, text
from engine.api.operations import EXECUTES, Body, Operation
from engine.api.paging import Place, paged
from engine.api.query import instant
from engine.api.site import Site
from engine.api.wire import Call, Reply, bad_request, ok
from engine.errors import Issue, RequestError
from engine.model import Command, Execution
from engine.storage.ports import ExecutionQuery


async def execute(site: Site, call: Call) -> Reply:
    """What went wrong in the call itself is 200 with `success: false`."""
    body = call.body
    if body.get("tenantId", call.tenant) != call.tenant:
        what = "must equal the X-Tenant-Id header"
        raise bad_request("the body names another tenant", Issue(what, ("tenantId",)))
    answer = await site.engine.execute(
        Command(
            tenant_id=call.tenant,
            action_id=body["actionId"],
            input=body["input"],
            connection_id=body.get("connectionId"),
            integration_id=body.get("integrationId"),
            caller_service=body.get("callerService"),
            caller_ref=body.get("callerRef"),
            idempotency_key=wire.idempotency_key(call.headers),
        )
    )
    replayed = ((b"idempotent-replayed", b"true"),) if answer.replayed else ()
    return ok(views.answer(answer), *replayed)


async def find(site: Site, call: Call) -> Reply:
    filters = {name: value for name, value in call.query.items() if name not in ("limit", "cursor")}

    async def rows(limit: int, after: Place | None) -> Sequence[Execution]:
        return await site.engine.store.executions.find(_selection(call.tenant, filters, limit, after))

    return await paged(
        site, call, "executions", filters, rows, views.execution, lambda row: (row.created_at, row.execution_id)
    )


async def get(site: Site, call: Call) -> Reply:
    row = await site.engine.store.executions.get(call.tenant, call.params["executionId"])
    if row is None:
        raise RequestError("NOT_FOUND", "no such execution")
    return ok(views.execution(row))


def _selection(tenant: str, filters: Mapping[str, Any], limit: int, after: tuple[float, str] | None) -> ExecutionQuery:
    start, end = filters.get("startDate"), filters.get("endDate")
    return ExecutionQuery(
        tenant_id=tenant,
        connection_id=filters.get("connectionId"),
        integration_id=filters.get("integrationId"),
        status=filters.get("status"),
        start=None if start is None else instant(start, "startDate"),
        end=None if end is None else instant(end, "endDate"),
        limit=limit,
        after=after,
    )


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the first answer again for 24 hours and never a second "
    "write; with another request, or while the first still runs, it is a 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": wire.IDEMPOTENCY_KEY_LIMIT, "pattern": "^[ -~]+$"},
}
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "`true` where this is the first answer to the Idempotency-Key, given again.",
        "schema": {"type": "string", "const": "true"},
    }
}
_DONE = {
    "success": True,
    "executionId": ULID,
    "data": {"fee": 36300, "currency": "VND"},
    "latencyMs": 182,
}
_FAILED = {
    "success": False,
    "executionId": ULID,
    "error": {"code": "RATE_LIMITED", "message": "Too many requests", "retryable": True, "retryAfterMs": 12000},
    "latencyMs": 95,
}
_LOGGED = {
    "executionId": ULID,
    "tenantId": "acme",
    "connectionId": OTHER_ULID,
    "integrationId": "shipping-acme",
    "actionId": "calculate_fee",
    "input": {"toDistrictId": 1442, "weight": 200},
    "output": {"fee": 36300, "currency": "VND"},
    "status": "success",
    "httpStatus": 200,
    "attempts": 1,
    "latencyMs": 182,
    "callerService": "ai-agent",
    "createdAt": NOON,
}

_LOGGED_FAILURE = {
    **{name: value for name, value in _LOGGED.items() if name != "output"},
    "status": "error",
    "errorCode": "REJECTED",
    "errorMessage": "The district is not served",
    "errorDetails": {"httpStatus": 400},
    "providerCode": "DISTRICT_NOT_SERVED",
    "httpStatus": 400,
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "actions.execute",
        "POST",
        "/execute",
        execute,
        "Run an action. What goes wrong in the call itself is a 200 with `success: false`.",
        ref("ExecuteResult"),
        body=Body("ExecuteRequest", EXECUTE_BODY),
        failures=("FORBIDDEN", "NOT_FOUND", "CONFLICT", "TOO_MANY_REQUESTS"),
        headers=(_IDEMPOTENCY_KEY,),
        answer_headers=_REPLAYED,
        examples={"done": _DONE, "failed": _FAILED},
        rights=EXECUTES,
    ),
    Operation(
        "executions.list",
        "GET",
        "/executions",
        find,
        "The log of calls, newest first.",
        listing("Execution", "executions", nextCursor=text("Give it as `cursor` for the next page.")),
        query=EXECUTIONS_QUERY,
        examples={"page": {"executions": [_LOGGED]}},
        rights=EXECUTES,
    ),
    Operation(
        "executions.get",
        "GET",
        "/executions/{executionId}",
        get,
        "One logged call.",
        ref("Execution"),
        failures=("NOT_FOUND",),
        examples={"logged": _LOGGED, "failed": _LOGGED_FAILURE},
        rights=EXECUTES,
    ),
)
