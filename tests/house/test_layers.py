"""The layer drawing in pyproject.toml holds, and it would notice if it did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, imports, python_files

_LINT = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]


def _lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(_LINT, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_imports_point_down_only() -> None:
    code, output = _lint(ROOT)
    assert code == 0, output


@pytest.mark.parametrize(
    ("file", "line", "finding"),
    [
        ("diagnostics.py", "import engine.errors", "engine.diagnostics -> engine.errors"),
        ("runtime/peek.py", "import engine.spec", "engine.runtime.peek -> engine.spec"),
        ("model.py", "import jinja2", "engine.model -> jinja2"),
        ("connections/peek.py", "import httptools", "engine.connections.peek -> httptools"),
        ("storage/peek.py", "import yaml", "engine.storage.peek -> yaml"),
        ("api/peek.py", "import engine.storage.sqlite", "engine.api.peek -> engine.storage.sqlite"),
        ("somewhere.py", "", "somewhere"),
    ],
    ids=["upward", "siblings", "template language", "http client", "yaml in a call", "adapter", "unplaced module"],
)
def test_an_import_against_the_layers_is_found(tmp_path: Path, file: str, line: str, finding: str) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "engine" / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    code, output = _lint(tmp_path)
    assert code == 1, output
    assert finding in output


def test_a_plugin_imports_the_standard_library_and_engine_plugins_only() -> None:
    strangers = [
        f"{file}:{line}: {name}"
        for file in python_files("plugins")
        for name, line in imports(file)
        if name != "engine.plugins" and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_heavy_packages_are_imported_only_where_they_are_first_needed() -> None:
    """Loading any module of the engine must not load the AWS client or the MCP library."""
    eager = [
        f"{file}:{line}: {name}"
        for file in python_files("engine")
        for name, line in imports(file, at_load=True)
        if name.partition(".")[0] in {"boto3", "botocore", "mcp"}
    ]
    assert eager == []


def test_the_engine_never_imports_the_reference_packages() -> None:
    """httpx and jsonschema are what tests compare with; at runtime they are not even installed."""
    found = [
        f"{file}:{line}: {name}"
        for file in python_files("engine", "plugins", "tools")
        for name, line in imports(file)
        if name.partition(".")[0] in {"httpx", "jsonschema", "pytest", "hypothesis"}
    ]
    assert found == []
