"""Storage on AWS: DynamoDB for everything but secrets, which rest in Secrets Manager."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from engine.errors import SettingsError
from engine.settings import Settings
from engine.storage.aws.census import AwsCensus
from engine.storage.aws.client import Aws
from engine.storage.aws.connections import AwsConnections
from engine.storage.aws.deliveries import AwsDeliveries
from engine.storage.aws.events import AwsEvents
from engine.storage.aws.executions import AwsExecutions
from engine.storage.aws.lifetime import AwsLifetime
from engine.storage.aws.secrets import AwsSecrets
from engine.storage.aws.state import AwsState
from engine.storage.aws.subscriptions import AwsSubscriptions
from engine.storage.aws.vault import open_vault, rotate
from engine.storage.ports import Store


def open_store(
    settings: Settings, now: Callable[[], float] = time.time, endpoints: Mapping[str, str] | None = None
) -> Store:
    """The store of the account and region that the environment names; the tables must be there.

    Raises `SettingsError` without boto3, `StorageUnavailable` where AWS refuses. Waits.
    """
    aws = Aws(endpoints)
    state = AwsState(aws, now)
    return Store(
        connections=AwsConnections(aws),
        secrets=AwsSecrets(aws, state, settings.aws_kms_key),
        executions=AwsExecutions(aws, settings.retention_days),
        events=AwsEvents(aws, settings.retention_days),
        subscriptions=AwsSubscriptions(aws),
        deliveries=AwsDeliveries(aws, now, settings.retention_days),
        state=state,
        vault=open_vault(aws, settings.master_keys, settings.aws_kms_key),
        census=AwsCensus(aws, state),
        lifetime=AwsLifetime(aws, state),
    )


async def rotate_master_key(settings: Settings, endpoints: Mapping[str, str] | None = None) -> None:
    """A new master key in Secrets Manager. Raises `SettingsError` where the environment gives the keys."""
    if settings.master_keys:
        raise SettingsError(
            "the master key comes from INTEGRATIONS_MASTER_KEY: put the new key before the old one there"
        )
    aws = Aws(endpoints)
    try:
        await rotate(aws, AwsState(aws, time.time))
    finally:
        await aws.close()
