"""Names of roles and users of AWS, in the one form that a policy names them by.

Who has assumed a role shows `arn:aws:sts::<account>:assumed-role/<role>/<session>`; the policy says
`arn:aws:iam::<account>:role/<role>`. The former holds no path, and a role's name is unique in its account without one:
so the path of a role counts for nothing. That of a user does, for users show it.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r"[A-Za-z0-9_+=,.@-]{1,64}"
_PATH: Final = r"(?:[\x21-\x29\x2b-\x7e]+/)?"
_ASSUMED: Final = re.compile(rf"(arn:aws[a-z-]*):sts::([0-9]{{12}}):assumed-role/({_NAME})/{_NAME}")
_ROLE: Final = re.compile(rf"(arn:aws[a-z-]*):iam::([0-9]{{12}}):role/({_PATH})([A-Za-z0-9_+=,.@-]{{0,64}})(\*?)")
_USER: Final = re.compile(rf"arn:aws[a-z-]*:iam::[0-9]{{12}}:user/{_PATH}[A-Za-z0-9_+=,.@-]{{0,64}}\*?")
_EXAMPLE: Final = "arn:aws:iam::111122223333:role/agents"


def principal_of(arn: str) -> str | None:
    """The role or user that shows this ARN; None for everybody else."""
    assumed = _ASSUMED.fullmatch(arn)
    if assumed is not None:
        return f"{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}"
    return arn if _USER.fullmatch(arn) and arn[-1] not in "*/" else None


def pattern_of(text: str) -> str:
    """What a policy says, as a pattern for `principal_of`. Raises `ValueError` that says what to write."""
    if _ASSUMED.fullmatch(text):
        raise ValueError(f"name the role, not a session of it: {principal_of(text)}")
    role = _ROLE.fullmatch(text)
    if role is not None:
        if role[5] and role[3]:
            raise ValueError("a role behind a path is named in full, without *: who has assumed it shows no path")
        if not (role[4] or role[5]):
            raise ValueError("the role has no name")
        return f"{role[1]}:iam::{role[2]}:role/{role[4]}{role[5]}"
    if _USER.fullmatch(text) and not text.endswith("/"):
        return text
    raise ValueError(
        f"not the ARN of an IAM role or user (like {_EXAMPLE}, a * at its end at most), nor token:<name of a token>"
    )
