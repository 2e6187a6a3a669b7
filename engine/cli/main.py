"""Reads the command line, runs one command, and says in one line what went wrong.

Exit codes: 0 done · 1 the call failed · 2 the command, the settings or a spec is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from engine.cli import spec_errors
from engine.cli.arguments import parser
from engine.errors import CallError, EngineError, RequestError, SpecError
from engine.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `integrations`."""
    words = sys.argv[1:] if arguments is None else arguments
    given = parser(words[0] if words else "").parse_args(words)
    try:
        return int(given.run(given, _settings(given)))
    except SpecError as error:
        spec_errors.show(error)
    except CallError as error:
        _complain(f"{error.code}: {error.message}")
        return 1
    except RequestError as error:
        issues = "".join(f"\n  {'.'.join(map(str, i.path))}: {i.message}" for i in error.issues)
        _complain(f"{error}{issues}")
    except EngineError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        return 130
    return 2


def _complain(message: str) -> None:
    print(f"integrations: {message}", file=sys.stderr)  # noqa: T201


def _settings(given: argparse.Namespace) -> Settings:
    names = ("data_dir", "host", "port", "upstreams", "sandbox", "allow_private", "specs_dirs")
    overrides: dict[str, Any] = {name: getattr(given, name, None) or None for name in names}
    overrides["log"] = False if getattr(given, "quiet", False) else None
    return Settings.from_environment(os.environ, **overrides)
