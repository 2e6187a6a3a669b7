"""The policy file: what it allows, what it does not, and what is said of a file that can't be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError, SettingsError
from engine.identity.caller import EVERYTHING, RIGHTS, Caller, Grant
from engine.identity.policy import Policy, read_policy

AGENTS = "arn:aws:iam::111122223333:role/agents"
GOOD = f"""\
policyVersion: 1
allow:
  - principals: ["{AGENTS}", "arn:aws:iam::111122223333:role/team-*"]
    tenants: [acme, "shop-*"]
    actions: [execute]
  - principals: ["{AGENTS}", "token:flows"]
    tenants: [beta]
    actions: [connections, administer]
"""


def policy(tmp_path: Path, text: str = GOOD) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return read_policy(path)


def may(grants: tuple[Grant, ...], right, tenant, bounds=None) -> bool:
    try:
        Caller("somebody", grants, bounds).check((right,), tenant)
    except RequestError as error:
        return error.code != "FORBIDDEN"
    return True


def test_each_entry_gives_its_own_rights_for_its_own_tenants(tmp_path):
    grants = policy(tmp_path).of(AGENTS)
    given = {(right, tenant) for right in RIGHTS for tenant in ("acme", "shop-9", "beta") if may(grants, right, tenant)}
    assert given == {("execute", "acme"), ("execute", "shop-9"), ("connections", "beta"), ("administer", "beta")}
    assert may(grants, "administer", None)


def test_who_is_not_named_may_nothing(tmp_path):
    known = policy(tmp_path)
    assert known.of("arn:aws:iam::111122223333:role/agents2") == ()
    assert known.of("arn:aws:iam::111122223333:role/team-a") == known.of(AGENTS)[:1]
    assert Policy().of(AGENTS) == ()


def test_a_token_that_the_file_names_has_only_what_both_give(tmp_path):
    known = policy(tmp_path)
    own = (Grant(("*",), frozenset({"execute", "connections"})),)
    assert may(own, "connections", "beta", known.bounds("flows"))
    assert not may(own, "connections", "acme", known.bounds("flows"))
    assert not may(own, "execute", "beta", known.bounds("flows"))
    assert not may(own, "administer", None, known.bounds("flows"))
    assert known.bounds("another") is None


def test_one_right_here_and_another_there_are_no_right(tmp_path):
    """Either is enough to read: but the token has the one only, and the file leaves it the other only."""
    own = (Grant(("*",), frozenset({"execute"})),)
    caller = Caller("token:flows", own, policy(tmp_path).bounds("flows"))
    with pytest.raises(RequestError, match="one of the rights execute, connections"):
        caller.check(("execute", "connections"), "beta")


@given(
    tenant=st.text("ab-", min_size=1, max_size=4),
    pattern=st.one_of(st.text("ab-", min_size=1, max_size=3), st.text("ab-", max_size=3).map(lambda text: f"{text}*")),
)
def test_a_pattern_of_tenants_is_an_id_or_a_beginning(tenant, pattern):
    expected = tenant.startswith(pattern[:-1]) if pattern[-1] == "*" else tenant == pattern
    assert may((Grant((pattern,), frozenset(RIGHTS)),), "execute", tenant) == expected


def test_everything_is_every_right_for_every_tenant():
    assert all(may(EVERYTHING, right, tenant) for right in RIGHTS for tenant in ("acme", "x", None))


def test_a_file_of_json_is_read_too(tmp_path):
    entry = {"principals": [AGENTS], "tenants": ["*"], "actions": ["execute"]}
    assert may(policy(tmp_path, json.dumps({"policyVersion": 1, "allow": [entry]})).of(AGENTS), "execute", "acme")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("tenants: [beta]", "tenant: [beta]", r":7:5: .*tenants"),
        ("actions: [execute]", "actions: [exceute]", r":5:15: .*did you mean \"execute\""),
        ("actions: [execute]", "actions: []", r":5:14: "),
        ("policyVersion: 1", "policyVersion: 2", r":1:16: "),
        ("policyVersion: 1\n", "", r":1:1: .*policyVersion"),
        ('"shop-*"', "'*-shop'", r":4:21: "),
        ('"shop-*"', "*", r":4:21: "),
        ("role/agents", "role/team/a*", r":3:18: a role behind a path is named in full"),
        ('"token:flows"', '"flows"', r":6:\d+: "),
        ("allow:", "allow:\nallow:", r":3:1: "),
        ("allow:", "allow: &x", r":2:8: "),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_column(tmp_path, before, after, said):
    assert before in GOOD
    with pytest.raises(SettingsError, match=rf"policy\.yaml{said}"):
        policy(tmp_path, GOOD.replace(before, after, 1))


def test_a_file_that_is_not_there_is_said_by_the_name_of_its_setting(tmp_path):
    with pytest.raises(SettingsError, match=r"INTEGRATIONS_POLICY: .*No such file"):
        read_policy(tmp_path / "none.yaml")
