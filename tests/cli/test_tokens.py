"""The commands for tokens work on a service that runs: what they make can call at once, what they revoke soon not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from engine.identity.gate import FRESH_SECONDS
from tests.cli.conftest import Service
from tests.support.environment import clean_environment

PROGRAM = str(Path(sys.executable).parent / "integrations")


def tokens(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "tokens", *words, "--data-dir", str(data_dir)]
    return subprocess.run(command, env=clean_environment(), text=True, capture_output=True, timeout=60, check=False)


def asked(service: Service, token: str, tenant: str = "acme", path: str = "/catalog") -> int:
    request = urllib.request.Request(f"{service.url}{path}")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("X-Tenant-Id", tenant)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(json.loads(error.read())["status"])


def becomes(service: Service, token: str, status: int) -> bool:
    """Within a few times what is promised: the machine is shared."""
    for _ in range(int(20 * FRESH_SECONDS)):
        if asked(service, token) == status:
            return True
        time.sleep(0.25)
    return False


def test_a_token_is_made_used_rotated_and_revoked_while_the_service_runs(service):
    made = tokens(service.data_dir, "create", "agents", "--scope", "execute", "--tenant", "acme", "--tenant", "shop-*")
    assert (made.returncode, made.stdout.count("\n")) == (0, 1)
    token = made.stdout.strip()
    assert becomes(service, token, 200)
    assert asked(service, token, "shop-7") == 200
    assert asked(service, token, "other") == 403
    assert asked(service, token, path="/status") == 403
    turned = tokens(service.data_dir, "rotate", "agents", "--keep", "0").stdout.strip()
    assert becomes(service, token, 401)
    assert asked(service, turned) == 200
    listed = tokens(service.data_dir, "list").stdout
    assert listed.startswith("agents  token  execute  acme,shop-*  made 2")
    assert token not in listed + made.stderr
    assert tokens(service.data_dir, "revoke", "agents").returncode == 0
    assert becomes(service, turned, 401)
    assert asked(service, service.token) == 200
    assert tokens(service.data_dir, "list").stdout == ""


def test_an_access_key_is_shown_as_the_environment_of_its_user_wants_it(tmp_path):
    made = tokens(tmp_path, "create", "ci", "--scope", "execute", "--tenant", "*", "--sigv4")
    lines = dict(line.split("=", 1) for line in made.stdout.splitlines())
    assert set(lines) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert "not shown again" in made.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "a", "--tenant", "*"), "--scope: execute, connections, administer"),
        (("create", "a", "--scope", "exec", "--tenant", "*"), 'did you mean "execute"'),
        (("create", "default", "--scope", "execute", "--tenant", "*"), "not `default`"),
        (("rotate", "a"), 'unknown token "a"'),
        (("rotate", "a", "--keep", "-1"), "--keep needs hours"),
        (("revoke", "a"), 'unknown token "a"'),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, words, said):
    done = tokens(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
