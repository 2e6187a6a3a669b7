"""The shared models: what specs refer to, and what every reader of them may count on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.bootstrap import open_registry
from engine.cases.read import read_webhook_cases
from engine.locations import schemas_dir
from engine.spec.load import load, read_models
from tests.cases.recorded import FOLDERS, OURS, cases
from tests.spec.compiling import compiled
from tests.support.specs import action, spec

MODELS = read_models(schemas_dir())
PLAIN = frozenset({"type", "description", "enum", "properties", "required", "items", "additionalProperties"})
"""The words of JSON Schema that every vendor of language models takes."""
MARKS = {"x-sensitive"}


def parts(node: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and all schemas below it."""
    yield node
    below = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else ())]
    for inner in below:
        yield from parts(inner)


def output_of(ref: str, models: Mapping[str, Any] = MODELS) -> Mapping[str, Any]:
    """The output schema of an action that is a model and no more."""
    integration, found = compiled(spec(action("track", outputSchema={"$ref": ref})), models)
    assert integration is not None, found
    return integration.actions["track"].output_schema.raw


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_is_plain_and_each_part_of_it_is_described(name: str) -> None:
    for part in parts(MODELS[name]):
        if "$ref" in part:
            assert set(part) == {"$ref"}
            assert part["$ref"].startswith("../models/"), "so that it leads there from a spec and for an editor alike"
            assert part["$ref"].removeprefix("../models/").removesuffix(".json") in MODELS
            continue
        assert set(part) <= PLAIN | MARKS, name
        assert 10 <= len(part["description"]) <= 1024, part
        assert part["type"] in ("string", "integer", "boolean", "array", "object")
        if part["type"] == "object" and "properties" not in part:
            assert part["additionalProperties"] is True, "fields that only the account knows"
        elif part["type"] == "object":
            assert part["additionalProperties"] is False
            assert set(part.get("required", ())) <= set(part["properties"])


@pytest.mark.parametrize("path", ["schemas/models/fee-quote.json", "../../schemas/models/fee-quote.json"])
def test_a_spec_refers_to_a_model_from_the_root_or_from_its_own_folder(path: str) -> None:
    raw = output_of(path)
    assert raw["required"] == ["fee", "currency"]


def test_a_model_may_hold_another_model() -> None:
    raw = output_of("schemas/models/shipment.json")
    words = MODELS["shipment-status"]["enum"]
    assert raw["properties"]["status"]["enum"] == words
    assert raw["properties"]["log"]["items"]["properties"]["status"]["enum"] == words


def test_a_model_that_holds_itself_is_reported_at_the_reference_in_the_spec() -> None:
    models = {"loop": {"type": "object", "properties": {"again": {"$ref": "../models/loop.json"}}}}
    made = spec(action("track", outputSchema={"$ref": "schemas/models/loop.json"}))
    integration, found = compiled(made, models)
    assert integration is None
    assert [one.code for one in found] == ["NAME006"]


def test_every_carrier_maps_its_states_to_words_of_the_one_list() -> None:
    """Also the carriers that only tests know: the list was made for all of them."""
    words = set(MODELS["shipment-status"]["enum"])
    tables = [
        one.source.value["tables"]["shipmentStatus"]
        for one in load(FOLDERS, open_registry(), schemas_dir()).specs.values()
        if one.source is not None and one.source.value["category"] == "shipping"
        if "shipmentStatus" in one.source.value.get("tables", {})
    ]
    assert len(tables) >= 2
    for table in tables:
        assert set(table["map"].values()) <= words
        assert table.get("other", "unknown") == "unknown"  # without one the spec itself looks for an earlier state


@pytest.mark.parametrize("integration_id", sorted(one for one in OURS if one.startswith("shipping-")))
def test_a_state_that_no_carrier_ever_told_is_called_unknown(integration_id: str) -> None:
    """By a case of each carrier: in its answers or in its messages."""
    told = [turn.result for case in cases() if case.integration_id == integration_id for turn in case.turns]
    folder = FOLDERS[0] / integration_id
    told += [event.get("data") for case in read_webhook_cases(folder) for event in case.events or ()]
    assert any(isinstance(one, dict) and one.get("status") == "unknown" for one in told)


def test_what_a_parcel_is_called_is_the_same_in_an_answer_and_in_an_event() -> None:
    """Whoever reads `shipment.updated` finds the fields of the model there, and no others."""
    model = MODELS["shipment"]["properties"]
    told = [
        event["data"]
        for one in load(FOLDERS[:1], open_registry(), schemas_dir()).specs.values()
        for event in one.resolved.get("webhooks", {}).get("events", ())
        if event.get("type") == "shipment.updated"
    ]
    assert told
    for data in told:
        assert set(data) <= set(model)
        assert set(MODELS["shipment"]["required"]) <= set(data)
