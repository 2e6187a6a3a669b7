"""The service without its calls: `python -m bench.alone PORT DATA_DIR`, ends on SIGTERM.

The API as `serve` runs it, over an engine that answers `POST /execute` at once: what is left is what serving takes.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import uvloop

from bench.callers import EXECUTION_ID, TOKEN
from engine.api.app import create_app
from engine.bootstrap import open_engine
from engine.catalog import Catalog
from engine.cli.serve import server_of
from engine.model import Answer, Command
from engine.settings import Settings
from engine.storage.service_token import service_token, service_token_hash

_ANSWER = Answer(True, EXECUTION_ID, 12, {"fee": 36300, "currency": "VND"})


async def _at_once(command: Command) -> Answer:  # noqa: ARG001 - whatever is asked
    return _ANSWER


async def _serve(port: int, data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, port=port, token=TOKEN)
    engine = await open_engine(settings, catalog=Catalog({}))
    try:
        engine.execute = _at_once  # type: ignore[method-assign]
        app = create_app(engine, settings, token_hashes=[service_token_hash(service_token(settings))])
        gc.collect()
        gc.freeze()
        await server_of(app, settings).serve()
    finally:
        await engine.close()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
