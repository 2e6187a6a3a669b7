"""How long a catalogue takes to be there: `python -m bench.ready DATA_DIR SPECS MAKER` prints CPU seconds and a number.

MAKER `parsed`: PyYAML's CSafeLoader reads every spec, and nothing else is done; the number is that of the specs. MAKER
`ready`: all that `serve` does until it could be asked; the number is that of the integrations. Imports do not count.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import yaml

from engine.bootstrap import spec_folders
from engine.cli.sandbox_process import catalog_and_sandbox
from engine.settings import Settings
from engine.spec.load import spec_files


def parsed(settings: Settings) -> int:
    loader = yaml.CSafeLoader
    return len([yaml.load(path.read_bytes(), loader) for path in spec_files(spec_folders(settings))])  # noqa: S506 - safe


def ready(settings: Settings) -> int:
    async def opened() -> int:
        async with catalog_and_sandbox(settings) as (catalog, _):
            return len(catalog.integrations)

    return asyncio.run(opened())


def main(data_dir: str, specs: str, maker: str) -> None:
    settings = Settings(data_dir=Path(data_dir), specs_dirs=(Path(specs),))
    make = {"parsed": parsed, "ready": ready}[maker]
    before = time.process_time()
    made = make(settings)
    print(time.process_time() - before, made)


if __name__ == "__main__":
    main(*sys.argv[1:])
