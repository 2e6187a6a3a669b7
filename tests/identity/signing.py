"""Requests signed by botocore, the oracle of what Signature Version 4 is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
SERVICE = "execute-api"


def signed(
    method: str,
    url: str,
    key_id: str,
    secret: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    region: str = REGION,
    service: str = SERVICE,
    token: str | None = None,
) -> dict[str, str]:
    """All headers of the request as it is sent now."""
    request = AWSRequest(method=method, url=url, headers=dict(headers or {}), data=body)
    auth.SigV4Auth(Credentials(key_id, secret, token), service, region).add_auth(request)
    return {**dict(request.headers.items()), "Host": request.headers.get("Host") or _host(url)}


def presigned(url: str, key_id: str, secret: str) -> str:
    request = AWSRequest(method="GET", url=url)
    auth.SigV4QueryAuth(Credentials(key_id, secret), SERVICE, REGION).add_auth(request)
    return str(request.url)


def amz_date(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%dT%H%M%SZ")


def _host(url: str) -> str:
    return url.split("/")[2]
