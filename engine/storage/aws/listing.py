"""A list of a tenant's rows from their table, newest first: what `Query` is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.storage.aws.items import tenant_key, text

_PAGE: Final = 100


def newest_first(
    table: str, tenant_id: str, lower: str, upper: str, wanted: Mapping[str, str | None], limit: int
) -> dict[str, Any]:
    """Rows whose sort key is from `lower` to `upper`; `wanted`: attributes that must read so, None = any.

    From the table, which knows every change at once; an index may lag behind.
    """
    filters = {name: value for name, value in wanted.items() if value is not None}
    asked: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": "PK = :tenant AND SK BETWEEN :from AND :to",
        "ExpressionAttributeValues": {
            ":tenant": text(tenant_key(tenant_id)),
            ":from": text(lower),
            ":to": text(upper),
            **{f":{name}": text(value) for name, value in filters.items()},
        },
        "ScanIndexForward": False,
        "ConsistentRead": True,
        "Limit": max(limit + 1, _PAGE),
    }
    if filters:
        asked["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in filters)
        asked["ExpressionAttributeNames"] = {f"#{name}": name for name in filters}
    return asked
