"""The rules about what language models see: their limits to the character, and what they leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from spec_lint.collect import collect
from spec_lint.rules import RULES
from tests.spec.compiling import registry
from tests.support.literate import PAGES

BASE = (PAGES / "base.yaml").read_text(encoding="utf-8")
TOOL = [rule for rule in RULES if rule.code.startswith("TOOL")]


def codes(folder: Path, write: Mapping[str, Any], read: Mapping[str, Any] | None = None) -> list[str]:
    """The codes of TOOL for the base spec with these keys in its actions create_parcel and get_parcel."""
    spec = yaml.safe_load(BASE)
    spec["actions"][0].update(read or {})
    spec["actions"][1].update(write)
    home = folder / str(len(list(folder.iterdir()))) / "acme-shipping"
    home.mkdir(parents=True)
    (home / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True))
    return [found.code for found in collect([home / "spec.yaml"], registry(), rules=TOOL, with_cases=False).findings]


def with_note(**note: Any) -> dict[str, Any]:
    """The input of create_parcel with another `note`."""
    schema = yaml.safe_load(BASE)["actions"][1]["inputSchema"]
    schema["properties"]["note"] = {"type": "string", "description": "What the driver should know.", **note}
    return {"inputSchema": schema}


def with_field(name: str, **field: Any) -> dict[str, Any]:
    """The output of create_parcel with one field more."""
    schema = yaml.safe_load(BASE)["actions"][1]["outputSchema"]
    schema["properties"][name] = {"type": "integer", **field}
    return {"outputSchema": schema}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return with_note(**schema)


@pytest.mark.parametrize(
    ("fits", "exceeds", "code"),
    [
        ({"description": "x" * 40}, {"description": "x" * 39}, "TOOL002"),
        ({"actionId": "a" * 41}, {"actionId": "a" * 42}, "TOOL001"),
        (nested(9), nested(10), "TOOL015"),
        (with_note(enum=[f"v{i}" for i in range(1000)]), with_note(enum=[f"v{i}" for i in range(1001)]), "TOOL015"),
        (
            with_note(enum=[f"{i:x>60}" for i in range(250)]),
            with_note(enum=[f"{i:x>60}" for i in range(251)]),
            "TOOL015",
        ),
    ],
)
def test_a_limit_holds_to_the_last_one(
    fits: dict[str, Any], exceeds: dict[str, Any], code: str, tmp_path: Path
) -> None:
    assert codes(tmp_path, fits) == []
    assert codes(tmp_path, exceeds) == [code]


@pytest.mark.parametrize(
    "text",
    [
        "Books one parcel that the provider keeps as ready_to_pick until a driver comes for it.",  # its own word
        "Books one parcel, and gives the parcelId that get_parcel takes; both forms are for Vietnam.",
        "Books one parcel; the label is a PDF at https://acme.example/v1/labels, which anybody may open.",
        "Books one parcel to deliver and/or to collect, over the API of the carrier that was asked for.",
    ],
)
def test_words_of_the_business_are_neither_actions_nor_requests(text: str, tmp_path: Path) -> None:
    assert codes(tmp_path, {"description": text}) == []


@pytest.mark.parametrize("unit", ["in grams", "in kg", "(lbs)", "in 0.1 kg", "as the number of pieces"])
def test_a_unit_is_known_by_its_short_and_its_long_name(unit: str, tmp_path: Path) -> None:
    assert codes(tmp_path, with_field("grossWeight", description=f"The weight {unit}.")) == []


@pytest.mark.parametrize(
    "text", ["The weight of a good parcel.", "The weight with packaging.", "Weight, see the gate."]
)
def test_letters_inside_words_are_no_unit(text: str, tmp_path: Path) -> None:
    assert codes(tmp_path, with_field("grossWeight", description=text)) == ["TOOL005"]


def test_the_unit_may_stand_in_the_description_of_the_action(tmp_path: Path) -> None:
    told = "Books one parcel to an address in Vietnam. All weights are grams, all money is whole VND."
    assert codes(tmp_path, {"description": told, **with_field("grossWeight", description="With its box.")}) == []


@pytest.mark.parametrize("form", ["in RFC 3339", "as 2026-05-01 03:04 of Vietnamese time", "yyyyMMdd", "in UTC"])
def test_a_time_may_have_a_form_of_its_own_that_is_described(form: str, tmp_path: Path) -> None:
    assert codes(tmp_path, with_field("bookedAt", type="string", description=f"When it was booked, {form}.")) == []


def test_an_id_stays_a_number_where_an_action_takes_it_as_one(tmp_path: Path) -> None:
    taken = with_note(type="integer", description="The number of the district, from the carrier's list.")
    schema = taken["inputSchema"]["properties"]
    schema["toDistrictId"] = schema.pop("note")
    given = with_field("districtId", description="The district that it goes to.")
    own = yaml.safe_load(BASE)["actions"][1]["request"]
    own["json"]["note"] = "{{ input.toDistrictId }}"
    assert codes(tmp_path, {**taken, **given, "request": own}) == []
    assert codes(tmp_path, with_field("districtId", description="The district that it goes to.")) == ["TOOL022"]


def test_an_error_may_not_send_its_caller_to_a_deprecated_action(tmp_path: Path) -> None:
    advice = {
        "errors": [{"by": "code", "codes": {"GONE": {"code": "CONFLICT", "next": {"actionId": "create_parcel"}}}}]
    }
    assert codes(tmp_path, {}, advice) == []
    assert codes(tmp_path, {"deprecated": True}, advice) == ["TOOL023"]
    assert codes(tmp_path, {"deprecated": True, **advice}) == [], "the old one may name itself"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Books up to 100 parcels at once to addresses in Vietnam.", ["TOOL018"]),
        ("Books one parcel to an address in Vietnam; a repeat books another one.", []),
        ("Books one parcel. Call it only once for each order.", []),
    ],
)
def test_a_warning_speaks_of_the_second_call(description: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, {"idempotency": "none", "description": description}) == expected
