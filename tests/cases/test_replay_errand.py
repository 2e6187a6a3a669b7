"""Cases of what the engine does for a connection outside of any action."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.cases.read import read_folder
from engine.cases.replay_any import replay_any
from tests.cases.consenting import errand_case, telling_spec
from tests.cases.written import Folder
from tests.support.specs import ID


async def problems(home: Path, only: Mapping[str, Any], **parts: Any) -> list[str]:
    folder = Folder(home, {**telling_spec(), **parts}, only)
    (one,) = read_folder(home / ID)[0]
    return await replay_any(one, folder.catalog)


@pytest.mark.parametrize("does", ["subscribe", "unsubscribe", "revoke"])
async def test_an_errand_is_done_as_its_case_says(tmp_path: Path, does: str) -> None:
    assert await problems(tmp_path, errand_case(does)) == []


async def test_what_is_known_afterwards_is_compared(tmp_path: Path) -> None:
    result = {"captured": {"watchId": "8"}, "expiresAt": "2026-05-03T03:04:05Z"}
    assert await problems(tmp_path, errand_case(result=result)) == [
        'result.captured.watchId: expected "8", got "7"',
        'result.expiresAt: expected "2026-05-03T03:04:05Z", got "2026-05-02T03:04:05Z"',
    ]


async def test_a_refusal_is_an_error_of_the_case(tmp_path: Path) -> None:
    good = errand_case()
    refused = [{**good["exchanges"][0], "answer": {"status": 403, "json": {}}}]
    assert await problems(tmp_path / "1", {**good, "exchanges": refused}) != []
    case = errand_case(exchanges=refused, result=None, error={"code": "FORBIDDEN"})
    assert await problems(tmp_path / "2", case) == []


async def test_what_the_spec_does_not_say_how_to_do_is_told(tmp_path: Path) -> None:
    (unsent, told) = await problems(tmp_path, {**errand_case(), "does": "renew"})
    assert unsent == "1 expected request was not sent"
    assert told == "expected a result, got INTERNAL: the spec does not say how to renew"


def proving(status: int, body: Any, **parts: Any) -> dict[str, Any]:
    good = errand_case("test")
    answered = {**good["exchanges"][0], "answer": {"status": status, "json": body}}
    return {**errand_case("test", result=None), "exchanges": [answered], **parts}


async def test_a_test_tells_what_it_learned_of_the_account(tmp_path: Path) -> None:
    plan = {"action": "quote", "capture": {"shopId": "text(body.id)"}}
    good = proving(200, {"id": 17}, result={"config": {"shopId": "17"}})
    assert await problems(tmp_path / "1", good, test=plan) == []
    refused = proving(401, {}, error={"code": "AUTH_FAILED"})
    assert await problems(tmp_path / "2", refused, test=plan) == []
    doubtful = proving(200, {"id": 18}, error={"code": "REJECTED", "message": "not this shop"})
    expecting = {**plan, "expect": "body.id == `17`", "message": "not this shop"}
    assert await problems(tmp_path / "3", doubtful, test=expecting) == []
