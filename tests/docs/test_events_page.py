"""What docs/events.md shows is what happens: its receiver runs, its table and its example are the engine's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import httpx
import pytest

from engine.api.app import OPERATIONS
from engine.api.bodies import ROTATE_BODY, SUBSCRIPTION_BODY
from engine.bootstrap import open_catalog
from engine.events import shape
from engine.events.backoff import DELAYS, LIFETIME_SECONDS, PAUSES
from engine.events.deliver import LARGEST_ANSWER, Pace
from engine.events.subscriptions import MOST
from engine.settings import Settings
from tests.events.delivering import event, placed, until
from tests.house.source import ROOT
from tests.support.ports import free_port

PAGE = (ROOT / "docs" / "events.md").read_text("utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """Starts when its secret is written to the file."""
    port, script, secret = free_port(), tmp_path / "receiver.py", tmp_path / "secret"
    wait = f"import os, pathlib, time\nwhile not pathlib.Path({str(secret)!r}).exists(): time.sleep(0.01)\n"
    wait += f"os.environ['EVENTS_SECRET'] = pathlib.Path({str(secret)!r}).read_text()\n"
    script.write_text(wait + block("python"))
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process, port, secret
        process.kill()


async def test_the_receiver_of_the_page_takes_what_is_delivered_and_refuses_what_is_not_signed(
    tmp_path: Path, receiver: tuple[subprocess.Popen[str], int, Path]
) -> None:
    process, port, secret = receiver
    async with placed(tmp_path / "place") as place:
        told = await place.subscribe(f"http://127.0.0.1:{port}/")
        assert told.secret is not None
        partly = secret.with_suffix(".part")
        partly.write_text(told.secret)
        partly.rename(secret)

        async def is_listening() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False) as client:
                    return (await client.post(f"http://127.0.0.1:{port}/", content=b"{}")).status_code == 401
            except httpx.TransportError:
                return False

        await until(is_listening)
        await place.tell(event(data={"orderCode": "A1"}))
        await place.deliver(Pace(idle=0.02))
        (done,) = await place.all_are("delivered", 1)
        await place.service.redeliver(done.tenant_id, done.delivery_id)
        await place.all_are("delivered", 1)
        assert place.diary.deliveries[-1].http_status == 204
    process.kill()
    assert process.stdout is not None
    assert process.stdout.read() == "parcel.moved {'orderCode': 'A1'}\n"


def test_the_example_has_the_fields_that_are_sent() -> None:
    shown = json.loads(block("json"))
    sent = json.loads(shape.message(event()))
    assert list(shown) == list(sent)
    assert list(shown["data"]) == list(sent["data"])
    assert shown["timestamp"] == shown["data"]["receivedAt"]


def test_the_body_of_the_command_is_one_that_the_api_takes() -> None:
    (body,) = re.findall(r"-d '(.*)'", block("sh"))
    assert not SUBSCRIPTION_BODY.check(json.loads(body))


def test_the_types_of_the_command_are_ones_that_a_shipped_integration_tells() -> None:
    told = {
        event.type
        for integration in open_catalog(Settings()).integrations.values()
        for event in (integration.webhook.events if integration.webhook is not None else ())
    }
    (body,) = re.findall(r"-d '(.*)'", block("sh"))
    wanted = json.loads(body)["eventTypes"]
    assert [one for one in wanted if not any(fnmatchcase(type_ or "", one) for type_ in told)] == []
    assert [name for name in re.findall(r"tell `([\w.]+)`, parcels `[\w.]+`", PAGE) if name not in told] == []


def test_the_table_is_the_law() -> None:
    rows = re.findall(r"(?m)^\| (\d+) \| (.+?) \| (\d+):(\d\d):(\d\d) \|$", PAGE)
    units = {"s": 1, "min": 60, "h": 3600}
    delays = [0 if after == "at once" else int(after.split()[0]) * units[after.split()[1]] for _, after, *_ in rows]
    assert delays == [0, *DELAYS]
    since = [int(h) * 3600 + int(m) * 60 + int(s) for _, _, h, m, s in rows]
    assert since == [sum(delays[: n + 1]) for n in range(len(delays))]
    assert [int(number) for number, *_ in rows] == list(range(1, len(DELAYS) + 2))


def test_the_figures_of_the_text_are_those_of_the_engine() -> None:
    assert (LIFETIME_SECONDS / 86_400, LARGEST_ANSWER / 1024, Pace().timeout, MOST) == (4, 256, 10, 50)
    assert (PAUSES.count(0) + 1, min(filter(None, PAUSES)), max(PAUSES)) == (3, 15, 300)
    assert ROTATE_BODY.raw["properties"]["overlapSeconds"]["default"] == 86_400
    for said in ("four days", "256 kB", "ten seconds", "at most 50", "three failures", "15 seconds", "five minutes"):
        assert said in re.sub(r"\s+", " ", PAGE)


def test_every_path_that_the_page_names_is_an_operation() -> None:
    known = {(one.method, one.path) for one in OPERATIONS}
    named = re.findall(r"`(GET|POST|DELETE) (/[\w/{}]+)", PAGE)
    assert len(named) > 6
    assert [one for one in named if one not in known] == []
