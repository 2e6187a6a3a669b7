"""The template and a real bundle, deployed to ministack, which checks signatures and policies of IAM, and called then.

What the stand-in can't show, and nothing here claims: expiry, point-in-time recovery and the customer's key (it leaves
them out), snapshots (it marks the version and starts the function as ever), the bundle for AWS's own Python and
processor (this one holds the packages of the Python that runs the tests), access logs, throttling and alarms (it keeps
them and does nothing), and the wording of the gateway's own refusals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.serving import Provider
from tests.support import aws, template
from tests.support.deployed import Answer, Deployed, User, bundled, deploy, user, zipped
from tests.support.upstream import Reply, Seen, answer

_TOKEN = "fake-ghn-token-0000"
_POLICY = """
policyVersion: 1
allow:
  - principals: ["arn:aws:iam::000000000000:user/agent"]
    tenants: [acme]
    actions: [execute, connections]
"""
_FEE = {
    "integrationId": "shipping-ghn",
    "actionId": "calculate_fee",
    "input": {"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 200},
}
_QUOTE = {"code": 200, "message": "Success", "data": {"total": 36300, "service_fee": 36300}}
_PARCEL = {
    "ShopID": 5000001,
    "Time": "2026-07-15T04:49:47.811Z",
    "OrderCode": "FAKE0001",
    "Type": "switch_status",
    "Status": "delivering",
}
_PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    try:
        getattr(boto3.client(event["service"]), event["operation"])(**event["asked"])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """`agent` may call the API and is named by the policy file, `stranger` only the former, `nobody` neither."""

    deployed: Deployed
    agent: User
    stranger: User
    nobody: User
    connection_id: str
    others: Provider

    def agents(self, method: str, path: str, content: Any = None) -> Answer:
        return self.deployed.call(method, path, content, user=self.agent, tenant="acme")

    def quotes(self) -> list[Any]:
        """What the provider was asked."""
        return [seen.json() for seen in self.others.seen if seen.path != "/subscriber"]


def _others(seen: Seen) -> Reply:
    """The provider, and a subscriber to events."""
    return Reply(204) if seen.path == "/subscriber" else answer(_QUOTE)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if (lack := aws.missing() or template.missing()) is not None:
        pytest.skip(lack)
    code = bundled(tmp_path_factory.mktemp("bundle"), _POLICY)
    with Provider(_others) as others, aws.ministack(checks_identity=True) as endpoint:
        variables = {"INTEGRATIONS_UPSTREAMS": f"shipping-ghn={others.origin}", "INTEGRATIONS_ALLOW_PRIVATE": "true"}
        deployed = deploy(endpoint, code, variables)
        may_call = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": deployed.outputs["InvokeArn"]}
        policy = {"Version": "2012-10-17", "Statement": [may_call]}
        agent, stranger = (user(endpoint, name, policy) for name in ("agent", "stranger"))
        nobody = user(endpoint, "nobody", None)
        asked = {
            "integrationId": "shipping-ghn",
            "name": "Main shop",
            "config": {"shopId": "5000001"},
            "credentials": {"apiKey": _TOKEN},
        }
        made = deployed.call("POST", "/connections", asked, user=agent, tenant="acme")
        assert made.status == 200, made.body
        yield Scene(deployed, agent, stranger, nobody, made.json()["connectionId"], others)


def test_a_signed_call_is_executed_and_logged(scene: Scene) -> None:
    got = scene.agents("POST", "/execute", _FEE)
    assert got.status == 200
    assert got.json()["success"] is True
    assert got.json()["data"]["fee"] == 36300
    assert scene.quotes()[-1]["to_ward_code"] == "20107"
    logged = scene.agents("GET", f"/executions/{got.json()['executionId']}").json()
    assert logged["status"] == "success"
    assert logged["connectionId"] == scene.connection_id


def test_an_unsigned_call_is_refused_before_the_function_runs(scene: Scene) -> None:
    asked = len(scene.quotes())
    got = scene.deployed.call("POST", "/execute", _FEE, tenant="acme")
    assert got.status == 403
    assert "defined" not in got.json()
    assert len(scene.quotes()) == asked


def test_a_body_that_was_changed_after_signing_is_refused(scene: Scene) -> None:
    asked = len(scene.quotes())
    changed = {**_FEE, "callerRef": "somebody else"}
    got = scene.deployed.call("POST", "/execute", _FEE, sent=changed, user=scene.agent, tenant="acme")
    assert got.status == 403
    assert len(scene.quotes()) == asked


def test_a_signature_without_permission_to_call_is_refused(scene: Scene) -> None:
    assert scene.deployed.call("GET", "/catalog", user=scene.nobody).status == 403


@pytest.mark.parametrize(("who", "tenant"), [("stranger", "acme"), ("agent", "another")])
def test_who_may_call_may_still_do_only_what_the_policy_file_says(scene: Scene, who: str, tenant: str) -> None:
    got = scene.deployed.call("POST", "/execute", _FEE, user=getattr(scene, who), tenant=tenant)
    assert got.status == 403
    assert got.json()["code"] == "FORBIDDEN"
    assert got.json()["defined"] is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_whether_it_is_well_may_be_asked_unsigned(scene: Scene, path: str) -> None:
    got = scene.deployed.call("GET", path)
    assert (got.status, got.json()) == (200, {"status": "ok"})


def test_a_providers_message_reaches_the_service_which_refuses_what_proves_nothing(scene: Scene) -> None:
    got = scene.deployed.call("POST", f"/webhooks/{scene.connection_id}", {"OrderCode": "FAKE0001"})
    assert got.status == 401
    assert got.headers["x-content-type-options"] == "nosniff"  # ours, not the gateway's


def _probe(scene: Scene, role: str, service: str, operation: str, asked: dict[str, Any]) -> Any:
    functions, name = scene.deployed.client("lambda"), f"probe-{role}"
    if name not in {one["FunctionName"] for one in functions.list_functions()["Functions"]}:
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="probe.handler",
            Role=scene.deployed.outputs[role],
            Timeout=60,
            Code={"ZipFile": zipped(_PROBE)},
        )
    event = {"service": service, "operation": operation, "asked": asked}
    return json.loads(functions.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())


@pytest.mark.parametrize("role", ["ApiRoleArn", "WorkRoleArn"])
def test_a_foreign_secret_and_a_foreign_table_are_denied_under_the_role_of_a_function(scene: Scene, role: str) -> None:
    secrets, tables = scene.deployed.client("secretsmanager"), scene.deployed.client("dynamodb")
    foreign = f"/payroll/{role}"
    secrets.create_secret(Name=foreign, SecretString="fake-secret-0000")
    tables.create_table(
        TableName=f"Payroll-{role}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
    )
    own = f"/integrations/acme/{scene.connection_id}"
    key, both = {"PK": {"S": "x"}}, {"PK": {"S": "x"}, "SK": {"S": "x"}}
    assert _probe(scene, role, "secretsmanager", "get_secret_value", {"SecretId": own}) == "allowed"
    assert _probe(scene, role, "dynamodb", "get_item", {"TableName": "Integrations-State", "Key": both}) == "allowed"
    denied = [
        _probe(scene, role, "secretsmanager", "get_secret_value", {"SecretId": foreign}),
        _probe(scene, role, "secretsmanager", "list_secrets", {}),
        _probe(scene, role, "dynamodb", "get_item", {"TableName": f"Payroll-{role}", "Key": key}),
        _probe(scene, role, "dynamodb", "scan", {"TableName": "Integrations-State"}),
        _probe(scene, role, "dynamodb", "delete_table", {"TableName": "Integrations-State"}),
    ]
    assert denied == ["AccessDeniedException"] * 5


def test_a_providers_message_wakes_the_work_function_which_delivers_it(scene: Scene) -> None:
    """Unsigned from the provider through the public route, over the queue, signed to the subscriber."""
    subscription = {"url": f"{scene.others.origin}/subscriber", "eventTypes": ["shipment.updated"]}
    assert scene.agents("POST", "/subscriptions", subscription).status == 200
    url = scene.agents("POST", f"/connections/{scene.connection_id}/webhooks").json()["url"]
    assert url.startswith(scene.deployed.outputs["ApiUrl"])
    path = url.removeprefix(scene.deployed.outputs["ApiUrl"])
    rules = scene.deployed.client("events")
    for rule in rules.list_rules()["Rules"]:
        rules.disable_rule(Name=rule["Name"])  # so that nothing but the queue wakes anybody
    assert scene.deployed.call("POST", path, _PARCEL).status == 200
    _until(lambda: any(seen.path == "/subscriber" for seen in scene.others.seen))
    (delivered,) = [seen for seen in scene.others.seen if seen.path == "/subscriber"]
    assert delivered.json()["data"]["data"]["orderCode"] == "FAKE0001"
    assert delivered.headers["webhook-signature"].startswith("v1,")
    queues = scene.deployed.client("sqs")
    functions, work = scene.deployed.client("lambda"), scene.deployed.outputs["WorkFunctionName"]
    settings = functions.get_function_configuration(FunctionName=work)["Environment"]["Variables"]
    _until(lambda: _waiting(queues, settings["INTEGRATIONS_WAKE_QUEUE"]) == 0)
    assert _waiting(queues, scene.deployed.outputs["DeadLetterQueueUrl"]) == 0


def test_the_work_function_answers_its_schedule(scene: Scene) -> None:
    functions = scene.deployed.client("lambda")
    ran = functions.invoke(FunctionName=scene.deployed.outputs["WorkFunctionName"], Payload=b"{}")
    assert "FunctionError" not in ran
    assert json.loads(ran["Payload"].read()) == {"idle": True}


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come about")


def _waiting(queues: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_no_log_holds_a_credential(scene: Scene) -> None:
    logs = scene.deployed.client("logs")
    scene.agents("POST", "/execute", _FEE)
    found = logs.filter_log_events(logGroupName="/integrations/api")["events"]
    text = "\n".join(event["message"] for event in found)
    assert "calculate_fee" in text
    assert _TOKEN not in text
