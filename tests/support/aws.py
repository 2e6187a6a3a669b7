"""AWS on this machine: ministack (its own environment, `.venv-aws`) and dynoxide (`tests/aws`), each on a free port."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.settings import Settings
from engine.storage.aws import open_store
from engine.storage.aws.tables import TABLES, definition
from engine.storage.ports import Store
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MINISTACK = ROOT / ".venv-aws" / "bin" / "ministack"
DYNOXIDE = ROOT / "tests" / "aws" / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"
ROOT_USER = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Servers:
    """Endpoints. `dynamodb` by the name of the server that stands in for it."""

    dynamodb: Mapping[str, str]
    secrets: str


def environment(found: Servers, name: str) -> dict[str, str]:
    """What tells boto3 to go there, for a process or a store that is opened by settings alone."""
    return {
        **ROOT_USER,
        "AWS_ENDPOINT_URL_DYNAMODB": found.dynamodb[name],
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": found.secrets,
    }


@contextmanager
def servers() -> Iterator[Servers]:
    """Both, for as long as tests run."""
    with ministack() as all_of_aws, dynoxide() as tables_only, _models_read_once():
        yield Servers({"ministack": all_of_aws, "dynoxide": tables_only}, all_of_aws)


def open_empty(found: Servers, name: str, now: Callable[[], float] = time.time, **settings: Any) -> Store:
    """A store over `name`'s tables, all of them empty; the environment names the user."""
    wipe(found.dynamodb[name], found.secrets)
    return reopen(found, name, now, **settings)


def reopen(found: Servers, name: str, now: Callable[[], float] = time.time, **settings: Any) -> Store:
    """A store over what is there, as another process would open it."""
    endpoints = {"dynamodb": found.dynamodb[name], "secretsmanager": found.secrets}
    return open_store(Settings(storage="aws", **settings), now, endpoints)


def missing() -> str | None:
    """Why AWS can't be stood in for here; None when it can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "dynoxide runs on Linux on x86-64"
    absent = [path for path in (MINISTACK, DYNOXIDE) if not path.exists()]
    return f"{absent[0].relative_to(ROOT)} is not there: make install-dev; npm ci in tests/aws" if absent else None


@cache
def client(service: str, endpoint: str, **user: str) -> Any:
    """A boto3 client of the root user, or of another; it asks once."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=user.get("key", "test"),
        aws_secret_access_key=user.get("secret", "test"),
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60),
    )


@contextmanager
def ministack(*, checks_identity: bool = False) -> Iterator[str]:
    """All of AWS that we use; its endpoint."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true" if checks_identity else "false",
            "HOME": folder,
        }
        with _running([str(MINISTACK)], port, folder, environment) as endpoint:
            yield endpoint


@contextmanager
def dynoxide() -> Iterator[str]:
    """DynamoDB alone; its endpoint."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(DYNOXIDE), "serve", "--host", "127.0.0.1", "--port", str(port)]
        with _running(command, port, folder, dict(os.environ)) as endpoint:
            yield endpoint


@contextmanager
def _models_read_once() -> Iterator[None]:
    """Each session of botocore reads megabytes of models, which takes as long as most tests."""
    from botocore import session

    before = session.create_loader
    session.create_loader = cache(before)
    try:
        yield
    finally:
        session.create_loader = before


@contextmanager
def _running(command: list[str], port: int, folder: str, environment: Mapping[str, str]) -> Iterator[str]:
    with (Path(folder) / "output.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(environment), cwd=folder)
        try:
            _await_tables(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_tables(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            client("dynamodb", endpoint).list_tables()
        except Exception as error:  # noqa: BLE001 - not up yet, in whatever way
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{process.args!s} does not come up ({type(error).__name__})")
            time.sleep(0.05)
        else:
            return


def wipe(dynamodb: str, secrets: str) -> None:
    """Empty tables and no secrets."""
    tables = client("dynamodb", dynamodb)
    for name in tables.list_tables()["TableNames"]:
        tables.delete_table(TableName=name)
    for table in TABLES:
        tables.create_table(**definition(table))
    kept = client("secretsmanager", secrets)
    for one in kept.list_secrets(MaxResults=100)["SecretList"]:
        kept.delete_secret(SecretId=one["Name"], ForceDeleteWithoutRecovery=True)
