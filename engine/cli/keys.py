"""`integrations keys rotate`: a new master key, while the service runs."""

from __future__ import annotations

import argparse
import asyncio

from rich.console import Console
from rich.progress import Progress

from engine.bootstrap import open_storage, rotate_key_on_aws
from engine.settings import Settings
from engine.storage.keyring import KeyFile
from engine.storage.rotation import rotate_key_file


def rotate(_given: argparse.Namespace, settings: Settings) -> int:
    """0 when every tenant key is wrapped under the new key and the old one is dropped.

    On AWS tenants' keys follow from the master key: the new one is put before the old ones, which stay.
    """
    return asyncio.run(_rotate_on_aws(settings) if settings.storage == "aws" else _rotate(settings))


async def _rotate_on_aws(settings: Settings) -> int:
    await rotate_key_on_aws(settings)
    Console().print("A new master key is in Secrets Manager; the old ones still open what they sealed.")
    return 0


async def _rotate(settings: Settings) -> int:
    store = open_storage(settings)
    try:
        with Progress() as bar:
            task = bar.add_task("tenant keys", total=None)
            done = await rotate_key_file(
                store, KeyFile(settings.data_dir), lambda at, total: bar.update(task, completed=at, total=total)
            )
            bar.console.print(f"{done} tenant keys are wrapped under the new master key; the old one is dropped.")
    finally:
        await store.lifetime.close()
    return 0
