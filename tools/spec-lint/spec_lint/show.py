"""Findings as text for people, as JSON for programs, and as annotations for GitHub."""

from __future__ import annotations

import json
from collections import Counter

from engine.diagnostics import Diagnostic, render
from spec_lint.collect import Report


def as_text(report: Report, *, colour: bool) -> str:
    """Each finding with its source line and a caret, then one line that sums up."""
    shown = render(report.findings, report.texts, colour=colour)
    return f"{shown}\n{summary(report)}\n" if shown else f"{summary(report)}\n"


def as_json(report: Report) -> str:
    """One object: `specs`, `cases`, `errors`, `warnings` are counts; lines and columns of `findings` begin at 1."""
    severities = Counter(found.severity for found in report.findings)
    document = {
        "specs": report.specs,
        "cases": report.cases,
        "errors": severities["error"],
        "warnings": severities["warning"],
        "findings": [_object(found) for found in report.findings],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_github(report: Report) -> str:
    """A workflow command for each finding, which GitHub shows at its line."""
    return "".join(_annotation(found) + "\n" for found in report.findings)


def summary(report: Report) -> str:
    checked = f"{_count(report.specs, 'spec')} and {_count(report.cases, 'case')} checked"
    if not report.findings:
        return f"{checked}: no findings"
    files = len({found.position.file for found in report.findings})
    return f"{checked}: {_count(len(report.findings), 'finding')} in {_count(files, 'file')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _object(found: Diagnostic) -> dict[str, str | int]:
    at = found.position
    made: dict[str, str | int] = {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "length": found.length,
    }
    return {**made, "hint": found.hint} if found.hint else made


def _annotation(found: Diagnostic) -> str:
    at = found.position
    end = at.column + max(found.length, 1) - 1
    place = f"file={_property(at.file)},line={at.line},col={at.column},endColumn={end},title={_property(found.code)}"
    hint = f" ({found.hint})" if found.hint else ""
    return f"::{found.severity} {place}::{_data(found.message + hint)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
