"""The usual way to run a declarative call: jsonschema, Jinja2 (native, sandboxed) by leaf, jmespath, a commit a row.

The answer comes from memory. It does what the engine does for the caller, and none of what protects: no limits, no
breaker, rules, retries, decryption or masking by value.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jmespath
import jsonschema
import yaml
from jinja2 import Undefined
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment
from ulid import ULID

from bench.candidate import Kind
from bench.measure import Chunk

_LARGEST_LOGGED = 64 * 1024  # as ours
_SECRET = ("phone", "address", "email", "name", "token")


class _Native(SandboxedEnvironment, NativeEnvironment):
    """Values keep their type, attributes are guarded."""


@contextmanager
def naive(kind: Kind) -> Iterator[Chunk]:
    """The action of the kind's spec, from the guarded spec's text."""
    action, config = _action(kind), dict(kind.config)
    given = jsonschema.Draft202012Validator(action["inputSchema"])
    promised = jsonschema.Draft202012Validator(action["outputSchema"])
    jinja = _Native()
    body = {key: jinja.from_string(text) for key, text in action["request"].get("json", {}).items() if _is_text(text)}
    find = _projection(action["output"])
    with tempfile.TemporaryDirectory() as folder:
        log = sqlite3.connect(Path(folder) / "log.db", isolation_level=None)
        log.execute("PRAGMA journal_mode = WAL")
        log.execute("PRAGMA synchronous = NORMAL")
        log.execute("CREATE TABLE log (id TEXT PRIMARY KEY, at REAL, input TEXT, output TEXT)")

        def call() -> object:
            given.validate(kind.input)
            made = {key: template.render(input=kind.input, config=config) for key, template in body.items()}
            json.dumps(made, default=_absent)
            output = find(json.loads(kind.job.answer))
            promised.validate(output)
            shown = json.dumps(_masked(output)) if len(kind.job.answer) <= _LARGEST_LOGGED else "{}"
            row = (str(ULID()), time.time(), json.dumps(_masked(kind.input)), shown)
            log.execute("INSERT INTO log VALUES (?, ?, ?, ?)", row)
            return output

        def chunk(calls: int) -> None:
            for _ in range(calls):
                call()

        yield chunk
        log.close()


def _absent(value: Any) -> None:
    """What Jinja makes of an input that was not given."""
    if not isinstance(value, Undefined):
        raise TypeError(type(value).__name__)


def _action(kind: Kind) -> Mapping[str, Any]:
    spec = yaml.safe_load((Path(__file__).parent / "guarded" / "shipping-guarded" / "spec.yaml").read_text("utf-8"))
    return next(action for action in spec["actions"] if action["actionId"] == kind.action_id)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def _projection(output: Mapping[str, Any]) -> Any:
    """One jmespath query for each leaf, or one that projects a list."""
    queries = {}
    for key, node in output.items():
        if isinstance(node, str):
            queries[key] = jmespath.compile(node)
        elif "$each" in node:
            fields = ", ".join(f"{name}: {text.removeprefix('item.')}" for name, text in node["$value"].items())
            queries[key] = jmespath.compile(f"{node['$each']}[].{{{fields}}}")
    constants = {key: node["$const"] for key, node in output.items() if isinstance(node, dict) and "$const" in node}
    return lambda answer: {**constants, **{key: query.search({"body": answer}) for key, query in queries.items()}}


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: "***" if key.lower() in _SECRET else _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
