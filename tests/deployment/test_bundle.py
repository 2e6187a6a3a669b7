"""The zip for Lambda: what is in it, and that the same files give the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import bundle
from tests.house.source import ROOT

_POLICY = """\
policyVersion: 1
allow:
  - principals: ["arn:aws:iam::111122223333:role/agents"]
    tenants: [acme]
    actions: [execute]
"""
_INSTALLED = {
    "bin/tool": "#!/usr/bin/python",
    "thing/__init__.py": "",
    "thing/__pycache__/__init__.cpython-313.pyc": "x",
    "thing-1.0.dist-info/METADATA": "Name: thing",
    "thing-1.0.dist-info/RECORD": "bin/tool,,",
    "thing-1.0.dist-info/licenses/LICENSE": "free",
    "botocore/data/endpoints.json": "{}",
    "botocore/data/dynamodb/2012-08-10/service-2.json.gz": "x",
    "botocore/data/ec2/2016-11-15/service-2.json.gz": "x",
}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    for name, content in _INSTALLED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(_POLICY, encoding="utf-8")
    return tmp_path / "mine.yaml"


def test_a_bundle_has_all_of_ours_and_the_policy_and_of_packages_what_runs(packages: Path, policy: Path) -> None:
    names = bundle.contents(packages, policy).keys()
    ours = {
        file.relative_to(ROOT).as_posix()
        for folder in ("engine", "plugins", "schemas", "specs")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if name.partition("/")[0] in bundle.OWN} == ours
    assert names - ours == {
        "policy.yaml",
        "thing/__init__.py",
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/licenses/LICENSE",
        "botocore/data/endpoints.json",
        "botocore/data/dynamodb/2012-08-10/service-2.json.gz",
    }


def test_the_same_files_give_the_same_bytes_whenever_and_however_they_were_made(packages: Path, policy: Path) -> None:
    first, second = packages.parent / "first.zip", packages.parent / "second.zip"
    bundle.write(bundle.contents(packages, policy), first)
    for file in packages.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    bundle.write(dict(reversed(list(bundle.contents(packages, policy).items()))), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_changed_file_gives_other_bytes(packages: Path, policy: Path) -> None:
    first, second = packages.parent / "first.zip", packages.parent / "second.zip"
    bundle.write(bundle.contents(packages, policy), first)
    (packages / "thing" / "__init__.py").write_text("changed = True\n", encoding="utf-8")
    bundle.write(bundle.contents(packages, policy), second)
    assert first.read_bytes() != second.read_bytes()


def test_everybody_may_read_what_is_unpacked(packages: Path, policy: Path) -> None:
    target = packages.parent / "lambda.zip"
    bundle.write(bundle.contents(packages, policy), target)
    assert {entry.external_attr >> 16 for entry in zipfile.ZipFile(target).infolist()} == {0o100644}


def test_a_package_that_would_hide_a_folder_of_ours_is_refused(packages: Path, policy: Path) -> None:
    (packages / "plugins").mkdir()
    (packages / "plugins" / "other.py").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="plugins/, which is a folder of ours"):
        bundle.contents(packages, policy)


def _pack(packages: Path, policy: Path) -> subprocess.CompletedProcess[str]:
    target = packages.parent / "out" / "lambda.zip"
    command = [sys.executable, "-m", "infra.bundle", "--packages", str(packages), "--policy", str(policy), str(target)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_packs_and_says_how_much(packages: Path, policy: Path) -> None:
    done = _pack(packages, policy)
    assert done.returncode == 0, done.stderr
    assert "MB unpacked" in done.stdout
    packed = zipfile.ZipFile(packages.parent / "out" / "lambda.zip")
    assert packed.read("policy.yaml").decode() == _POLICY
    assert packed.read("specs/compiled.mark")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "can't be read"), (_POLICY.replace("execute", "exceute"), 'did you mean "execute"')],
)
def test_a_policy_that_would_keep_the_function_from_starting_is_refused(
    packages: Path, policy: Path, content: str | None, complaint: str
) -> None:
    policy.unlink()
    if content is not None:
        policy.write_text(content, encoding="utf-8")
    done = _pack(packages, policy)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (packages.parent / "out").exists()
