"""Settings: what is read from where, and that a bad value names its variable and the cure, never itself."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SettingsError
from engine.settings import Settings

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()


def test_an_empty_environment_gives_the_promised_figures():
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert settings.retention_days == 30
    assert settings.time_budget_seconds == 28
    assert (settings.max_request_bytes, settings.max_answer_bytes, settings.max_output_bytes) == (
        256 * 1024,
        5 * 1024 * 1024,
        1024 * 1024,
    )
    assert settings.public_url == "http://127.0.0.1:8400"


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("INTEGRATIONS_DATA_DIR", "/srv/data", "data_dir", Path("/srv/data")),
        ("INTEGRATIONS_TOKEN", "t0ken", "token", "t0ken"),
        ("INTEGRATIONS_PUBLIC_URL", "https://hooks.example.com/base/", "public_url", "https://hooks.example.com/base"),
        ("INTEGRATIONS_MASTER_KEY", KEY_TEXT, "master_keys", (KEY,)),
        ("INTEGRATIONS_MASTER_KEY", f"{KEY_TEXT}, {KEY_TEXT.rstrip('=')}", "master_keys", (KEY, KEY)),
        ("INTEGRATIONS_MASTER_KEY", base64.urlsafe_b64encode(b"\xfb" * 32).decode(), "master_keys", (b"\xfb" * 32,)),
        ("INTEGRATIONS_STORAGE", "aws", "storage", "aws"),
        ("INTEGRATIONS_HOST", "::1", "host", "::1"),
        ("INTEGRATIONS_PORT", "9000", "port", 9000),
        ("INTEGRATIONS_TENANT_LIMIT", "5", "tenant_calls_per_minute", 5),
        ("INTEGRATIONS_RETENTION_DAYS", "7", "retention_days", 7),
        ("INTEGRATIONS_TIME_BUDGET", "25.5", "time_budget_seconds", 25.5),
        ("INTEGRATIONS_MAX_REQUEST_BYTES", "1024", "max_request_bytes", 1024),
        ("INTEGRATIONS_MAX_ANSWER_BYTES", "2048", "max_answer_bytes", 2048),
        ("INTEGRATIONS_MAX_OUTPUT_BYTES", "4096", "max_output_bytes", 4096),
        (
            "INTEGRATIONS_UPSTREAMS",
            "a-b=http://127.0.0.1:1/, c=https://h",
            "upstreams",
            {"a-b": "http://127.0.0.1:1", "c": "https://h"},
        ),
        ("INTEGRATIONS_SANDBOX", "true", "sandbox", True),
        ("INTEGRATIONS_ALLOW_PRIVATE", "1", "allow_private", True),
        ("INTEGRATIONS_CACHE_DIR", "/c", "cache_dir", Path("/c")),
        ("INTEGRATIONS_SPECS_DIRS", "/a:/b", "specs_dirs", (Path("/a"), Path("/b"))),
        ("INTEGRATIONS_LOG", "off", "log", False),
    ],
)
def test_each_variable_sets_its_field(variable: str, text: str, field: str, value: object):
    settings = Settings.from_environment({variable: text})
    assert getattr(settings, field) == value
    assert Settings.from_environment({variable: ""}) == Settings()
    assert getattr(Settings.from_environment({}, **{field: value}), field) == value
    assert getattr(Settings.from_environment({variable: text}, **{field: None}), field) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("INTEGRATIONS_TOKEN", "two words"),
        ("INTEGRATIONS_TOKEN", "tökén"),
        ("INTEGRATIONS_PUBLIC_URL", "hunter2.example.org"),
        ("INTEGRATIONS_PUBLIC_URL", "https://user:hunter2@example.com"),
        ("INTEGRATIONS_PUBLIC_URL", "https://example.com/?x=hunter2"),
        ("INTEGRATIONS_PUBLIC_URL", "https://[bad"),
        ("INTEGRATIONS_MASTER_KEY", "hunter2"),
        ("INTEGRATIONS_MASTER_KEY", base64.b64encode(b"x" * 31).decode()),
        ("INTEGRATIONS_MASTER_KEY", f"{KEY_TEXT},"),
        ("INTEGRATIONS_STORAGE", "postgres"),
        ("INTEGRATIONS_HOST", "http://localhost"),
        ("INTEGRATIONS_PORT", "65536"),
        ("INTEGRATIONS_PORT", "-1"),
        ("INTEGRATIONS_PORT", "８４００"),
        ("INTEGRATIONS_TENANT_LIMIT", "99999999"),
        ("INTEGRATIONS_RETENTION_DAYS", "1.5"),
        ("INTEGRATIONS_TIME_BUDGET", "nan"),
        ("INTEGRATIONS_TIME_BUDGET", "soon"),
        ("INTEGRATIONS_MAX_REQUEST_BYTES", "256kB"),
        ("INTEGRATIONS_UPSTREAMS", "a-b"),
        ("INTEGRATIONS_UPSTREAMS", "a-b=127.0.0.1:9001"),
        ("INTEGRATIONS_UPSTREAMS", "a-b=http://127.0.0.1:9001/path"),
        ("INTEGRATIONS_UPSTREAMS", "A B=http://127.0.0.1:9001"),
        ("INTEGRATIONS_SANDBOX", "maybe"),
    ],
)
def test_a_bad_value_names_the_variable_and_not_itself(variable: str, text: str):
    with pytest.raises(SettingsError, match=f"^{variable} ") as caught:
        Settings.from_environment({variable: text})
    assert text not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_flag_beats_its_variable_and_is_checked_like_it():
    settings = Settings.from_environment(
        {"INTEGRATIONS_PORT": "1", "INTEGRATIONS_SANDBOX": "yes"}, port=2, sandbox=False
    )
    assert (settings.port, settings.sandbox) == (2, False)
    with pytest.raises(SettingsError, match="INTEGRATIONS_PORT"):
        Settings.from_environment({}, port=70000)
    assert Settings.from_environment({}, upstreams=["a=http://h:1"]).upstreams == {"a": "http://h:1"}
    with pytest.raises(TypeError, match="no such setting"):
        Settings.from_environment({}, prot=1)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"port": 9}, "http://127.0.0.1:9"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8400"),
        ({"host": "::1"}, "http://[::1]:8400"),
    ],
)
def test_without_a_public_url_it_is_where_the_service_listens(given: dict[str, Any], url: str):
    assert Settings.from_environment({}, **given).public_url == url


def test_settings_can_not_be_changed_and_show_no_secret():
    settings = Settings.from_environment({"INTEGRATIONS_TOKEN": "hunter2", "INTEGRATIONS_MASTER_KEY": KEY_TEXT})
    assert "hunter2" not in repr(settings)
    assert KEY_TEXT not in repr(settings)
    assert repr(KEY) not in repr(settings)
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.upstreams["x"] = "y"  # type: ignore[index]
