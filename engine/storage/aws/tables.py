"""The tables on DynamoDB: the one definition that emulators are set up from and the deployment's template is held to.

    Integrations-Connections   TENANT#<tenant>       CONNECTION#<connection>
                               CONNECTION#<connection>  TENANT#<tenant>         whose it is, for who knows no tenant
                               ROUTE#<route>  (index ConnectionsByRoute)        whom a message to an app is for
    Integrations-Executions    TENANT#<tenant>       EXEC#<time>#<execution>
    Integrations-Events        TENANT#<tenant>       EVENT#<time>#<event>
                               TENANT#<tenant>       EVENTID#<event>              where the event stands
    Integrations-Deliveries    ARRIVALS#<shard>      <time>#<tenant>#<event>    of which nobody has seen who wants it
                               TENANT#<tenant>       SUBSCRIPTION#<subscription>
                               TENANT#<tenant>       DELIVERY#<time>#<delivery>
                               TENANT#<tenant>       DELIVERYID#<delivery>      where the delivery stands
                               TENANT#<tenant>       LANE#<subscription>        what is said of its deliveries
                               LANE#<tenant>#<subscription>  <due>#<delivery>   a copy, while it is pending
    Integrations-State         <key>                 STATE

Times in keys are RFC 3339 in UTC to the microsecond, so that they sort. `expires` (epoch seconds) is what DynamoDB
removes items by; readers look at it themselves too, for it may take days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.frozen import frozen

EXPIRES: Final = "expires"


@frozen
class Index:
    """A global secondary index. `projection`: ALL or KEYS_ONLY."""

    name: str
    partition: str
    sort: str
    projection: str = "ALL"


@frozen
class Table:
    """All keys are text, and every table bills by request."""

    name: str
    indexes: tuple[Index, ...] = ()
    expires: bool = True
    recoverable: bool = True
    """Point-in-time recovery is on."""


CONNECTIONS: Final = Table(
    "Integrations-Connections",
    (
        Index("ConnectionsByIntegration", "PK", "integrationKey"),
        Index("ConnectionsByRoute", "routeKey", "SK", "KEYS_ONLY"),
    ),
    expires=False,
)
EXECUTIONS: Final = Table("Integrations-Executions", (Index("ExecutionsByConnection", "connectionKey", "timeKey"),))
EVENTS: Final = Table("Integrations-Events")
DELIVERIES: Final = Table("Integrations-Deliveries", (Index("LanesByTurn", "lanes", "turn"),))
STATE: Final = Table("Integrations-State", (Index("StateByKind", "kind", "PK", "KEYS_ONLY"),), recoverable=False)

TABLES: Final[Sequence[Table]] = (CONNECTIONS, EXECUTIONS, EVENTS, DELIVERIES, STATE)


def definition(table: Table) -> Mapping[str, Any]:
    """What `CreateTable` is asked for."""
    names = dict.fromkeys(["PK", "SK", *(key for index in table.indexes for key in (index.partition, index.sort))])
    asked: dict[str, Any] = {
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "KeySchema": _keys("PK", "SK"),
    }
    if table.indexes:
        asked["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _keys(index.partition, index.sort),
                "Projection": {"ProjectionType": index.projection},
            }
            for index in table.indexes
        ]
    return asked


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
