"""The pages that `integrations docs` writes: complete, readable, and the same every time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_registry
from engine.cases.read import read_cases
from engine.catalog import Integration
from engine.cli import main
from engine.cli.docs import pages
from engine.cli.pages.markdown import as_json, code, plain, table
from engine.cli.pages.outcomes import WHO
from engine.errors import CODES
from engine.library import exact
from engine.locations import schemas_dir
from engine.settings import Settings
from engine.spec.load import load

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "specs"
COMMITTED = ROOT / "docs" / "integrations"


@pytest.fixture(scope="module")
def written() -> Mapping[str, str]:
    """The pages of the project's specs and of the nine providers that only tests know."""
    return pages(Settings.from_environment({}, specs_dirs=[str(FIXTURES)]))


@pytest.fixture(scope="module")
def integrations() -> Mapping[str, Integration]:
    return load([ROOT / "specs", FIXTURES], open_registry(), schemas_dir()).integrations


def own_pages() -> Mapping[str, str]:
    return pages(Settings.from_environment({}))


def test_the_committed_pages_are_what_the_specs_say_today():
    there = {path.name: path.read_text("utf-8") for path in COMMITTED.glob("*.md")}
    stale = sorted({name for name, _ in there.items() ^ own_pages().items()})
    assert stale == [], "write them again: integrations docs"


def test_the_same_specs_give_the_same_bytes_whatever_the_seed_of_the_process(tmp_path: Path):
    for seed in ("1", "2"):
        script = "import sys; from engine.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", script, "docs", "--out", str(tmp_path / seed), "--specs", str(FIXTURES)]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60, capture_output=True)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / seed).iterdir()} for seed in ("1", "2"))
    assert first == second
    assert len(first) > 9


# --- the command ---------------------------------------------------------------------------------------------------


def test_check_writes_nothing_and_ends_with_1_until_the_pages_are_written_and_those_that_are_gone_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "pages"
    assert main(["docs", "--check", "--out", str(out)]) == 1
    assert not out.exists()
    assert "README.md is out of date: run `integrations docs`" in capsys.readouterr().err
    assert main(["docs", "--out", str(out)]) == 0
    (out / "shipping-gone.md").write_text("old")
    assert main(["docs", "--check", "--out", str(out)]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "shipping-gone.md is out of date" in told
    assert main(["docs", "--out", str(out)]) == 0
    assert not (out / "shipping-gone.md").exists()
    assert main(["docs", "--check", "--out", str(out)]) == 0


def test_a_wrong_spec_is_shown_like_everywhere_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "specs" / "shipping-acme").mkdir(parents=True)
    (tmp_path / "specs" / "shipping-acme" / "spec.yaml").write_text("specVersion: 2\n")
    assert main(["docs", "--specs", str(tmp_path / "specs"), "--out", str(tmp_path / "pages")]) == 2
    assert "spec.yaml:1:14: error SPEC004" in capsys.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert main(["docs", "--out", str(tmp_path / "file" / "pages")]) == 2
    assert capsys.readouterr().err.startswith("integrations: --out: can't write to ")


# --- what stands on them -------------------------------------------------------------------------------------------


def test_every_integration_has_a_page_that_the_index_links_to(
    written: Mapping[str, str], integrations: Mapping[str, Integration]
):
    assert set(written) == {"README.md", *(f"{name}.md" for name in integrations)}
    linked = re.findall(r"\]\((\S+\.md)\)", written["README.md"])
    assert linked == sorted(f"{name}.md" for name in integrations)


def test_every_action_field_and_credential_stands_on_its_page(
    written: Mapping[str, str], integrations: Mapping[str, Integration]
):
    for name, integration in integrations.items():
        page = written[f"{name}.md"]
        missing = [action for action in integration.actions if f"\n### {action}\n" not in page]
        for field in integration.config_schema["properties"]:
            missing += [] if f"| `{field}` |" in page else [field]
        for action in integration.actions.values():
            for schema in (action.input_schema.raw, action.output_schema.raw):
                missing += [path for path in _paths(schema) if f"| `{path}` |" not in page]
        assert missing == [], name


def _paths(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, sub in schema.get("properties", {}).items():
        yield above + name
        yield from _paths(sub, f"{above}{name}.")
        yield from _paths(sub.get("items", {}), f"{above}{name}[].")


def test_every_row_of_a_table_has_as_many_cells_as_its_head(written: Mapping[str, str]):
    for name, page in written.items():
        tables = re.findall(r"(?m)(?:^\|.*\|\n)+", page)
        assert tables
        for rows in (found.splitlines() for found in tables):
            cells = {len(re.split(r"(?<!\\)\|", row)) for row in rows}
            assert len(cells) == 1, (name, rows[0])


def test_what_can_be_opened_is_closed_again_and_every_block_of_json_is_json(written: Mapping[str, str]):
    for name, page in written.items():
        assert page.count("<details>") == page.count("</details>"), name
        assert page.count("```") % 2 == 0, name
        for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
            json.loads(block)
        assert page.endswith("\n")
        assert not page.endswith("\n\n")
        assert "None" not in re.sub(r"`[^`]*`", "", page).replace("None of our own.", "").replace("\nNone.\n", "")


def test_an_action_shows_what_a_case_of_it_gave_sent_and_returned(written: Mapping[str, str]):
    page = written["shipping-ghn.md"]
    part = page[page.index("### calculate_fee") : page.index("### preview_order")]
    assert "POST https://dev-online-gateway.ghn.vn/shiip/public-api/v2/shipping-order/fee" in part
    given, result = re.findall(r"```json\n(.*?)```", part, re.DOTALL)
    assert json.loads(given)["weight"] > 0
    assert json.loads(result)["currency"] == "VND"


def test_the_example_of_an_action_shows_something_where_a_case_does(tmp_path: Path):
    assert main(["new", "crm-acme", "--yes", "--dir", str(tmp_path / "specs"), "--action", "list_orders"]) == 0
    file = tmp_path / "specs" / "crm-acme" / "cases" / "list_orders.yaml"
    head, mark, cases = file.read_text().partition("- case: list orders")
    first, rest = cases.split("\n\n", 1)
    empty = re.sub(r"(orders: )\[.*?\](?=})", r"\1[]", first.replace("  unconfirmed: true\n", ""))
    assert empty.count("orders: []") == 2
    file.write_text(f"{head}- case: no orders{empty}\n\n{mark}{first}\n\n{rest}")
    text = pages(Settings(specs_dirs=(tmp_path / "specs",)))["crm-acme.md"]
    assert "Case *list orders* (unconfirmed):" in text
    assert "Case *no orders*" not in text


def test_an_event_shows_a_message_and_what_it_becomes(written: Mapping[str, str]):
    page = written["payment-vnpay.md"]
    part = page[page.index("## Events") : page.index("## Errors")]
    assert "What comes (query)" in part
    [event] = json.loads(re.findall(r"```json\n(.*?)```", part, re.DOTALL)[0])
    assert event["type"] == "payment.updated"


def test_whether_a_repeat_is_safe_is_said_for_every_action(
    written: Mapping[str, str], integrations: Mapping[str, Integration]
):
    for name, integration in integrations.items():
        page = written[f"{name}.md"]
        assert page.count("\n- **Repeat:** ") == len(integration.actions)
        unsafe = [one for one in integration.actions.values() if one.effect == "write" and one.idempotency == "none"]
        assert page.count("**Not safe: a second call does it a second time.**") == len(unsafe)


def test_no_credential_of_a_case_stands_on_a_page_not_even_an_invented_one(written: Mapping[str, str]):
    for folder in (*(ROOT / "specs").iterdir(), *FIXTURES.iterdir()):
        if not (folder / "spec.yaml").is_file():
            continue
        cases, _ = read_cases(folder)
        for given in (turn.given for case in cases for turn in case.turns):
            held = [*given.get("credentials", {}).values(), *given.get("token", {}).values()]
            page = written[f"{folder.name}.md"]
            assert [one for one in held if isinstance(one, str) and len(one) >= 8 and one in page] == [], folder.name


def test_every_code_has_somebody_who_acts():
    assert set(WHO) == set(CODES)


# --- pieces --------------------------------------------------------------------------------------------------------


def test_text_of_a_spec_can_not_become_markdown():
    assert plain("a | b *c* <d> `e` [f](g)\n  h_i _j_") == r"a \| b \*c\* \<d> \`e\` \[f\](g) h_i \_j\_"
    assert code("a | b") == "`a \\| b`"
    assert code("body.x == `1`") == "`` body.x == `1` ``"
    assert table(("a",), []) == []


def test_json_keeps_every_digit_and_breaks_only_long_lines():
    value = {"id": 12345678901234567890, "price": exact.loads("1.25"), "names": ["x" * 60, "y" * 60]}
    shown = as_json(value)
    assert exact.loads(shown) == value
    assert "1.25" in shown
    assert len(shown.splitlines()) == 8
    assert as_json({"a": [1, {}]}) == '{"a": [1, {}]}'
