"""The template and a real bundle, deployed to the stand-in for AWS, and requests to what runs there then."""

from __future__ import annotations

import http.client
import importlib.metadata
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra import bundle
from tests.support.aws import ROOT, client
from tests.support.template import packaged

STACK: Final = "integrations"
_BUCKET, _KEY = "bundles", "lambda.zip"
_SECONDS = 180
_PIN = re.compile(r"(?m)^([a-z0-9.-]+)==")


@dataclass(frozen=True, slots=True)
class User:
    """Who signs."""

    key: str
    secret: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What stands. `outputs` are the template's."""

    endpoint: str
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        """Of the root user."""
        return client(service, self.endpoint)

    def call(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        user: User | None = None,
        tenant: str | None = None,
        sent: Any = None,
    ) -> Answer:
        """One request, signed where a user is named. `sent`: in place of what was signed."""
        port = urlsplit(self.endpoint).port
        address = f"http://{self.outputs['ApiId']}.execute-api.localhost:{port}{path}"
        headers = {} if content is None else {"content-type": "application/json"}
        if tenant is not None:
            headers["x-tenant-id"] = tenant
        body = b"" if content is None else json.dumps(content).encode()
        request = AWSRequest(method=method, url=address, data=body, headers=headers)
        if user is not None:
            SigV4Auth(Credentials(user.key, user.secret), "execute-api", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            wire = body if sent is None else json.dumps(sent).encode()
            connection.request(method, path, wire, {**dict(request.headers), "host": urlsplit(address).netloc})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def deploy(endpoint: str, code: bytes, variables: Mapping[str, str]) -> Deployed:
    """The stack `integrations` with this bundle. `variables`: settings beside the template's.

    The stand-in runs a function in the folder of its bundle, as AWS does, but that is not /var/task.
    """
    stored = client("s3", endpoint)
    stored.create_bucket(Bucket=_BUCKET)
    stored.put_object(Bucket=_BUCKET, Key=_KEY, Body=code)
    before = "        INTEGRATIONS_STORAGE: aws\n"
    more = "".join(f"        {name}: {json.dumps(value)}\n" for name, value in variables.items())
    stacks = client("cloudformation", endpoint)
    stacks.create_stack(
        StackName=STACK,
        TemplateBody=packaged(_BUCKET, _KEY).replace(before, before + more).replace("/var/task/", ""),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    found = _settled(lambda: stacks.describe_stacks(StackName=STACK)["Stacks"][0], "StackStatus", "_IN_PROGRESS")
    if found["StackStatus"] != "CREATE_COMPLETE":
        events = stacks.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
        pytest.fail(f"{found['StackStatus']}: {[one.get('ResourceStatusReason') for one in failed]}")
    deployed = Deployed(endpoint, {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]})
    functions, name = deployed.client("lambda"), deployed.outputs["ApiFunctionName"]
    started = _settled(
        lambda: functions.get_function_configuration(FunctionName=name, Qualifier="live"), "State", "Pending"
    )
    if started["State"] != "Active":
        pytest.fail(f"the function does not start: {started.get('StateReason')}")
    return deployed


def _settled(look: Callable[[], dict[str, Any]], name: str, busy: str) -> dict[str, Any]:
    """What is there once its state is no longer the busy one."""
    until = time.monotonic() + _SECONDS
    while (found := look())[name].endswith(busy) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def user(endpoint: str, name: str, policy: Mapping[str, Any] | None) -> User:
    """A new user of IAM with this policy of its own."""
    people = client("iam", endpoint)
    people.create_user(UserName=name)
    if policy is not None:
        people.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    made = people.create_access_key(UserName=name)["AccessKey"]
    return User(made["AccessKeyId"], made["SecretAccessKey"])


def bundled(folder: Path, policy: str) -> bytes:
    """A bundle as `make bundle` makes it, of the packages that run this test in place of downloaded ones."""
    packages = folder / "packages"
    for name in _PIN.findall((ROOT / "requirements-aws.lock").read_text(encoding="utf-8")):
        for file in importlib.metadata.distribution(name).files or ():
            if ".." not in file.parts:
                link = packages / file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(str(file.locate())))
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    target = folder / "lambda.zip"
    bundle.pack(packages, folder / "policy.yaml", target)
    return target.read_bytes()


def zipped(source: str) -> bytes:
    """A function of one module, `probe.py`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as code:
        code.writestr("probe.py", source)
    return packed.getvalue()
