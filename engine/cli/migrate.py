"""`integrations migrate`: the data of a folder to AWS, or back.

Exit codes: 0 both hold the same · 1 they differ · 2 the command or the settings are wrong, or a store failed: what was
moved stays, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from engine.bootstrap import is_in_use, open_storage
from engine.errors import SettingsError
from engine.migration.move import QUIET_SECONDS, Move
from engine.migration.report import SHOWN, Progress, Report
from engine.settings import Settings

_DAY: Final = 86_400
_LINE_SECONDS: Final = 10.0


def add_migrate(command: argparse.ArgumentParser) -> None:
    """What `migrate` takes, beside `--data-dir`, which is the folder of the side on SQLite."""
    command.add_argument("--to", required=True, choices=("aws", "sqlite"), help="where the data goes; from the other")
    command.add_argument("--verify", action="store_true", help="only compare both sides; nothing is written")
    command.add_argument(
        "--force", action="store_true",
        help="move though somebody uses a side: a first, long part, to be followed by a move that nobody disturbs",
    )  # fmt: skip


def migrate(given: argparse.Namespace, settings: Settings) -> int:
    """0 when both sides hold the same."""
    return asyncio.run(_migrate(given.to == "aws", given.verify, given.force, settings))


async def _migrate(to_aws: bool, only_verify: bool, force: bool, settings: Settings) -> int:
    folder, cloud = replace(settings, storage="sqlite"), replace(settings, storage="aws")
    forced = force or only_verify
    _check_folder(settings, needs_it=to_aws or only_verify, force=forced)
    async with AsyncExitStack() as stack:
        stores = []
        for one in (folder, cloud) if to_aws else (cloud, folder):
            stores.append(open_storage(one))
            stack.push_async_callback(stores[-1].lifetime.close)
        with _shown() as progress:
            since = time.time() - settings.retention_days * _DAY
            move = Move(stores[0], stores[1], since=since, now=time.time, progress=progress)
            if not (forced or to_aws):
                await _check_cloud(move)
            report = await (move.verify() if only_verify else move.run(is_final=not force))
    _tell(report, progress, only_verify)
    if report.is_equal and not only_verify:
        print("\n".join(_next_steps(settings, to_aws=to_aws, is_final=not force)))  # noqa: T201
    return 0 if report.is_equal else 1


def _next_steps(settings: Settings, *, to_aws: bool, is_final: bool) -> Iterator[str]:
    if not is_final:
        yield "Stop the service, and move once more without --force: only then the target is whole."
        return
    yield "Limits, circuits and leases stayed behind; they are made anew."
    if to_aws and settings.token is None:
        yield f"The token in {settings.data_dir / 'token'} stayed behind: callers need IAM, or `tokens create` there."
    if to_aws and settings.master_keys:
        yield "Events and answers are sealed under INTEGRATIONS_MASTER_KEY: the functions need the same."


def _check_folder(settings: Settings, *, needs_it: bool, force: bool) -> None:
    used = is_in_use(settings.data_dir)
    if used is None and needs_it:
        raise SettingsError(f"there is no database in {settings.data_dir}: name its folder with --data-dir")
    if used and not force:
        raise SettingsError(
            f"another process uses {settings.data_dir}: stop the service, so that nothing changes meanwhile (--force "
            "moves what is there by now, for a second move to complete)"
        )


async def _check_cloud(move: Move) -> None:
    busy = await move.busy_tenants()
    if busy:
        raise SettingsError(
            f"calls of {len(busy)} tenants began within the last {QUIET_SECONDS:.0f} seconds: stop the service on AWS "
            "(reserved concurrency 0 of both functions) and wait a minute (--force moves what is there by now)"
        )


@contextmanager
def _shown() -> Iterator[Progress]:
    """A bar on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress(on_change=_lines())
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tenants {task.fields[of]}"),
    )
    with Bars(*columns, console=console) as bars:
        task = bars.add_task("moving", total=None, of="")

        def show(now: Progress) -> None:
            bars.update(task, description=now.step, total=now.tenants, completed=now.tenants_done, of=_rows(now))

        yield Progress(on_change=show)


def _lines() -> Callable[[Progress], None]:
    step, told_at = "", 0.0

    def show(now: Progress) -> None:
        nonlocal step, told_at
        if now.step != step or time.monotonic() - told_at >= _LINE_SECONDS:
            step, told_at = now.step, time.monotonic()
            print(f"{now.step}: {now.tenants_done} of {now.tenants} tenants, {_rows(now)}", file=sys.stderr)  # noqa: T201

    return show


def _rows(now: Progress) -> str:
    return f"{now.rows} rows looked at, {now.moved} written"


def _tell(report: Report, progress: Progress, only_verify: bool) -> None:
    lines = [] if only_verify else [f"{progress.moved} rows written."]
    unequal = report.unequal()
    for kind, (source, target, older) in report.totals().items():
        verdict = f"DIFFERENT in {len(unequal[kind])} tenants" if kind in unequal else "equal"
        more = f" (and {older} that the source has no more)" if older else ""
        lines.append(f"{kind:<16}{source:>10}{target:>10}  {verdict}{more}")
    lines += [f"  {one}" for one in report.differences]
    if report.differing > SHOWN:
        lines.append(f"  … and {report.differing - SHOWN} more")
    lines += [f"refused: {one}" for one in report.refused]
    lines.append("Both hold the same." if report.is_equal else "They differ: see above.")
    print("\n".join(lines))  # noqa: T201
