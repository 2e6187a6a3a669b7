"""What docs/operating.md tells operators: its variables are the settings', its backup can be restored, and the rights
that it lists are enough for a move.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.storage.sqlite import open_store
from tests.house.source import ROOT
from tests.storage.samples import connection, execution, secret_of
from tests.support import aws

PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
HELD = {"token": "fake-token-0000-held"}


async def filled(folder: Path) -> None:
    store = open_store(data_dir=folder)
    await store.connections.create(connection())
    await store.secrets.put("tenant-a", "c1", "credentials", HELD)
    await store.executions.append(execution(1, created_at=float(int(time.time()) - 3600)))
    await store.lifetime.close()


async def restored(folder: Path) -> None:
    store = open_store(data_dir=folder)
    assert (await secret_of(store, "tenant-a")).value == HELD
    await store.lifetime.close()


def test_the_page_names_every_variable_and_no_other() -> None:
    known = set(re.findall(r'"(INTEGRATIONS_[A-Z0-9_]+)"', (ROOT / "engine" / "settings.py").read_text("utf-8")))
    section = PAGE.partition("## Variables")[2].partition("\n## ")[0]
    assert set(re.findall(r"INTEGRATIONS_[A-Z0-9_]+", section)) == known
    assert set(re.findall(r"INTEGRATIONS_[A-Z0-9_]+", PAGE)) == known


def test_the_backup_of_the_page_made_while_the_service_runs_can_be_restored(tmp_path: Path) -> None:
    found = re.search(
        r'^\.venv/bin/python (-c "import sqlite3.*) \.data/integrations\.db backup\.db$', PAGE, re.MULTILINE
    )
    assert found
    asyncio.run(filled(tmp_path / "data"))
    serving = open_store(data_dir=tmp_path / "data")
    files = [str(tmp_path / "data" / "integrations.db"), str(tmp_path / "backup.db")]
    subprocess.run([sys.executable, *shlex.split(found[1]), *files], check=True)
    asyncio.run(serving.lifetime.close())
    (tmp_path / "restored").mkdir()
    (tmp_path / "backup.db").rename(tmp_path / "restored" / "integrations.db")
    (tmp_path / "data" / "master.key").rename(tmp_path / "restored" / "master.key")
    asyncio.run(restored(tmp_path / "restored"))


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """AWS that looks at policies."""
    if (lack := aws.missing()) is not None:
        pytest.skip(lack)
    with aws.ministack(checks_identity=True) as endpoint:
        yield endpoint


def policy() -> dict[str, Any]:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def as_user(endpoint: str, name: str, allowed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    iam = aws.client("iam", endpoint)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)


def test_with_the_rights_of_the_page_a_move_goes_there_and_back(
    tmp_path: Path, guarded: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.wipe(guarded, guarded)
    asyncio.run(filled(tmp_path / "data"))
    as_user(guarded, "mover", policy(), monkeypatch)
    assert main(["migrate", "--to", "aws", "--data-dir", str(tmp_path / "data")]) == 0, capsys.readouterr()
    assert main(["migrate", "--to", "sqlite", "--data-dir", str(tmp_path / "back")]) == 0, capsys.readouterr()
    asyncio.run(restored(tmp_path / "back"))


def test_without_the_right_to_read_whole_tables_it_is_refused_and_says_what_to_look_at(
    tmp_path: Path, guarded: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.wipe(guarded, guarded)
    asyncio.run(filled(tmp_path / "data"))
    less = policy()
    less["Statement"][0]["Action"].remove("dynamodb:Scan")
    as_user(guarded, "service", less, monkeypatch)
    assert main(["migrate", "--to", "aws", "--data-dir", str(tmp_path / "data")]) == 2
    assert "dynamodb refuses scan" in capsys.readouterr().err
