"""The command line: `integrations serve | call | explain | new | record | docs | keys`."""

from __future__ import annotations

from engine.cli.main import main

__all__ = ["main"]
