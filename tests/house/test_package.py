"""What a wheel carries, and that the data is found both in a checkout and from an installed wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine import locations
from tests.house.source import ROOT

_SHOW = """
import spec_lint
from engine import locations

print(locations.specs_dir(), locations.schemas_dir(), locations.plugins_dir(), sep="\\n")
"""


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_checkout_uses_its_own_folders() -> None:
    found = [locations.specs_dir(), locations.schemas_dir(), locations.plugins_dir()]
    assert found == [ROOT / "specs", ROOT / "schemas", ROOT / "plugins"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    _run(sys.executable, *build, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_a_wheel_carries_every_file_of_the_data_folders_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"engine/_data/{file.relative_to(ROOT)}"
        for folder in ("specs", "schemas", "plugins")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert expected <= names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"engine", "spec_lint"}


@pytest.mark.slow
def test_an_installed_wheel_finds_its_data_and_both_commands(wheel: Path, tmp_path: Path) -> None:
    """In an empty virtual environment: finding data needs no other package."""
    _run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    install = ("-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    _run(sys.executable, *install, cwd=tmp_path)
    site = Path(_run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    shown = _run(str(python), "-I", "-c", _SHOW, cwd=tmp_path).split()
    assert [Path(line) for line in shown] == [site / "engine/_data" / name for name in ("specs", "schemas", "plugins")]
    assert {"integrations", "spec-lint"} <= {file.name for file in python.parent.iterdir()}
