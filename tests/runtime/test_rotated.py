"""A secret that somebody rotates where it is kept, not through us, costs no failing call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.runtime.account import CREDENTIALS
from tests.support.scene import KEY, TENANT, Scene, running
from tests.support.specs import CONNECTED, PASSWORD, action, login_spec, spec
from tests.support.upstream import Reply, Seen, answer

NEW = "the-key-after-its-rotation"


async def rotate(scene: Scene) -> None:
    """Past the connection, whose version stays as it is."""
    await scene.engine.store.secrets.put(TENANT, scene.connection.connection_id, CREDENTIALS, {"apiKey": NEW})


def takes(key: list[str]):
    """An upstream that believes one key at a time, and echoes what it was given."""

    def handler(seen: Seen):
        given = seen.headers["x-api-key"]
        return answer({"ok": given}) if given == key[0] else answer({"given": given}, 401)

    return handler


async def test_a_refused_secret_is_read_again_and_the_call_goes_on(tmp_path: Path):
    believed = [KEY]
    write = action("book", "write")
    async with running(tmp_path, spec(action(), write), takes(believed)) as scene:
        assert (await scene.call()).success
        await rotate(scene)
        assert (await scene.call()).success, "the old one works on, and is in memory"
        believed[0] = NEW
        done = await scene.call("book")
        assert done.success
        assert scene.seen == 4, "once more, with the new one"
        assert NEW not in str(done.data)
        assert (await scene.stored()).status == "active"


async def test_without_another_secret_it_is_refused_once(tmp_path: Path):
    async with running(tmp_path, spec(), takes(["nobody's"])) as scene:
        assert await scene.code() == "AUTH_FAILED"
        assert scene.seen == 1


async def test_neither_the_old_nor_the_new_secret_is_shown(tmp_path: Path):
    believed = [KEY]
    errors = [{"status": 401, "code": "AUTH_FAILED", "message": "body.given"}]
    async with running(tmp_path, spec(errors=errors), takes(believed)) as scene:
        assert (await scene.call()).success
        await rotate(scene)
        believed[0] = "neither of them"
        refused = await scene.call()
        assert refused.error is not None
        assert scene.seen == 3
        shown = repr(refused) + repr(await scene.log())
        assert KEY not in shown
        assert NEW not in shown


async def test_of_many_calls_at_once_none_fails_though_one_of_them_reads_the_new_secret_first(tmp_path: Path):
    believed = [KEY]
    async with running(tmp_path, spec(), takes(believed)) as scene:
        assert (await scene.call()).success
        await rotate(scene)
        believed[0] = NEW
        done = await asyncio.gather(*(scene.call() for _ in range(8)))
        assert all(one.success for one in done)
        assert (await scene.stored()).status == "active"


class Login:
    """Gives a token for the password of the moment, and takes the tokens that it gave for it."""

    def __init__(self) -> None:
        self.password = PASSWORD

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == "/login":
            return answer({"token": self.password[::-1]} if seen.json()["password"] == self.password else {}, 200)
        is_good = seen.headers.get("authorization") == f"Bearer {self.password[::-1]}"
        return answer({"ok": True}) if is_good else answer({}, 401)


@pytest.mark.parametrize("has_token", [True, False], ids=["with a token", "before any login"])
async def test_a_password_that_was_changed_elsewhere_is_read_again_too(tmp_path: Path, has_token: bool):
    provider = Login()
    async with running(tmp_path, login_spec(), provider, **CONNECTED) as scene:
        if has_token:
            assert (await scene.call()).success
        else:
            await scene.engine.accounts.open(scene.connection)  # in memory
        provider.password = NEW
        ids = (TENANT, scene.connection.connection_id)
        await scene.engine.store.secrets.put(*ids, CREDENTIALS, {"password": NEW})
        assert (await scene.call()).success
        assert (await scene.stored()).status == "active"
