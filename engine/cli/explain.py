"""`integrations explain`: the exact request of an action, masked; nothing is sent."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.cli.account import command_of, json_argument, opened
from engine.errors import RequestError
from engine.library import exact
from engine.runtime.clock import SystemClock
from engine.runtime.explain import Explanation
from engine.runtime.explain import explain as explained
from engine.settings import Settings


@dataclass
class _FrozenClock(SystemClock):
    """The given time and randomness, the machine's where they are not given."""

    epoch: float | None = None
    drawn: str | None = field(default=None, repr=False)

    def now(self) -> float:
        return super().now() if self.epoch is None else self.epoch

    def hex(self) -> str:
        return self.drawn or super().hex()


def explain(given: argparse.Namespace, settings: Settings) -> int:
    """0, or 1 when the call would fail before anything is sent."""
    return asyncio.run(_explain(given, settings))


async def _explain(given: argparse.Namespace, settings: Settings) -> int:
    asked = json_argument("--input", given.input)
    clock = _FrozenClock(_epoch(given.now), given.random)
    if given.show_secrets and not sys.stdout.isatty():
        raise RequestError("BAD_REQUEST", "--show-secrets works on a terminal only")
    async with opened(given, settings, clock) as (engine, connection):
        found = await explained(engine, command_of(given, asked, connection), connection)
    shown = _view(found, masked=not given.show_secrets)
    text = exact.dumps(shown) if given.json else _text(shown).encode()
    sys.stdout.buffer.write(text + b"\n")
    return 0


def _epoch(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise RequestError("BAD_REQUEST", "--now needs a time with offset, like 2026-05-01T03:04:05Z")
    return at.timestamp()


def _view(found: Explanation, *, masked: bool) -> dict[str, Any]:
    request = found.request
    view: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "replace"),
    }
    if found.signature is not None:
        view["signature"] = dict(found.signature)
    if found.method is not None:
        view["auth"] = found.method
    view["sent"] = found.sends
    if found.notes:
        view["notes"] = list(found.notes)
    return found.masker.data(view) if masked else view


def _text(view: dict[str, Any]) -> str:
    """Like an HTTP request, for people."""
    lines = [f"{view['method']} {view['url']}"]
    lines += [f"{name}: {value}" for name, value in view["headers"].items()]
    if view["body"]:
        lines += ["", view["body"]]
    if "signature" in view:
        signature = view["signature"]
        lines += ["", f"signed by {signature['by']} in {signature['put']}: {signature['value']}"]
    lines += [f"({note})" for note in view.get("notes", ())]
    if not view["sent"]:
        lines.append("(this URL is for the customer: the engine builds and signs it, and never calls it)")
    return "\n".join(lines)
