"""The template of the deployment as data: `!Ref X` is `{"Ref": "X"}`, as in its JSON form."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.aws import ROOT

TEMPLATE: Final = ROOT / "infra" / "template.yaml"
_PYTHON: Final = ROOT / ".venv-aws" / "bin" / "python"
_TRANSLATE: Final = """
import json, sys
from types import SimpleNamespace
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
json.dump(transform(yaml_parse(sys.stdin.read()), {}, SimpleNamespace(load=dict)), sys.stdout)
"""


class _Reader(yaml.SafeLoader):
    pass


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = str(value).split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Reader.add_multi_constructor("!", _function)


def template() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Reader)
    return found


def missing() -> str | None:
    """Why the template can't be translated here; None when it can."""
    return None if _PYTHON.exists() else ".venv-aws is not there: make install-dev"


def packaged(bucket: str, key: str) -> str:
    """The template as `aws cloudformation package` leaves it: the bundle is in a bucket."""
    text = TEMPLATE.read_text(encoding="utf-8")
    assert text.count("CodeUri: ../build/lambda.zip") == 1
    return text.replace("CodeUri: ../build/lambda.zip", f"CodeUri: s3://{bucket}/{key}")


def translated(text: str) -> dict[str, Any]:
    """The template without SAM: what CloudFormation sees."""
    done = subprocess.run(
        [_PYTHON, "-c", _TRANSLATE],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lint(*files: Path) -> dict[str, list[str]]:
    """What cfn-lint finds, by the file's name."""
    command: list[str | Path] = [
        ROOT / ".venv" / "bin" / "cfn-lint",
        "--format",
        "json",
        "--regions",
        "us-east-1",
        "--",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found: dict[str, list[str]] = {file.name: [] for file in files}
    for one in json.loads(done.stdout):
        found[Path(one["Filename"]).name].append(f"{one['Rule']['Id']}: {one['Message']}")
    return found
