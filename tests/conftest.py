"""Properties are judged by what they find, never by the clock of a busy machine; CI always tries the same examples."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import aws
from tests.support.environment import CACHE

settings.register_profile(
    "no-clock",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("no-clock")


def pytest_configure(config: pytest.Config) -> None:
    """One cache of compiled specs for all processes that this session starts, those of its workers too."""
    if CACHE not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="specs-", ignore_cleanup_errors=True)
        os.environ[CACHE] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.fixture(scope="session")
def aws_servers() -> Iterator[aws.Servers]:
    """What stands in for AWS, started for the first test that asks; each worker has its own."""
    if (lack := aws.missing()) is not None:
        pytest.skip(lack)
    with aws.servers() as found:
        yield found


@pytest.fixture
def aws_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the root user of the stand-ins."""
    for name, value in aws.ROOT_USER.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws_place(aws_servers: aws.Servers, monkeypatch: pytest.MonkeyPatch) -> aws.Servers:
    """Empty tables and no secrets, where the environment leads `INTEGRATIONS_STORAGE=aws`."""
    aws.wipe(aws_servers.dynamodb["dynoxide"], aws_servers.secrets)
    for name, value in aws.environment(aws_servers, "dynoxide").items():
        monkeypatch.setenv(name, value)
    return aws_servers
