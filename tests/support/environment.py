"""The environment of processes that a test starts: no setting of whoever runs the tests, and one cache for all."""

from __future__ import annotations

import os
from typing import Final

CACHE: Final = "INTEGRATIONS_CACHE_DIR"
"""Set once for a session (`tests/conftest.py`), so that each spec is compiled once and not by every process anew."""


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name == CACHE or not name.startswith("INTEGRATIONS_")}
