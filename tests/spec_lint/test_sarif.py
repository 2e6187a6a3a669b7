"""--format sarif, held to what the official schema demands of the parts that are written.

The parts of https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json that this output uses:
required properties, closed objects, enumerations and bounds.
"""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from spec_lint.cli import main
from spec_lint.table import TABLE
from tests.support.literate import PAGES


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
REGION = closed("startLine", startLine=COUNT, startColumn=COUNT, endLine=COUNT, endColumn=COUNT)
PLACE = closed(
    "artifactLocation",
    artifactLocation=closed(uri={"type": "string", "format": "uri-reference"}),
    region=REGION,
)
RULE = closed(
    "id",
    id=TEXT,
    shortDescription=closed("text", text=TEXT),
    help=closed("text", text=TEXT, markdown=TEXT),
    defaultConfiguration=closed(level=LEVEL),
)
RESULT = closed(
    "message",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=closed("text", text=TEXT),
    locations={"type": "array", "items": closed(physicalLocation=PLACE)},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
DRIVER = closed("name", name=TEXT, version=TEXT, rules={"type": "array", "uniqueItems": True, "items": RULE})
RUN = closed(
    "tool",
    tool=closed("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
LOG = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **closed("version", "runs", version={"enum": ["2.1.0"]}, runs={"type": "array", "items": RUN}),
}
LOG["properties"]["$schema"] = {"type": "string", "format": "uri"}

BASE = (PAGES / "base.yaml").read_text(encoding="utf-8")
MISTAKES = BASE.replace("provider: Acme", "providr: Đ").replace("status: available", "status: live")


def sarif(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    home = folder / "50% of" / "acme-shipping"
    home.mkdir(parents=True, exist_ok=True)
    (home / "spec.yaml").write_text(text, encoding="utf-8")
    with chdir(folder):
        main(["50% of", "--format", "sarif", "--no-cases"])
    log: dict[str, Any] = json.loads(capsys.readouterr().out)
    return log


@pytest.mark.parametrize("text", [BASE, MISTAKES, "a: ["])
def test_the_output_is_sarif(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    jsonschema.validate(sarif(tmp_path, text, capsys), LOG)


def test_every_finding_names_its_rule_its_place_and_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = sarif(tmp_path, MISTAKES, capsys)["runs"]
    rules = run["tool"]["driver"]["rules"]
    first, second = run["results"]
    assert [rules[one["ruleIndex"]]["id"] for one in (first, second)] == [first["ruleId"], second["ruleId"]]
    assert {one["ruleId"] for one in run["results"]} == {"SPEC001", "SPEC004"}
    assert {rule["id"]: rule["shortDescription"]["text"] for rule in rules} == {
        code: TABLE[code].what for code in ("SPEC001", "SPEC004")
    }
    assert all(rule["help"]["markdown"].startswith(f"# {rule['id']} ") for rule in rules)
    place = first["locations"][0]["physicalLocation"]
    line = MISTAKES.splitlines().index("providr: Đ") + 1
    assert place["artifactLocation"]["uri"] == "50%25%20of/acme-shipping/spec.yaml"
    assert place["region"] == {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 1 + len("providr")}


def test_a_finding_keeps_its_fingerprint_when_the_file_grows_above_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def prints(text: str) -> list[Any]:
        return [one["partialFingerprints"] for one in sarif(tmp_path, text, capsys)["runs"][0]["results"]]

    before = prints(MISTAKES)
    assert prints(f"# a line more\n{MISTAKES}") == before
    assert len({str(one) for one in before}) == 2
    assert prints(MISTAKES.replace("status: live", "status: dead"))[1] != before[1]
