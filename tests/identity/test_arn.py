"""Whoever has assumed a role is that role, and a policy can't name what nobody shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.identity.arn import pattern_of, principal_of
from engine.identity.caller import covers

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/agents"
names = st.text("abcXYZ019+=,.@_-", min_size=1, max_size=20)
sessions = st.text("abcXYZ019=,.@_-", min_size=2, max_size=20)


@given(role=names, session=sessions, partition=st.sampled_from(["aws", "aws-cn", "aws-us-gov"]))
def test_every_session_of_a_role_is_that_role(role, session, partition):
    shown = principal_of(f"arn:{partition}:sts::{ACCOUNT}:assumed-role/{role}/{session}")
    assert shown == f"arn:{partition}:iam::{ACCOUNT}:role/{role}"
    for written in (shown, shown.replace(":role/", ":role/service/team/"), f"{shown[:-1]}*"):
        assert covers(pattern_of(written), shown)


@given(role=names, other=names)
def test_another_role_is_another_principal(role, other):
    pattern = pattern_of(f"arn:aws:iam::{ACCOUNT}:role/{role}")
    assert covers(pattern, f"arn:aws:iam::{ACCOUNT}:role/{other}") == (role == other)
    assert not covers(pattern, f"arn:aws:iam::444455556666:role/{role}")
    assert not covers(pattern, f"arn:aws:iam::{ACCOUNT}:user/{role}")


def test_a_user_shows_its_path_and_the_pattern_says_it():
    user = f"arn:aws:iam::{ACCOUNT}:user/ops/lan"
    assert principal_of(user) == user
    assert covers(pattern_of(f"arn:aws:iam::{ACCOUNT}:user/ops/*"), user)
    assert not covers(pattern_of(f"arn:aws:iam::{ACCOUNT}:user/lan"), user)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "agents",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:federated-user/lan",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/agents",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/agents/s/x",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/*/session",
        f"arn:aws:iam::{ACCOUNT}:user/*",
        f"arn:aws:iam::{ACCOUNT}:user/ops/",
        "arn:aws:iam::1:user/lan",
        f"arn:aws:iam::{ACCOUNT}:user/lan\n",
        f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:f",
    ],
)
def test_what_is_neither_a_user_nor_a_session_of_a_role_is_nobody(shown):
    assert principal_of(shown) is None


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/agents/session", f"name the role, not a session of it: {ROLE}"),
        (f"arn:aws:iam::{ACCOUNT}:role/team/agents-*", "a role behind a path is named in full"),
        (f"arn:aws:iam::{ACCOUNT}:role/team/*", "a role behind a path is named in full"),
        (f"arn:aws:iam::{ACCOUNT}:role/", "the role has no name"),
        (f"arn:aws:iam::{ACCOUNT}:role/a*b", "not the ARN"),
        ("arn:aws:iam::*:role/agents", "not the ARN"),
        (f"arn:aws:iam::{ACCOUNT}:root", "not the ARN"),
        (f"arn:aws:iam::{ACCOUNT}:user/", "not the ARN"),
        (f"arn:aws:iam::{ACCOUNT}:*", "not the ARN"),
    ],
)
def test_a_pattern_that_nobody_or_too_many_would_fit_is_refused_with_what_to_write(written, why):
    with pytest.raises(ValueError, match=why):
        pattern_of(written)
