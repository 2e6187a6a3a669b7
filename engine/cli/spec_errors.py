"""What is wrong with specs or cases, shown on stderr at its lines."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.diagnostics import render
from engine.errors import SpecError


def show(error: SpecError) -> None:
    """Every finding with the text that it points into; a file that can't be read has none."""
    files = {finding.position.file for finding in error.diagnostics}
    texts = {file: Path(file).read_text("utf-8", "replace") for file in files if Path(file).is_file()}
    print(render(error.diagnostics, texts, colour=sys.stderr.isatty()), file=sys.stderr)  # noqa: T201
