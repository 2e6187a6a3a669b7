"""`integrations explain` shows an author what is sent, what was signed, and why an answer became what it became."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.cases.model import Case
from engine.cases.trace import trace
from engine.cli import main
from engine.cli.folder import compiled_spec
from engine.locations import specs_dir
from tests.cases.recorded import cases, label
from tests.cli.conftest import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "specs"
MOMO = ("payment-momo", "create_payment")
LABEL = ("shipping-viettelpost", "print_label")
KEY = "pa55word-of-an-account"

Explain = Callable[..., dict[str, Any]]


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Runs the command with --json; the object, or its failure with what it said."""
    monkeypatch.chdir(ROOT)

    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        more = ["--json", "--specs", str(FIXTURES), "--data-dir", str(tmp_path / "data")]
        assert main(["explain", *arguments, *more]) == code
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        return json.loads(said.out) if code == 0 else {"said": said.err}

    return run


def text_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments, "--specs", str(FIXTURES)]) == 0
    return capsys.readouterr().out


def test_the_signed_text_is_shown_with_stars_for_the_secrets(explain: Explain) -> None:
    """MD5 signs a text that ends with the key itself; three characters of it are too few to be found by value."""
    order = next(c for c in cases() if c.integration_id == "shipping-jtexpress" and c.turns[0].has_result)
    account = json.dumps({**order.turns[0].given["credentials"], "privateKey": "k3y"})
    shown = explain("shipping-jtexpress", order.turns[0].action, "--case", order.name, "--credentials", account)
    assert shown["signature"]["text"].endswith("***")
    assert "k3y" not in json.dumps(shown)
    plain = explain("shipping-jtexpress", order.turns[0].action, "--case", order.name)
    secret = order.turns[0].given["credentials"]["privateKey"]
    assert plain["signature"]["text"].endswith(secret), "a case's account is invented, and not masked"


def test_a_plugins_signature_names_its_fields_with_their_values(explain: Explain) -> None:
    account = json.dumps({"accessKey": "abc", "secretKey": KEY})
    shown = explain(*MOMO, "--case", "the order id is taken", "--credentials", account)
    fields = shown["signature"]["fields"]
    assert (fields["accessKey"], fields["amount"], fields["extraData"]) == ("***", 50000, "")
    assert "text" not in shown["signature"]


def test_every_step_is_shown_with_stand_ins_for_what_answers_give(explain: Explain) -> None:
    shown = explain(*LABEL, "--case", "a label link in two steps")
    first, second = shown["steps"]
    assert first["url"] == shown["url"]
    assert second["url"].endswith("?type=1&bill={printing.code}&showPostage=1")
    assert shown["case"]["calls"][0]["result"]["url"].endswith("?type=1&bill=abc%2B%2F%3D&showPostage=1")


def test_a_step_that_hangs_on_an_answer_says_on_which(explain: Explain) -> None:
    found = next(
        case for case in cases() if case.integration_id == "ecommerce-prestashop" and len(case.turns[0].exchanges) > 1
    )
    steps = explain(found.integration_id, found.turns[0].action, "--case", found.name)["steps"]
    assert all("url" in step or "before the answers of" in step["why"] for step in steps)


def test_of_a_case_the_matching_rule_is_shown_and_why_the_ones_before_do_not_match(explain: Explain) -> None:
    shown = explain(*MOMO, "--case", "the order id is taken")
    (call,) = shown["case"]["calls"]
    (exchange,) = call["exchanges"]
    *before, matched = exchange["rules"]
    assert matched["matches"] is True
    assert matched["rule"] == "errors[2].codes.41"
    assert [(rule["rule"], rule["why"]) for rule in before] == [
        ("actions[0].errors[0]", "`when` does not hold"),
        ("actions[0].errors[1]", "`when` does not hold"),
        ("actions[0].errors[2]", "the status is 400, not 200 or 201"),
        ("actions[0].errors[3]", "the status is 400, not 200 or 201"),
        ("errors[0]", "the status is 400, not 422"),
        ("errors[1]", "`when` does not hold"),
    ]
    file, line, column = matched["at"].rsplit(":", 2)
    written = (ROOT / file).read_text("utf-8").splitlines()[int(line) - 1][int(column) - 1 :]
    assert written.strip("\"'").startswith("41")
    assert call["error"]["code"] == "CONFLICT"
    assert exchange["answer"]["status"] == 400
    assert "differs" not in call


def test_another_input_for_a_case_shows_in_what_it_differs(explain: Explain) -> None:
    given = json.dumps({"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 201})
    shown = explain("shipping-ghn", "calculate_fee", "--case", "fee of a light parcel", "--input", given)
    assert shown["case"]["calls"][0]["differs"] == ["request 1: json.weight: expected 200, got 201"]
    assert shown["sandbox"]["fits"] is False
    assert shown["sandbox"]["field"] == "json.weight"
    assert shown["sandbox"]["difference"].startswith("json.weight: expected 200, got 201")
    assert re.search(r"calculate_fee\.yaml:\d+:\d+$", shown["sandbox"]["at"])


def test_the_case_that_the_sandbox_would_answer_from_is_named(explain: Explain) -> None:
    account = ["--config", '{"shopId": "7"}', "--credentials", json.dumps({"apiKey": KEY})]
    given = json.dumps({"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 200})
    shown = explain("shipping-ghn", "calculate_fee", *account, "--input", given)
    assert shown["sandbox"]["fits"] is True
    assert shown["sandbox"]["case"] == "fee of a light parcel"
    assert shown["headers"]["Token"] == "***"


@pytest.mark.parametrize(
    ("body", "status", "rule", "code"),
    [
        ({"message": "Too many request.", "code_message": "USER_ERR_COMMON"}, "400", "errors[1]", "RATE_LIMITED"),
        ({"code_message": "PHONE_INVALID"}, "400", "errors[3].codes.PHONE_INVALID", "INVALID_INPUT"),
        ({"code": 500, "message": "x"}, "503", None, "PROVIDER_UNAVAILABLE"),
    ],
)
def test_an_answer_is_classified_without_a_call(
    body: dict[str, Any], status: str, rule: str | None, code: str, explain: Explain, tmp_path: Path
) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(body))
    shown = explain(
        "shipping-ghn", "create_order", "--answer", str(tmp_path / "answer.json"), "--status", status
    )["answer"]  # fmt: skip
    assert shown["error"]["code"] == code
    matched = [one["rule"] for one in shown["rules"] if one["matches"]]
    assert matched == ([rule] if rule else [])
    assert shown["lentBy"], "the account and the input come from a case"


@pytest.mark.parametrize(
    ("action", "status", "header", "byEngine", "byCaller", "ends"),
    [
        ("calculate_fee", "503", "X-Trace: 1", True, True, "PROVIDER_UNAVAILABLE"),
        ("calculate_fee", "429", "Retry-After: 3", True, True, "RATE_LIMITED"),
        ("calculate_fee", "429", "retry-after: 300", False, True, "RATE_LIMITED"),
        ("create_order", "429", "Retry-After: 3", True, True, "RATE_LIMITED"),
        ("create_order", "400", "Retry-After: 3", False, False, "INVALID_INPUT"),
    ],
)
def test_it_is_told_who_tries_again_after_an_answer(
    action: str, status: str, header: str, byEngine: bool, byCaller: bool, ends: str,  # noqa: N803
    explain: Explain, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "answer.json").write_text('{"code": 999, "message": "x"}')
    asked = ["shipping-ghn", action, "--answer", str(tmp_path / "answer.json"), "--status", status, "--header", header]
    shown = explain(*asked)["answer"]
    attempts = 3 if byEngine else 1
    assert shown["repeat"] == {"byEngine": byEngine, "attempts": attempts, "byCaller": byCaller, "endsWith": ends}
    waits = {"Retry-After: 3": 3000, "retry-after: 300": 300_000}
    if status == "429":
        assert shown["error"]["retryAfterMs"] == waits[header]


def test_who_tries_again_is_told_in_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "answer.json").write_text("{}")
    asked = ["shipping-ghn", "calculate_fee", "--answer", str(tmp_path / "answer.json"), "--status", "429"]
    said = text_of(capsys, *asked, "--header", "Retry-After: 3")
    assert "the engine sends it again by itself 3 seconds later, at most 3 attempts\n" in said
    assert "then it may be tried again by the caller 3 seconds later" in said
    said = text_of(capsys, *asked, "--header", "Retry-After: 300")
    assert "the engine does not send it again\n  it may be tried again by the caller 300 seconds later" in said


def test_a_case_without_its_credential_names_it(explain: Explain) -> None:
    shown = explain("shipping-ghn", "calculate_fee", "--case", "fee of a light parcel", "--credentials", "{}")
    assert "apiKey" in shown["case"]["calls"][0]["error"]["message"]


def test_the_nearest_case_is_one_of_the_action(
    explain: Explain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although another action has one with the same address."""
    specs = tmp_path / "specs"
    assert main(["new", "crm-acme", "--yes", "--dir", str(specs), "--action", "create_contact"]) == 0
    capsys.readouterr()
    file = specs / "crm-acme" / "cases" / "create_contact.yaml"
    asked = ["crm-acme", "create_contact", "--specs", str(specs), "--credentials", '{"apiKey": "fake"}', "--input"]
    shown = explain(*asked, '{"name": "An example"}')["sandbox"]
    assert (shown["fits"], shown["action"]) == (True, "create_contact")
    spec = specs / "crm-acme" / "spec.yaml"
    before, mark, block = spec.read_text().partition("  - actionId: create_contact")
    block = (mark + block).replace("path: /v1/contacts", "path: /v1/contact")
    spec.write_text(before + block + block.replace("create_contact", "find_contact").replace("POST", "PUT"))
    other = file.read_text().replace("action: create_contact", "action: find_contact").replace("POST", "PUT")
    other = other.replace("/v1/contacts", "/v1/contact").replace("- case: ", "- case: find, ")
    (file.parent / "find_contact.yaml").write_text(other)
    shown = explain(*asked, '{"name": "An example"}')["sandbox"]
    assert (shown["fits"], shown.get("action"), shown["field"]) == (False, "create_contact", "url")
    file.unlink()
    shown = explain(*asked, '{"name": "An example"}')["sandbox"]
    assert shown == {
        "fits": False,
        "field": "action",
        "difference": "no case of create_contact sends anything",
    }


def test_an_answer_is_mapped_to_the_output(explain: Explain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = {"code": 200, "data": {"total": 1, "service_fee": 1, "insurance_fee": 0}}
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(body).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    shown = explain("shipping-ghn", "calculate_fee", "--answer", "-")["answer"]
    assert shown["result"]["fee"] == 1
    (tmp_path / "page.html").write_text("<html>We are down</html>")
    page = explain("shipping-ghn", "calculate_fee", "--answer", str(tmp_path / "page.html"))["answer"]
    assert page["readable"] is False
    assert page["error"]["code"] == "INVALID_RESPONSE"


def test_an_answer_to_a_step_gives_its_outputs(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"error": false, "message": "code-7"}')
    shown = explain(*LABEL, "--answer", str(tmp_path / "a.json"), "--step", "printing")["answer"]
    assert shown["result"] == {"code": "code-7"}
    said = explain(*LABEL, "--answer", str(tmp_path / "a.json"), "--step", "print", code=2)["said"]
    assert 'did you mean "printing"?' in said


def test_as_text_it_says_the_same_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    said = text_of(capsys, *MOMO, "--case", "the order id is taken")
    assert "POST https://test-payment.momo.vn/v2/gateway/api/create\n" in said
    assert "signed by momo_hmac in json.signature: " in said
    assert "errors[0]: no, the status is 400, not 422\n" in said
    assert "errors[2].codes.41: matches\n" in said
    assert "error: CONFLICT (41): Duplicated orderId." in said
    assert "step 2, link (read):" in text_of(capsys, *LABEL, "--case", "a label link in two steps")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*MOMO, "--case", "the order id is take"], 'did you mean "the order id is taken"?'),
        (["payment-mono", "create_payment", "--case", "x"], 'did you mean "payment-momo"?'),
        ([*MOMO, "--case", "the order id is taken", "--connection", "c1"], "--case brings its own account"),
        ([*MOMO, "--answer", "/nowhere.json"], "--answer: can't read the file"),
        ([*MOMO, "--header", "Retry-After: 3"], "--header is a header of an answer: give --answer too"),
        ([*MOMO, "--answer", "/nowhere.json", "--header", "Retry-After"], "--header: write a name and a value"),
        ([*MOMO], "no active connection of this integration: give --config and --credentials, or connect the account"),
        ([*MOMO, "--config", "{}", "--credentials", "{}"], "credentials.secretKey: is required"),
    ],
)
def test_a_wrong_option_is_told_with_the_nearest_name(arguments: list[str], says: str, explain: Explain) -> None:
    assert says in explain(*arguments, code=2)["said"]


def test_a_case_that_sends_nothing_is_explained_by_its_error(explain: Explain) -> None:
    found = next(case for case in cases() if not case.turns[0].exchanges and case.turns[0].error)
    shown = explain(found.integration_id, found.turns[0].action, "--case", found.name)
    assert shown["case"]["calls"][0]["error"]["code"] == found.turns[0].error["code"]


async def judged(case: Case) -> list[tuple[str, int]]:
    """For each answer that was asked about: the rule that matched, and how many exchanges there were."""
    from engine.bootstrap import open_registry

    folder = (specs_dir() if (specs_dir() / case.integration_id).is_dir() else FIXTURES) / case.integration_id
    registry = open_registry()
    calls = await trace(case, compiled_spec(folder / "spec.yaml", registry), registry)
    assert [call.played.problems for call in calls] == [()] * len(case.turns)
    return [
        (exchange.rules[-1].rule if exchange.rules and exchange.rules[-1].why is None else "", len(call.exchanges))
        for call in calls
        for exchange in call.exchanges
    ]


SINGLE = [case for case in cases() if len(case.turns) == 1 and len(case.turns[0].exchanges) == 1]


@pytest.mark.parametrize("case", SINGLE[:: max(1, len(SINGLE) // 40)], ids=label)
async def test_what_is_told_of_a_case_is_what_the_engine_did(case: Case) -> None:
    """The traced engine still reproduces the case, and each request has its answer and its rules."""
    assert len(await judged(case)) == len(case.turns[0].exchanges)
