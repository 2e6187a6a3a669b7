"""Findings as SARIF 2.1.0 (OASIS), which code scanning and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from spec_lint.collect import Report
from spec_lint.explain import page_of
from spec_lint.table import TABLE

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(report: Report) -> str:
    """One run; columns count characters from 1, and a region's end lies behind its last character."""
    codes = sorted({found.code for found in report.findings})
    driver = {
        "name": "spec-lint",
        "version": version("integrations-engine"),
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, codes.index(found.code), report) for found in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    entry, page = TABLE[code], page_of(code)
    return {
        "id": code,
        "shortDescription": {"text": entry.what},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": entry.severity},
    }


def _result(found: Diagnostic, index: int, report: Report) -> dict[str, Any]:
    at = found.position
    region = {
        "startLine": at.line,
        "startColumn": at.column,
        "endLine": at.line,
        "endColumn": at.column + max(found.length, 1),
    }
    place = {"artifactLocation": {"uri": _uri(at.file)}, "region": region}
    return {
        "ruleId": found.code,
        "ruleIndex": index,
        "level": found.severity,
        "message": {"text": f"{found.message} ({found.hint})" if found.hint else found.message},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"line/v1": _fingerprint(found, report)},
    }


def _uri(file: str) -> str:
    """Relative to where the command runs, if it lies below: that is what a repository's viewer can open."""
    path = Path(file).absolute()
    here = Path.cwd()
    if not path.is_relative_to(here):
        return path.as_uri()
    return path.as_uri().removeprefix(here.as_uri().rstrip("/") + "/")


def _fingerprint(found: Diagnostic, report: Report) -> str:
    """The same finding in a file that grew above it: its code and its line's text, not its number."""
    lines = report.texts.get(found.position.file, "").split("\n")
    line = lines[found.position.line - 1].strip() if found.position.line <= len(lines) else ""
    return hashlib.sha256(f"{found.code}\0{line}".encode(errors="replace")).hexdigest()[:32]
