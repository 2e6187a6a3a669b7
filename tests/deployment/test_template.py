"""The deployment's template: what AWS would refuse, and what the code and the design say about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.api.app import OPERATIONS
from engine.api.operations import BRINGS
from engine.settings import Settings
from engine.storage.aws.tables import EXPIRES, TABLES, Table, definition
from tests.house.source import ROOT
from tests.support.template import TEMPLATE, lint, missing, packaged, template, translated

_DESIGN = {
    "secretsmanager:CreateSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:UpdateSecret",
    "secretsmanager:DeleteSecret",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:Query",
}
_BEYOND = {
    "StoragePolicy": {"dynamodb:BatchWriteItem", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
    "ApiRole": {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"},
    "WorkRole": {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    },
}
_ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
_RESOURCES = {
    "secretsmanager": [{"Fn::Sub": _ARN % ("secretsmanager", "secret:/integrations/*")}],
    "dynamodb": [
        {"Fn::Sub": _ARN % ("dynamodb", "table/Integrations-*")},
        {"Fn::Sub": _ARN % ("dynamodb", "table/Integrations-*/index/*")},
    ],
    "kms": [{"Ref": "KmsKeyArn"}],
    "sqs": [{"Fn::GetAtt": ["WakeQueue", "Arn"]}],
}
_GRANTED_AS = {"transact_write_items": {"PutItem", "UpdateItem", "DeleteItem"}}
_OPERATORS = {"census.py"}
"""Reads whole tables for whoever moves them: an operator, with rights of his own."""
_ACTION = re.compile(r" +- ((?:dynamodb|kms|logs|secretsmanager|sqs|sts|lambda|s3|iam):\S+)(?: +# (.+))?")
_RESOURCES_OF = template()["Resources"]
UNASKED = ("open", *BRINGS)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    if (lack := missing()) is not None:
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("templates")
    plain, wrong = folder / "translated.json", folder / "wrong.json"
    output = translated(packaged("bundles", "lambda.zip"))
    plain.write_text(json.dumps(output), encoding="utf-8")
    output["Resources"]["ExecutionsTable"]["Properties"]["AttributeDefinitions"].pop()
    wrong.write_text(json.dumps(output), encoding="utf-8")
    return lint(TEMPLATE, plain, wrong)


def test_the_template_and_what_sam_makes_of_it_are_clean(findings: Mapping[str, list[str]]) -> None:
    assert findings["template.yaml"] == []
    assert findings["translated.json"] == []


def test_an_index_over_an_attribute_that_is_not_declared_would_be_found(findings: Mapping[str, list[str]]) -> None:
    assert any("timeKey" in finding for finding in findings["wrong.json"])


# ---------------------------------------------------------------- tables
def _tables() -> dict[str, Any]:
    found = {name: one for name, one in _RESOURCES_OF.items() if one["Type"] == "AWS::DynamoDB::Table"}
    return {one["Properties"]["TableName"]: one for one in found.values()}


def test_the_template_has_the_tables_of_the_code_and_no_other() -> None:
    assert _tables().keys() == {table.name for table in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_of_the_template_is_the_one_of_the_code(table: Table) -> None:
    found = dict(_tables()[table.name]["Properties"])
    expiry = found.pop("TimeToLiveSpecification", None)
    recovery = found.pop("PointInTimeRecoverySpecification")
    key = found.pop("SSESpecification")
    assert found == definition(table)
    assert expiry == ({"AttributeName": EXPIRES, "Enabled": True} if table.expires else None)
    assert recovery == {"PointInTimeRecoveryEnabled": table.recoverable}
    assert key["Fn::If"][0] == "HasOwnKey"
    assert key["Fn::If"][1]["KMSMasterKeyId"] == {"Ref": "KmsKeyArn"}


@pytest.mark.parametrize("name", sorted(_tables()))
def test_a_table_stays_when_the_stack_goes(name: str) -> None:
    assert _tables()[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert _tables()[name]["UpdateReplacePolicy"] == "Retain"


# ---------------------------------------------------------------- permissions
def _statements(name: str) -> Iterator[dict[str, Any]]:
    """Of a policy or a role, those under a condition too."""
    properties = _RESOURCES_OF[name]["Properties"]
    documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    for document in documents:
        for statement in document["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def _actions(name: str) -> set[str]:
    return {action for statement in _statements(name) for action in statement["Action"]}


def _policies() -> set[str]:
    kinds = {"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}
    return {name for name, one in _RESOURCES_OF.items() if one["Type"] in kinds}


def test_each_function_has_a_role_of_its_own_with_the_storage_policy_and_no_other() -> None:
    functions = [one for one in _RESOURCES_OF.values() if one["Type"] == "AWS::Serverless::Function"]
    assert sorted(one["Properties"]["Role"]["Fn::GetAtt"][0] for one in functions) == ["ApiRole", "WorkRole"]
    for role in ("ApiRole", "WorkRole"):
        assert _RESOURCES_OF[role]["Properties"]["ManagedPolicyArns"] == [{"Ref": "StoragePolicy"}]
    assert _policies() == _BEYOND.keys()


def test_the_permissions_are_the_list_of_the_design_and_the_reviewed_ones_beyond_it() -> None:
    assert _actions("StoragePolicy") == _DESIGN | _BEYOND["StoragePolicy"]
    assert _actions("ApiRole") == _BEYOND["ApiRole"]
    assert _actions("WorkRole") == _BEYOND["WorkRole"]


def test_each_action_beyond_the_list_of_the_design_has_its_reason_beside_it() -> None:
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    written = [match for line in lines if (match := _ACTION.fullmatch(line))]
    beyond = [match for match in written if match[1] not in _DESIGN]
    assert {match[1] for match in written} == set.union(*map(_actions, _policies()))
    assert len(beyond) == sum(map(len, _BEYOND.values()))
    assert [match[1] for match in beyond if len((match[2] or "").split()) < 3] == []


@pytest.mark.parametrize("name", sorted(_BEYOND))
def test_no_permission_reaches_beyond_what_is_ours(name: str) -> None:
    logs = {"ApiRole": "ApiLog", "WorkRole": "WorkLog"}
    for statement in _statements(name):
        (service,) = {action.partition(":")[0] for action in statement["Action"]}
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        own_log = [{"Fn::GetAtt": [logs.get(name), "Arn"]}]
        assert statement["Effect"] == "Allow"
        assert resources == (own_log if service == "logs" else _RESOURCES[service])


def test_your_own_key_serves_only_through_the_two_stores() -> None:
    (statement,) = [one for one in _statements("StoragePolicy") if one["Sid"] == "OwnKey"]
    through = statement["Condition"]["StringEquals"]["kms:ViaService"]
    assert [one["Fn::Sub"].partition(".")[0] for one in through] == ["dynamodb", "secretsmanager"]


def test_every_operation_that_the_storage_calls_is_granted() -> None:
    names = "(?:batch|transact)_(?:get|write)_items?|(?:get|put|update|delete)_item|query|scan"
    secrets = "(?:create|get|put|update|delete|describe|list)_secrets?(?:_value)?"
    called: dict[str, set[str]] = {"dynamodb": set(), "secretsmanager": set()}
    for file in (ROOT / "engine" / "storage" / "aws").glob("*.py"):
        text = file.read_text(encoding="utf-8") if file.name not in _OPERATORS else ""
        called["dynamodb"] |= set(re.findall(rf'"({names})"', text))
        called["secretsmanager"] |= set(re.findall(rf'"({secrets})"', text))
    assert {"get_item", "transact_write_items"} <= called["dynamodb"]
    assert "update_secret" in called["secretsmanager"]
    needed = {
        f"{service}:{action}"
        for service, operations in called.items()
        for operation in operations
        for action in _GRANTED_AS.get(operation, {"".join(map(str.title, operation.split("_")))})
    }
    assert needed <= _actions("StoragePolicy")


# ---------------------------------------------------------------- functions
def _variables() -> dict[str, Any]:
    found: dict[str, Any] = template()["Globals"]["Function"]["Environment"]["Variables"]
    return found


def test_every_variable_is_a_setting() -> None:
    known = re.findall(r'"(INTEGRATIONS_[A-Z_]+)"', (ROOT / "engine" / "settings.py").read_text(encoding="utf-8"))
    assert _variables().keys() <= set(known)


def test_the_variables_with_the_defaults_of_the_parameters_are_valid_settings() -> None:
    parameters = template()["Parameters"]
    others = {"WakeQueue": "https://sqs.us-east-1.amazonaws.com/111122223333/wake"}
    env = {
        name: str(others.get(value["Ref"]) or parameters[value["Ref"]]["Default"]) if "Ref" in value else ""
        for name, value in _variables().items()
        if isinstance(value, dict)
    }
    env |= {name: value for name, value in _variables().items() if isinstance(value, str)}
    settings = Settings.from_environment(env)
    assert settings.storage == "aws"
    assert settings.retention_days == Settings().retention_days
    assert settings.tenant_calls_per_minute == Settings().tenant_calls_per_minute


@pytest.mark.parametrize("name", ["ApiFunction", "WorkFunction"])
def test_a_handler_is_there(name: str) -> None:
    module, _, function = _RESOURCES_OF[name]["Properties"]["Handler"].rpartition(".")
    source = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^(?:async )?def {function}\(|^{function}\b.* = ", source)


def _referred(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in {"Ref", "Fn::Sub"} and isinstance(value, str):
                yield from [value] if key == "Ref" else re.findall(r"\$\{(\w+)\}", value)
            yield from _referred(value)
    elif isinstance(part, list):
        for one in part:
            yield from _referred(one)


def test_a_changed_parameter_makes_a_new_version_of_the_function() -> None:
    """SAM makes one only for a new bundle; CloudFormation, for a new description. That has 256 characters at most."""
    properties = dict(_RESOURCES_OF["ApiFunction"]["Properties"])
    description = properties.pop("VersionDescription")
    parameters = template()["Parameters"]
    used = {name for name in _referred([template()["Globals"], properties]) if name in parameters}
    assert set(_referred(description)) == used
    longest = {
        name: one.get("MaxLength") or max(map(len, map(str, one.get("AllowedValues", [one.get("MaxValue")]))))
        for name, one in parameters.items()
        if name in used
    }
    assert sum(longest.values()) + len(re.sub(r"\$\{\w+\}", "", description["Fn::Sub"])) <= 256


def test_each_wait_is_shorter_than_that_of_whoever_waits_for_it() -> None:
    api, work = (_RESOURCES_OF[name]["Properties"] for name in ("ApiFunction", "WorkFunction"))
    assert 25 < api["Timeout"] < _RESOURCES_OF["Integration"]["Properties"]["TimeoutInMillis"] / 1000 <= 30
    assert _RESOURCES_OF["WakeQueue"]["Properties"]["VisibilityTimeout"] >= 6 * work["Timeout"]


# ---------------------------------------------------------------- routes
def _routes() -> dict[str, str]:
    found = [one["Properties"] for one in _RESOURCES_OF.values() if one["Type"] == "AWS::ApiGatewayV2::Route"]
    return {one["RouteKey"]: one["AuthorizationType"] for one in found}


def test_public_are_the_routes_that_ask_for_no_caller_and_all_others_ask_for_iam() -> None:
    public = {
        re.sub(r"^\w+ (/webhooks)/.+|^\w+ (/oauth/callback)$", _any, f"{one.method} {one.path}")
        for one in OPERATIONS
        if one.access in UNASKED
    }
    assert _routes() == {"$default": "AWS_IAM"} | dict.fromkeys(public, "NONE")


def _any(found: re.Match[str]) -> str:
    return "ANY /webhooks/{proxy+}" if found[1] else f"ANY {found[2]}"


def test_no_public_route_reaches_an_operation_that_asks_for_a_caller() -> None:
    public = [re.sub(r"\{\w+\+\}", ".+", key) for key, kind in _routes().items() if kind == "NONE"]
    patterns = [re.sub(r"\{\w+\}", "[^/]+", key.replace("ANY", r"\w+")) for key in public]
    guarded = [f"{one.method} {one.path}" for one in OPERATIONS if one.access not in UNASKED]
    assert guarded
    assert [key for key in guarded if any(re.fullmatch(pattern, key) for pattern in patterns)] == []


def test_no_path_is_in_the_access_log_for_a_webhooks_may_be_secret() -> None:
    line = json.loads(_RESOURCES_OF["Stage"]["Properties"]["AccessLogSettings"]["Format"])
    assert {"$context.path", "$context.customDomain.basePathMatched"} & set(line.values()) == set()
    assert line["route"] == "$context.routeKey"


def test_paths_have_no_prefix() -> None:
    assert _RESOURCES_OF["Stage"]["Properties"]["StageName"] == "$default"


def test_each_log_is_kept_for_a_while_only() -> None:
    logs = [one["Properties"] for one in _RESOURCES_OF.values() if one["Type"] == "AWS::Logs::LogGroup"]
    assert len(logs) == 3
    assert all(log["RetentionInDays"] == {"Ref": "RetentionDays"} for log in logs)


def test_errors_throttles_dead_letters_and_age_raise_an_alarm() -> None:
    alarms = [one["Properties"] for one in _RESOURCES_OF.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    watched = {(alarm["MetricName"], *_referred(alarm["Dimensions"])) for alarm in alarms}
    for function in ("ApiFunction", "WorkFunction"):
        assert {("Errors", function), ("Throttles", function)} <= watched
    names = {name for name, *_ in watched}
    assert {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "5xx"} <= names
    assert all(alarm["AlarmActions"]["Fn::If"][0] == "HasTopic" for alarm in alarms)
