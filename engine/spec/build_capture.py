"""Compiles `capture`: what an answer, or a message, tells of the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Evaluate
from engine.compiled.fault import Path
from engine.compiled.names import Names
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.spec.build_request import Wire
from engine.spec.places import Places


def compile_capture(
    block: Mapping[str, Any], places: Places, names: Names, wire: Wire, path: Path
) -> Mapping[str, Evaluate]:
    """The `capture` of a block by fields of configSchema. `path` is that of the block."""
    known = {**(places.config.fields or {}), **(places.credentials.fields or {})}
    leaves = wire.findings.query_leaves(names, escapes=wire.escapes)
    made = {}
    for name, tree in block.get("capture", {}).items():
        here = (*path, "capture", name)
        if name not in known:
            message, hint = unknown("field of configSchema", name, known)
            wire.findings.add(here, "NAME010", message, hint, key=True)
        elif name not in places.written:
            message = f"{name} is the tenant's to give, so capture can't write it"
            wire.findings.add(here, "SPEC080", message, "mark it readOnly (or writeOnly) in configSchema", key=True)
        made[name] = compile_tree(tree, leaves, here)
    return made
