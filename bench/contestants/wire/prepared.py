"""The request that all send, and what they must bring back."""

from __future__ import annotations

import json

from bench.jobs import FEE, LONG

METHOD, PATH = FEE.method, FEE.path
HEADERS = {**FEE.headers, "Content-Type": "application/json"}
BODY = json.dumps(FEE.body()).encode()
SECONDS = 28.0
"""For the whole answer, or for each phase where a client has no other limit."""
CONNECTIONS = 512
_SIZES = frozenset({len(FEE.answer), len(LONG.answer)})


def whole(status: int, content_type: str | None, body: bytes) -> int:
    """How many bytes it has. Raises `RuntimeError` for any other answer."""
    size = len(body)
    if status != 200 or content_type != "application/json" or size not in _SIZES:
        raise RuntimeError(f"a wrong answer: {status}, {content_type}, {size} bytes")
    return size
