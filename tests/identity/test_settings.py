"""The settings of identity: what they may be, and what is said of what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.settings import Settings


def test_without_settings_service_tokens_count_and_no_file_is_read():
    given = Settings.from_environment({})
    assert (given.auth, given.policy, given.sigv4_region, given.wake_queue) == ("token", None, "us-east-1", None)


def test_each_has_a_variable():
    given = Settings.from_environment(
        {
            "INTEGRATIONS_AUTH": "both",
            "INTEGRATIONS_POLICY": "/etc/integrations/policy.yaml",
            "INTEGRATIONS_SIGV4_REGION": "eu-central-1",
            "INTEGRATIONS_WAKE_QUEUE": "https://sqs.eu-central-1.amazonaws.com/111122223333/wake",
        }
    )
    assert (given.auth, given.policy) == ("both", Path("/etc/integrations/policy.yaml"))
    assert given.sigv4_region == "eu-central-1"
    assert given.wake_queue == "https://sqs.eu-central-1.amazonaws.com/111122223333/wake"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INTEGRATIONS_AUTH", "canary"),
        ("INTEGRATIONS_SIGV4_REGION", "canary 1"),
        ("INTEGRATIONS_WAKE_QUEUE", "canary"),
    ],
)
def test_a_wrong_one_is_named_and_not_repeated(variable, value):
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.from_environment({variable: value})
    assert "canary" not in str(caught.value)
