"""The provider sandbox in a process of its own: it stands in for others, so it shares nothing with the service.

    python -m engine.cli.sandbox_process CALLBACK_URL DATA_DIR CACHE_DIR FOLDER …

Says one line of JSON when it is up, `{"origin": …, "apps": …}`, and ends when its stdin is closed: also when whoever
started it was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from engine.bootstrap import open_catalog, open_kept, open_specs, spec_folders
from engine.catalog import Catalog
from engine.cli import spec_errors
from engine.connections.redirects import CALLBACK
from engine.errors import SettingsError, SpecError
from engine.frozen import frozen
from engine.library import exact
from engine.settings import Settings
from engine.spec.load import spec_files

_LONGEST_LINE: Final = 1024 * 1024
_END_SECONDS: Final = 10.0


@frozen
class Sandbox:
    """The provider sandbox while it runs, and its apps at the providers that it plays."""

    origin: str
    apps: Mapping[str, Mapping[str, Any]] = field(repr=False)


@asynccontextmanager
async def catalog_and_sandbox(
    settings: Settings, only: str | None = None
) -> AsyncIterator[tuple[Catalog, Sandbox | None]]:
    """The catalog and, where the settings ask for one, the sandbox, for as long as it is needed.

    Both get ready at the same time. `only`: the integration whose provider it plays; None: all. Raises `SpecError`, and
    `SettingsError` when the sandbox can't start; it has said why.
    """
    if not settings.sandbox:
        yield open_catalog(settings), None
        return
    folders = spec_folders(settings)
    places = [file.parent for file in spec_files(folders) if file.parent.name == only] or folders
    kept = [settings.data_dir, settings.cache_dir or ""]
    command = [sys.executable, "-m", __name__, settings.public_url + CALLBACK, *map(str, [*kept, *places])]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE)
    try:
        catalog = open_catalog(settings)
        yield catalog, await _ready(process, settings.upstreams)
    finally:
        await _ended(process)


async def _ready(process: Process, upstreams: Mapping[str, str]) -> Sandbox:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise SettingsError("the provider sandbox did not start")
    told = exact.loads(line)
    return Sandbox(told["origin"], {name: app for name, app in told["apps"].items() if name not in upstreams})


async def _ended(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _play(catalog: Catalog, callback_url: str, folders: Sequence[Path], settings: Settings) -> None:
    from engine.cases.authority import Authority
    from engine.cases.sandbox import create_sandbox, load_all_cases, running

    cases = load_all_cases(folders, open_kept(settings))
    authority = Authority(catalog, cases)
    apps = {name: dict(party.app) for name, party in authority.parties.items() if party.app}
    async with running(create_sandbox(cases, authority, callback_url)) as origin:
        sys.stdout.write(exact.dumps({"origin": origin, "apps": apps}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> int:
    """0 when it ended in order, 2 when something is wrong with the cases (or the specs, which who began this tells)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it, who then closes stdin
    callback_url, data_dir, cache_dir, *folders = sys.argv[1:]
    places = [Path(folder) for folder in folders]
    key = {name: os.environ.get(name, "") for name in ("INTEGRATIONS_MASTER_KEY", "INTEGRATIONS_STORAGE")}
    settings = Settings.from_environment(key, data_dir=data_dir, cache_dir=cache_dir)
    try:
        catalog = open_specs(places, settings)
    except SpecError:
        return 2
    try:
        asyncio.run(_play(catalog, callback_url, places, settings))
    except SpecError as error:
        spec_errors.show(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
