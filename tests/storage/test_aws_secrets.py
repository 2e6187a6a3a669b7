"""Secrets Manager: what it does not refuse, what it loses, and who else changes a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_engine
from engine.errors import RequestError, SettingsError, StorageCorrupt, StorageUnavailable
from engine.model import Command
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.storage.aws import rotate_master_key
from engine.storage.aws.secrets import LARGEST
from engine.storage.aws.vault import MASTER_KEYS
from engine.storage.ports import Secret, Store
from tests.support.aws import ROOT_USER, Servers, client, open_empty, reopen
from tests.support.aws_faults import AwsFaults, always, once
from tests.support.scene import KEY, TENANT, connect
from tests.support.specs import catalog, spec
from tests.support.upstream import Seen, Upstream, answer

NEW = "the-key-after-its-rotation"
PLACE = "/integrations/tenant-a/c1"


@pytest.fixture
async def store(aws_servers: Servers, aws_user: None) -> AsyncIterator[Store]:
    opened = open_empty(aws_servers, "dynoxide")
    yield opened
    await opened.lifetime.close()


@pytest.fixture
def manager(aws_servers: Servers) -> Any:
    """What an operator has: Secrets Manager itself."""
    return client("secretsmanager", aws_servers.secrets)


@pytest.fixture
def faults(aws_servers: Servers) -> Iterator[AwsFaults]:
    with AwsFaults(aws_servers.secrets).serving() as proxy:
        yield proxy


@pytest.fixture
async def faulty(aws_servers: Servers, store: Store, faults: AwsFaults) -> AsyncIterator[Store]:
    """A process whose line to Secrets Manager goes through the proxy."""
    opened = reopen(replace(aws_servers, secrets=faults.endpoint), "dynoxide")
    yield opened
    await opened.lifetime.close()


# --- the port ------------------------------------------------------------------------------------------------------


async def test_the_secret_of_a_connection_is_one_text_at_its_path(store: Store, manager: Any) -> None:
    await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"})
    await store.secrets.put("tenant-a", "c1", "token", {"access": "t-1"})
    stored = json.loads(manager.get_secret_value(SecretId=PLACE)["SecretString"])
    assert stored == {
        "credentials": {"version": 1, "value": {"apiKey": "k-1"}},
        "token": {"version": 1, "value": {"access": "t-1"}},
    }


async def test_what_secrets_manager_would_not_take_is_refused_by_us_and_the_old_stays(store: Store) -> None:
    """All names of a connection share the 64 KiB; an emulator takes more, so AWS is not asked."""
    frame = len(json.dumps({"credentials": {"version": 1, "value": {"apiKey": ""}}}, separators=(",", ":")))
    largest = "k" * (LARGEST - frame)
    assert await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": largest}) == 1
    with pytest.raises(RequestError) as refused:
        await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": f"{largest}k"})
    assert refused.value.code == "PAYLOAD_TOO_LARGE"
    assert "kkkk" not in str(refused.value)
    with pytest.raises(RequestError):
        await store.secrets.put("tenant-a", "c1", "token", {})
    assert await store.secrets.get("tenant-a", "c1", "credentials") == Secret({"apiKey": largest}, 1)
    assert await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k"}) == 2


async def test_a_customers_own_kms_key_encrypts_credentials_and_master_keys(
    aws_servers: Servers, aws_user: None, manager: Any
) -> None:
    opened = open_empty(aws_servers, "dynoxide", aws_kms_key="alias/integrations")
    await opened.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"})
    await opened.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-2"})
    await opened.lifetime.close()
    for path in (PLACE, MASTER_KEYS):
        assert manager.describe_secret(SecretId=path)["KmsKeyId"] == "alias/integrations"


async def test_a_secret_that_somebody_broke_says_so_and_shows_nothing(store: Store, manager: Any) -> None:
    for broken in ("canary-4711", '["canary-4711"]'):
        manager.create_secret(Name=PLACE, SecretString=broken)
        with pytest.raises(StorageCorrupt) as refused:
            await store.secrets.get("tenant-a", "c1", "credentials")
        assert "canary" not in str(refused.value)
        manager.delete_secret(SecretId=PLACE, ForceDeleteWithoutRecovery=True)


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "broken", "throttled"])
async def test_an_answer_that_is_lost_makes_no_second_version(
    store: Store, faulty: Store, faults: AwsFaults, fault: Any
):
    faults.choose = once(fault)
    assert await faulty.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"}, expected=0) == 1
    assert await faulty.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-2"}, expected=1) == 2
    assert await faulty.secrets.get("tenant-a", "c1", "credentials") == Secret({"apiKey": "k-2"}, 2)
    await faulty.secrets.delete("tenant-a", "c1")
    assert await store.secrets.get("tenant-a", "c1", "credentials") is None
    assert faults.played[fault] >= 4


@pytest.mark.parametrize("fault", ["denied", "broken", "throttled"])
async def test_secrets_that_can_not_be_had_are_storage_unavailable(
    store: Store, faulty: Store, faults: AwsFaults, fault: Any
) -> None:
    await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"})
    faults.choose = always(fault)
    for asked in (
        faulty.secrets.get("tenant-a", "c1", "credentials"),
        faulty.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-2"}),
        faulty.secrets.delete("tenant-a", "c1"),
    ):
        with pytest.raises(StorageUnavailable) as refused:
            await asked
        assert "canary" not in str(refused.value)
    faults.choose = lambda _asked: None
    assert await faulty.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-2"}, expected=1) == 2


async def test_a_writer_that_died_holds_a_secret_up_for_a_minute_at_most(aws_servers: Servers, aws_user: None) -> None:
    at = [1_800_000_000.0]
    opened = open_empty(aws_servers, "dynoxide", lambda: at[0])
    await opened.state.put(f"secret:{PLACE}", b"", expected=0, ttl_seconds=60)
    waiting = asyncio.create_task(opened.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"}))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    at[0] += 60
    assert await waiting == 1
    await opened.lifetime.close()


# --- rotation from outside -----------------------------------------------------------------------------------------


class Believer:
    """An upstream that believes some keys, and echoes what it was given."""

    def __init__(self) -> None:
        self.believed = {KEY}
        self.refused = 0

    def __call__(self, seen: Seen) -> Any:
        if seen.headers["x-api-key"] in self.believed:
            return answer({"ok": True})
        self.refused += 1
        return answer({"message": "no"}, 401)


@pytest.fixture
async def scene(tmp_path: Path, aws_place: Servers) -> AsyncIterator[tuple[Engine, Believer, str]]:
    """An engine as `INTEGRATIONS_STORAGE=aws` opens it, the provider, and the id of a connection."""
    provider = Believer()
    settings = Settings.from_environment({"INTEGRATIONS_STORAGE": "aws", "INTEGRATIONS_DATA_DIR": str(tmp_path)})
    async with Upstream(provider) as upstream:
        known = catalog(tmp_path / "specs", spec())
        origins = dict.fromkeys(known.integrations, upstream.origin)
        engine = await open_engine(settings, catalog=known, upstreams=origins)
        yield engine, provider, (await connect(engine, next(iter(known.integrations)))).connection_id
        await engine.close()


async def call(engine: Engine, connection_id: str) -> bool:
    done = await engine.execute(Command(TENANT, "quote", {}, connection_id))
    return done.success


def rotated(manager: Any, connection_id: str) -> tuple[str, str]:
    """The path of the connection's secret, and its text with the new key."""
    path = f"/integrations/{TENANT}/{connection_id}"
    return path, manager.get_secret_value(SecretId=path)["SecretString"].replace(KEY, NEW)


async def test_a_key_that_an_operator_rotates_costs_no_failing_call(scene: Any, manager: Any) -> None:
    engine, provider, connection_id = scene
    assert await call(engine, connection_id)
    path, text = rotated(manager, connection_id)
    provider.believed = {KEY, NEW}
    manager.update_secret(SecretId=path, SecretString=text)
    assert await call(engine, connection_id)
    provider.believed = {NEW}
    assert all(await asyncio.gather(*(call(engine, connection_id) for _ in range(5))))
    assert provider.refused > 0, "the old one was in memory"
    refused = provider.refused
    assert await call(engine, connection_id)
    assert provider.refused == refused


async def test_a_rotation_by_version_stages_is_believed_when_it_is_current_and_not_before(
    scene: Any, manager: Any
) -> None:
    """As a rotation function does it: AWSPENDING, tested at the provider, then AWSCURRENT."""
    engine, provider, connection_id = scene
    path, text = rotated(manager, connection_id)
    before = manager.describe_secret(SecretId=path)
    (current,) = [one for one, stages in before["VersionIdsToStages"].items() if "AWSCURRENT" in stages]
    made = manager.put_secret_value(SecretId=path, SecretString=text, VersionStages=["AWSPENDING"])
    assert await call(engine, connection_id), "what is pending is not used"
    assert provider.refused == 0
    manager.update_secret_version_stage(
        SecretId=path, VersionStage="AWSCURRENT", MoveToVersionId=made["VersionId"], RemoveFromVersionId=current
    )
    provider.believed = {NEW}
    assert await call(engine, connection_id)


# --- master keys ---------------------------------------------------------------------------------------------------


async def test_a_new_master_key_opens_what_is_sealed_from_then_on_and_the_old_one_what_was(
    aws_servers: Servers, store: Store
) -> None:
    endpoints = {"dynamodb": aws_servers.dynamodb["dynoxide"], "secretsmanager": aws_servers.secrets}
    old = store.vault.seal("tenant-a", "x", b"before")
    await rotate_master_key(Settings(storage="aws"), endpoints)
    fresh = reopen(aws_servers, "dynoxide")
    new = fresh.vault.seal("tenant-a", "x", b"after")
    assert old[1:9] != new[1:9], "ids of two keys"
    assert fresh.vault.open("tenant-a", "x", old) == b"before"
    assert store.vault.open("tenant-a", "x", new) == b"after", "a process that ran before finds the new key"
    await fresh.lifetime.close()


async def test_of_rotations_at_once_no_key_is_lost(aws_servers: Servers, store: Store, manager: Any) -> None:
    endpoints = {"dynamodb": aws_servers.dynamodb["dynoxide"], "secretsmanager": aws_servers.secrets}
    await asyncio.gather(*(rotate_master_key(Settings(storage="aws"), endpoints) for _ in range(4)))
    assert len(set(json.loads(manager.get_secret_value(SecretId=MASTER_KEYS)["SecretString"])["keys"])) == 5


async def test_an_unknown_key_is_looked_for_once_and_not_by_each_made_up_one(
    aws_servers: Servers, store: Store, faults: AwsFaults, faulty: Store
) -> None:
    """Callers send cursors, and could send made-up ones."""
    asked = faults.asked["GetSecretValue"]
    for number in range(20):
        with pytest.raises(StorageCorrupt):
            faulty.vault.open("tenant-a", "x", b"\x02" + bytes([number]) * 40)
    assert faults.asked["GetSecretValue"] == asked + 1


async def test_processes_that_start_at_once_share_one_master_key(aws_servers: Servers, aws_user: None) -> None:
    wiped = open_empty(aws_servers, "dynoxide")
    client("secretsmanager", aws_servers.secrets).delete_secret(SecretId=MASTER_KEYS, ForceDeleteWithoutRecovery=True)
    opened = await asyncio.gather(*(asyncio.to_thread(reopen, aws_servers, "dynoxide") for _ in range(6)))
    sealed = opened[0].vault.seal("tenant-a", "x", b"plain")
    assert {one.vault.open("tenant-a", "x", sealed) for one in opened} == {b"plain"}
    for one in (wiped, *opened):
        await one.lifetime.close()


async def test_keys_of_the_environment_are_not_rotated_for_it(aws_user: None) -> None:
    with pytest.raises(SettingsError, match="INTEGRATIONS_MASTER_KEY"):
        await rotate_master_key(Settings(storage="aws", master_keys=(b"k" * 32,)))


def test_the_environment_must_name_a_region(monkeypatch: pytest.MonkeyPatch, aws_servers: Servers) -> None:
    for name in (*ROOT_USER, "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="AWS_REGION"):
        reopen(aws_servers, "dynoxide")
