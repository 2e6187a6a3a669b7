"""Keys at rest: envelope encryption, master keys, their rotation, the private files."""

from __future__ import annotations

import asyncio
import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.errors import SettingsError, StorageCorrupt, StorageUnavailable
from engine.settings import Settings
from engine.storage.keyring import KeyFile, KeyRing, new_master_key
from engine.storage.ports import Store
from engine.storage.rotation import rotate, rotate_key_file
from engine.storage.service_token import service_token, service_token_hash
from engine.storage.sqlite import DATABASE_FILE, open_store
from tests.storage.samples import child, run, secret_of
from tests.storage.test_sqlite import raw

OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))


def opened(folder: Path, *keys: bytes) -> Store:
    return open_store(Settings(data_dir=folder, master_keys=keys, token="service-token"))


async def filled(folder: Path, tenants: int, *keys: bytes) -> Store:
    store = opened(folder, *keys)
    await asyncio.gather(
        *(
            store.secrets.put(f"tenant-{number}", "c1", "credentials", {"key": f"value-{number}"})
            for number in range(tenants)
        )
    )
    return store


async def values(store: Store, tenants: int) -> list[str]:
    return [(await secret_of(store, f"tenant-{number}")).value["key"] for number in range(tenants)]


def wanted(tenants: int) -> list[str]:
    return [f"value-{number}" for number in range(tenants)]


async def test_a_wrong_master_key_is_told_at_start_and_nothing_is_changed(tmp_path: Path):
    await (await filled(tmp_path, 1, OLD)).lifetime.close()
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(SettingsError, match="wrong master key") as caught:
        opened(tmp_path, NEW)
    assert "INTEGRATIONS_MASTER_KEY" in str(caught.value)
    assert (tmp_path / DATABASE_FILE).read_bytes() == before
    store = opened(tmp_path, OLD)
    assert await values(store, 1) == wanted(1)
    await store.lifetime.close()


async def test_a_lost_key_file_is_told_and_not_made_anew(tmp_path: Path):
    await open_store(data_dir=tmp_path).lifetime.close()
    (tmp_path / "master.key").unlink()
    with pytest.raises(SettingsError, match="missing"):
        open_store(data_dir=tmp_path)
    assert not (tmp_path / "master.key").exists()


async def test_sealed_rows_can_not_be_swapped_or_put_back(tmp_path: Path):
    """Whoever can write the database still can't move a secret to another tenant, connection, name or version."""
    store = opened(tmp_path, OLD)
    places = [("tenant-a", "c1", "x"), ("tenant-a", "c2", "x"), ("tenant-a", "c1", "y"), ("tenant-b", "c1", "x")]
    for place in places:
        await store.secrets.put(*place, {"key": "first"})
    select = "SELECT sealed FROM secrets WHERE (tenant_id, connection_id, name) = (?,?,?)"
    update = "UPDATE secrets SET sealed = ? WHERE (tenant_id, connection_id, name) = (?,?,?)"
    with raw(tmp_path) as database:
        sealed = {place: database.execute(select, place).fetchone()[0] for place in places}
        await store.secrets.put(*places[0], {"key": "second"})
        for source in places:
            database.execute(update, (sealed[source], *places[0]))
            with pytest.raises(StorageCorrupt):
                await store.secrets.get(*places[0])
        await store.secrets.put(*places[0], {"key": "third"})
    secret = await store.secrets.get(*places[0])
    assert secret is not None
    assert secret.value == {"key": "third"}
    await store.lifetime.close()


async def test_swapped_tenant_keys_are_refused(tmp_path: Path):
    await (await filled(tmp_path, 2, OLD)).lifetime.close()
    with raw(tmp_path) as database:
        (wrapped,) = database.execute("SELECT wrapped FROM tenant_keys WHERE tenant_id = 'tenant-1'").fetchone()
        database.execute("UPDATE tenant_keys SET wrapped = ? WHERE tenant_id = 'tenant-0'", (wrapped,))
    store = opened(tmp_path, OLD)
    with pytest.raises(StorageCorrupt):
        await store.secrets.get("tenant-0", "c1", "credentials")
    assert (await secret_of(store, "tenant-1")).value == {"key": "value-1"}
    await store.lifetime.close()


def traces(secret: bytes) -> list[bytes]:
    """The secret as it may lie in a file: raw, URL-encoded, base64 at its three alignments, hex."""
    aligned = [base64.b64encode(b"x" * shift + secret)[4 if shift else 0 : -4] for shift in range(3)]
    return [secret, quote(secret).encode(), *aligned, secret.hex().encode()]


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_no_secret_lies_open_in_any_file(tmp_path: Path):
    canary = b"canary/secret+of~a tenant 8f2c"
    store = opened(tmp_path, OLD)
    for _ in range(3):
        await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": canary.decode()})
    answer = store.vault.seal("tenant-a", "answer", canary)
    await store.state.put("answer", answer, expected=0, ttl_seconds=60)
    content = contents(tmp_path)
    await store.lifetime.close()
    content += contents(tmp_path)
    assert answer in content
    assert [trace for trace in [*traces(canary), *traces(OLD), b"service-token"] if trace in content] == []
    assert service_token_hash("service-token") in content


async def test_nothing_prints_a_key_or_a_token(tmp_path: Path):
    store = await filled(tmp_path, 1, OLD)
    settings = Settings(master_keys=(OLD,), token="service-token")
    shown = f"{store} {store.vault!r} {KeyRing((OLD,))!r} {settings!r} {settings}"
    await store.lifetime.close()
    assert [
        trace for trace in [*traces(OLD), repr(OLD).encode(), b"service-token"] if trace.decode("latin1") in shown
    ] == []


async def test_rotation_wraps_tenant_keys_again_and_only_these(tmp_path: Path):
    store = await filled(tmp_path, 250, OLD)
    select = "SELECT tenant_id, connection_id, name, version, sealed FROM secrets ORDER BY 1, 2, 3"
    with raw(tmp_path) as database:
        before = database.execute(select).fetchall()
        seen: list[tuple[int, int]] = []
        assert await rotate(store, NEW, lambda done, total: seen.append((done, total))) == 250
        assert seen == [(100, 250), (200, 250), (250, 250)]
        assert database.execute(select).fetchall() == before
    await store.secrets.put("tenant-new", "c1", "credentials", {"key": "new"})
    assert await values(store, 250) == wanted(250)
    await store.lifetime.close()
    with pytest.raises(SettingsError, match="wrong master key"):
        opened(tmp_path, OLD)
    store = opened(tmp_path, NEW)
    assert await values(store, 250) == wanted(250)
    assert await rotate(store, NEW) == 0
    await store.lifetime.close()


async def test_an_interrupted_rotation_needs_both_keys_and_goes_on(tmp_path: Path):
    store = await filled(tmp_path, 250, OLD)

    def interrupt(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await rotate(store, NEW, interrupt)
    await store.lifetime.close()
    for alone in (OLD, NEW):
        with pytest.raises(SettingsError, match="the new and the old key"):
            opened(tmp_path, alone)
    store = opened(tmp_path, OLD, NEW)
    assert await values(store, 250) == wanted(250)
    assert await rotate(store, NEW) == 150
    await store.lifetime.close()
    store = opened(tmp_path, NEW)
    assert await values(store, 250) == wanted(250)
    await store.lifetime.close()


async def test_a_process_without_the_new_key_writes_nothing_under_the_old(tmp_path: Path):
    """Else a key made during the rotation would be lost with the old master key."""
    stale = await filled(tmp_path, 1, OLD)
    store = opened(tmp_path, OLD, NEW)
    await rotate(store, NEW)
    with pytest.raises(StorageUnavailable, match="lacks master key"):
        await stale.secrets.put("tenant-new", "c1", "credentials", {"key": "new"})
    assert await values(stale, 1) == wanted(1)
    assert await store.secrets.get("tenant-new", "c1", "credentials") is None
    await stale.lifetime.close()
    await store.lifetime.close()


async def test_of_two_rotations_to_different_keys_the_later_one_wins(tmp_path: Path):
    await (await filled(tmp_path, 150, OLD)).lifetime.close()
    first, second = opened(tmp_path, OLD, NEW, OTHER), opened(tmp_path, OLD, NEW, OTHER)

    def overtake(done: int, total: int) -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(run, rotate(second, OTHER)).result()

    with pytest.raises(SettingsError, match="another rotation"):
        await rotate(first, NEW, overtake)
    await first.lifetime.close()
    await second.lifetime.close()
    store = opened(tmp_path, OTHER)
    assert await values(store, 150) == wanted(150)
    await store.lifetime.close()


async def test_readers_go_on_while_the_key_file_is_rotated(tmp_path: Path):
    """Another process reads old tenants and makes new ones all the while; afterwards only the new key is left."""
    store = await filled(tmp_path, 300)
    reader = child("read_secrets", tmp_path, "300")
    assert reader.stdout is not None
    assert await asyncio.to_thread(reader.stdout.readline) == "ready\n"
    (old,) = KeyFile(tmp_path).read()
    for _ in range(3):
        assert await rotate_key_file(store, KeyFile(tmp_path)) >= 300
    output, _ = await asyncio.to_thread(reader.communicate, "", 60)
    assert reader.returncode == 0
    created = int(output)
    await store.lifetime.close()
    (new,) = KeyFile(tmp_path).read()
    assert new != old
    store = opened(tmp_path, new)
    assert await values(store, 300) == wanted(300)
    for number in range(created):
        assert (await secret_of(store, f"fresh-{number}")).value == {"key": f"fresh-{number}"}
    await store.lifetime.close()


async def test_an_interrupted_rotation_of_the_key_file_goes_on_with_the_same_key(tmp_path: Path):
    store = await filled(tmp_path, 150)

    def interrupt(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await rotate_key_file(store, KeyFile(tmp_path), interrupt)
    await store.lifetime.close()
    new, _ = KeyFile(tmp_path).read()
    store = open_store(data_dir=tmp_path)
    assert await rotate_key_file(store, KeyFile(tmp_path)) == 50
    await store.lifetime.close()
    assert KeyFile(tmp_path).read() == (new,)


async def test_a_key_of_the_environment_is_not_rotated_through_the_file(tmp_path: Path):
    store = await filled(tmp_path, 1, OLD)
    with pytest.raises(SettingsError, match="INTEGRATIONS_MASTER_KEY"):
        await rotate_key_file(store, KeyFile(tmp_path))
    with pytest.raises(SettingsError, match="32 bytes"):
        await rotate(store, b"short")
    await store.lifetime.close()


@pytest.mark.parametrize("name", ["master.key", "token"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_private_file_that_others_can_read_is_refused(tmp_path: Path, name: str, mode: int):
    await open_store(data_dir=tmp_path).lifetime.close()
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    (tmp_path / name).chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        open_store(data_dir=tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"c2hvcnQ=\n", b"\xff\xfe", b"!" * 44])
def test_a_damaged_key_file_is_told_without_its_content(tmp_path: Path, content: bytes):
    descriptor = os.open(tmp_path / "master.key", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, content)
    os.close(descriptor)
    with pytest.raises(SettingsError, match=r"master\.key") as caught:
        open_store(data_dir=tmp_path)
    assert "c2hv" not in str(caught.value)


def test_new_master_keys_differ():
    assert len({new_master_key() for _ in range(20)}) == 20


def test_the_token_is_made_once_and_the_environment_beats_the_file(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    made = service_token(settings)
    assert len(made) >= 43
    assert service_token(settings) == made
    assert service_token(Settings(data_dir=tmp_path, token="given")) == "given"
    (tmp_path / "token").write_text("\n")
    with pytest.raises(SettingsError, match="no usable token"):
        service_token(settings)
