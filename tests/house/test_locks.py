"""The locked packages: complete, hashed, and free of any machine's particulars."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.source import ROOT

_LOCKS = ("requirements.lock", "requirements-aws.lock", "requirements-build.lock", "requirements-dev.lock")
_PIN = re.compile(r"(?m)^([a-z0-9.-]+)==(\S+)")


def _pins(lock: str) -> dict[str, str]:
    return dict(_PIN.findall((ROOT / lock).read_text(encoding="utf-8")))


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_pin_has_hashes_and_nothing_else_is_in_the_file(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    bare = [line for line in text.splitlines() if _PIN.match(line) and not line.endswith("\\")]
    strange = [
        line
        for line in text.splitlines()
        if not (_PIN.match(line) or re.match(r" +(--hash=sha256:[0-9a-f]{64}|#)", line))
    ]
    assert _pins(lock)
    assert bare == []
    assert strange == []


@pytest.mark.parametrize("lock", _LOCKS)
def test_no_host_and_no_path_of_a_machine_is_in_a_lock(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S*|(?:^|\s)/\S+|index-url|find-links", text) == []


def test_every_declared_package_is_locked() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = declared["dependency-groups"]
    development = [entry for entry in groups["dev"] if isinstance(entry, str)]
    runtime = {_name(entry) for entry in declared["project"]["dependencies"]}
    assert runtime <= _pins("requirements.lock").keys()
    assert {_name(entry) for entry in groups["build"]} <= _pins("requirements-build.lock").keys()
    extras = declared["project"]["optional-dependencies"]["aws"]
    assert runtime | {_name(entry) for entry in extras} <= _pins("requirements-aws.lock").keys()
    assert {_name(entry) for entry in [*development, *extras]} <= _pins("requirements-dev.lock").keys()


def test_all_locks_agree_on_versions() -> None:
    everything = _pins("requirements-dev.lock")
    for lock in _LOCKS:
        assert _pins(lock).items() <= everything.items()


def test_reference_packages_are_not_installed_at_runtime() -> None:
    assert not {"httpx", "jsonschema", "boto3", "pytest"} & _pins("requirements.lock").keys()
