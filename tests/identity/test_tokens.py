"""The book of tokens: what is kept, what is shown, and that changes of several processes do not undo one another."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

import pytest

from engine.errors import SettingsError, StorageCorrupt
from engine.identity.tokens import BOOK, TokenBook
from engine.storage.sqlite import open_store
from engine.storage.sqlite.opening import DATABASE_FILE


def made(name: str = "agents"):
    return name, "token", ["execute"], ["acme", "shop-*"]


async def test_a_token_is_kept_as_its_hash_and_an_access_key_sealed(tmp_path, store, book):
    token = await book.create(*made())
    key = await book.create("ci", "key", ["execute"], ["*"])
    ours = {one.name: one for one in await TokenBook(store, time.time).tokens()}
    assert ours["agents"].secrets[0].key_id == hashlib.sha256(token.secret.encode()).hexdigest()
    assert ours["ci"].secrets[0].key_id == key.key_id
    assert book.secret_of(ours["ci"].secrets[0]) == key.secret
    record = await store.state.get(BOOK)
    files = [(tmp_path / "data" / f"{DATABASE_FILE}{end}").read_bytes() for end in ("", "-wal")]
    for place in (record.value, *files):
        assert token.secret.encode() not in place
        assert key.secret.encode() not in place


async def test_nothing_that_is_printed_holds_a_secret(book):
    token, key = await book.create(*made()), await book.create("ci", "key", ["execute"], ["*"])
    printed = f"{token!r} {key!r} {await book.tokens()!r}"
    assert token.secret not in printed
    assert key.secret not in printed


async def test_the_record_outlives_what_sweeps_state(tmp_path, store, book):
    await book.create(*made())
    await store.state.expire()
    record = await store.state.get(BOOK)
    assert record.expires_at > time.time() + 50 * 365 * 86_400


async def test_a_rotation_leaves_the_old_secret_for_a_while_or_not_at_all(store):
    now = [1_000.0]
    book = TokenBook(store, lambda: now[0])
    await book.create(*made())
    await book.rotate("agents", 60)
    (token,) = await book.tokens()
    assert [one.until for one in token.in_force(1_000)] == [None, 1_060.0]
    assert [one.until for one in token.in_force(1_060)] == [None]
    await book.rotate("agents", 600)
    (token,) = await book.tokens()
    assert [one.until for one in token.secrets] == [None, 1_600.0, 1_060.0]
    await book.rotate("agents", 0)
    (token,) = await book.tokens()
    assert len(token.secrets) == 1


async def test_whoever_changes_the_book_at_the_same_time_undoes_nothing(tmp_path: Path, store):
    other = open_store(data_dir=tmp_path / "data")
    try:
        books = [TokenBook(store, time.time), TokenBook(other, time.time)]
        await asyncio.gather(*(books[i % 2].create(*made(f"t{i}")) for i in range(8)))
        await asyncio.gather(books[0].revoke("t3"), books[1].revoke("t4"), books[0].rotate("t5", 60))
        names = [one.name for one in await books[1].tokens()]
        assert names == ["t0", "t1", "t2", "t5", "t6", "t7"]
    finally:
        await other.lifetime.close()


@pytest.mark.parametrize(
    ("name", "rights", "tenants", "why"),
    [
        ("default", ["execute"], ["*"], "name"),
        ("Agents", ["execute"], ["*"], "name"),
        ("-a", ["execute"], ["*"], "name"),
        ("a", ["exceute"], ["*"], "did you mean .execute"),
        ("a", [], ["*"], "--scope"),
        ("a", ["execute"], [], "--tenant"),
        ("a", ["execute"], ["a b"], "--tenant"),
        ("a", ["execute"], ["*x"], "--tenant"),
    ],
)
async def test_what_can_not_be_granted_is_refused_and_nothing_is_stored(store, book, name, rights, tenants, why):
    with pytest.raises(SettingsError, match=why):
        await book.create(name, "token", rights, tenants)
    assert await store.state.get(BOOK) is None


async def test_a_name_is_given_once_and_a_misspelt_one_is_told_the_nearest(book):
    await book.create(*made())
    with pytest.raises(SettingsError, match="there is a token agents"):
        await book.create(*made())
    for change in (book.revoke("agnets"), book.rotate("agnets", 1)):
        with pytest.raises(SettingsError, match=r"did you mean .agents"):
            await change


async def test_a_record_that_is_none_is_told_without_its_text(store, book):
    await store.state.put(BOOK, b'{"tokens":[["canary"]]}', expected=0, ttl_seconds=60)
    with pytest.raises(StorageCorrupt, match="can't be read") as caught:
        await book.tokens()
    assert "canary" not in str(caught.value)
