"""A process that makes one call imports what a call needs: how long it takes is mostly how much it imports."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_engine
from engine.connections.service import ConnectionService, Draft
from engine.settings import Settings
from tests.house.source import ROOT
from tests.support.environment import clean_environment
from tests.support.upstream import Reply, Upstream

ID = "shipping-ghn"
INPUT = {"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 200}
FEE = {"code": 200, "message": "Success", "data": {"total": 36300, "service_fee": 36300, "insurance_fee": 0}}
NOT_NEEDED = frozenset(
    {
        # what others of our commands, or other calls, need
        "boto3", "http.client", "httpx", "importlib.metadata", "jsonschema", "pydantic", "re2", "rich", "starlette",
        "ulid", "urllib.request", "uvicorn", "uvloop",
        # what specs are read with, which are known already
        "jinja2", "yaml", "engine.spec.check", "engine.spec.reader", "engine.compiled.jinja",
        # rooms beside the call
        "engine.background", "engine.cases", "engine.cli.temporary", "engine.connections.consent",
        "engine.connections.service", "engine.events.deliver", "engine.identity", "engine.migration",
    }
)  # fmt: skip
_PROGRAM = """
import sys
from engine.cli import main
code = main(sys.argv[1:])
from engine.locations import plugins_dir, schemas_dir
from engine.spec.kept import compiler
print(compiler(schemas_dir(), plugins_dir()) is not None, *sys.modules, file=sys.stderr)
sys.exit(code)
"""


async def _called(environment: dict[str, str]) -> tuple[Any, list[str]]:
    """The answer, whether anything is kept, and all that was imported."""
    asked = ["call", ID, "calculate_fee", "--tenant", "t1", "--input", json.dumps(INPUT)]
    every = {**clean_environment(), **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, *asked, cwd=ROOT, stdout=PIPE, stderr=PIPE, env=every
    )
    said, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, told.decode()
    return json.loads(said), told.decode().split()


async def _connected(data_dir: Path) -> None:
    engine = await open_engine(Settings(data_dir=data_dir))
    try:
        config = {"shopId": "5000001", "environment": "sandbox"}
        draft = Draft(integration_id=ID, name="n", config=config, credentials={"apiKey": "fake-ghn-token-0000"})
        await ConnectionService(engine).create("t1", draft)
    finally:
        await engine.close()


async def test_a_first_call_imports_only_what_a_call_needs(tmp_path: Path) -> None:
    await _connected(tmp_path)
    answer = Reply(headers={"Content-Type": "application/json"}, body=json.dumps(FEE).encode())
    async with Upstream(lambda _: answer) as upstream:
        environment = {"INTEGRATIONS_DATA_DIR": str(tmp_path), "INTEGRATIONS_UPSTREAMS": f"{ID}={upstream.origin}"}
        await _called(environment)  # keeps what it finds out about the specs
        said, (is_kept, *imported) = await _called(environment)
    assert said["data"]["fee"] == 36300
    if is_kept != "True":
        pytest.skip("somebody is working on the engine: nothing is kept, so the call compiled all specs")
    assert sorted(NOT_NEEDED.intersection(imported)) == []
