"""The zip that Lambda runs: engine, plugins, schemas, specs and their mark, the locked packages and the policy file.

    python -m infra.bundle --packages build/lambda --policy policy.yaml build/lambda.zip

The same files give the same bytes: they are sorted and bear one time and mode, so a deployment changes nothing where
nothing has changed.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from engine.bootstrap import open_registry
from engine.errors import EngineError
from engine.identity.policy import read_policy
from engine.locations import plugins_dir, schemas_dir, specs_dir
from engine.spec.warm import MARK, mark_of

ROOT: Final = Path(__file__).resolve().parents[1]
OWN: Final = ("engine", "plugins", "schemas", "specs")
POLICY: Final = "policy.yaml"
"""Where INTEGRATIONS_POLICY of the template looks for it, in /var/task."""
LARGEST: Final = 250 * 1024 * 1024
"""Bytes that Lambda unpacks."""
_AWS_SERVICES: Final = frozenset({"dynamodb", "secretsmanager", "sqs", "sts"})
"""What botocore describes all of AWS in is 25 MB; the service needs these."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_OF_AN_INSTALLATION: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


def contents(packages: Path, policy: Path, root: Path = ROOT) -> Mapping[str, Path]:
    """What is packed, by its name in the zip. `packages`: a folder that `pip install --target` filled."""
    found = {POLICY: policy}
    for name in OWN:
        found.update((f"{name}/{inside}", path) for inside, path in _files(root / name))
    for inside, path in _files(packages):
        if _is_needed(inside):
            if inside.parts[0] in OWN:
                raise ValueError(f"a package brings {inside.parts[0]}/, which is a folder of ours")
            found[str(inside)] = path
    return found


def _files(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    for path in folder.rglob("*"):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and "__pycache__" not in inside.parts and not inside.name.startswith("."):
            yield inside, path


def _is_needed(inside: PurePosixPath) -> bool:
    """Neither commands, nor what one installation noted, nor the parts of AWS that nobody here calls."""
    first, *rest = inside.parts
    if first == "bin" or (first.endswith(".dist-info") and inside.name in _OF_AN_INSTALLATION):
        return False
    return not (inside.match("botocore/data/*/*/*") and rest[1] not in _AWS_SERVICES)


def write(files: Mapping[str, Path], target: Path) -> int:
    """Packs the files; their bytes together. Raises `ValueError` where Lambda would not unpack them."""
    size = 0
    with zipfile.ZipFile(target, "w") as bundle:
        for name in sorted(files):
            content = files[name].read_bytes()
            size += len(content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _MODE
            bundle.writestr(entry, content, zipfile.ZIP_DEFLATED)
    if size > LARGEST:
        raise ValueError(f"{size} bytes are more than the {LARGEST} that Lambda unpacks")
    return size


def pack(packages: Path, policy: Path, target: Path) -> int:
    """The whole bundle; its bytes unpacked. Raises `SettingsError`, `SpecError`, `ValueError`, `OSError`."""
    read_policy(policy)  # better refused here than by a function that does not start
    files = contents(packages, policy)
    mark = mark_of((specs_dir(),), open_registry(), schemas_dir(), plugins_dir())
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(MARK)
    beside.write_bytes(mark)
    return write({**files, f"specs/{MARK}": beside}, target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 packed, 1 something is missing or wrong."""
    parser = argparse.ArgumentParser(prog="make bundle", description="Pack the zip that Lambda runs.")
    parser.add_argument("--packages", type=Path, required=True, help="folder that pip install --target filled")
    parser.add_argument("--policy", type=Path, required=True, help="who may do what for which tenants")
    parser.add_argument("target", type=Path)
    given = parser.parse_args(arguments)
    try:
        size = pack(given.packages, given.policy, given.target)
    except (EngineError, ValueError, OSError) as error:
        sys.stderr.write(f"no bundle: {error}\n")
        return 1
    packed = given.target.stat().st_size
    sys.stdout.write(f"{given.target}: {packed / 1e6:.1f} MB, {size / 1e6:.1f} MB unpacked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
