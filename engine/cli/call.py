"""`integrations call`: run one action and print its answer as JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys

from engine.api.views import answer as answer_view
from engine.cli.account import command_of, json_argument, opened
from engine.library import exact
from engine.settings import Settings
from engine.spec.load import collector_off


def call(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the action succeeded, 1 when the answer is an error."""
    with collector_off():  # one call leaves less behind than it takes to look for it
        return asyncio.run(_call(given, settings))


async def _call(given: argparse.Namespace, settings: Settings) -> int:
    asked = json_argument("--input", given.input)
    async with opened(given, settings) as (engine, connection):
        answer = await engine.execute(command_of(given, asked, connection))
    sys.stdout.buffer.write(exact.dumps(answer_view(answer)) + b"\n")
    return 0 if answer.success else 1
