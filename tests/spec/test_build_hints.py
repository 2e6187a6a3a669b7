"""What a newcomer writes is answered with what to write instead, and by one finding."""

from __future__ import annotations

from typing import Any

import pytest

from engine.diagnostics import Diagnostic
from engine.spec.check import check_cases
from engine.spec.source import read
from tests.spec.compiling import compiled
from tests.support.specs import action, fields, secret, setting, spec

METHOD = {"method": "token", "type": "api_key", "needs": ["apiKey"]}
FORM = fields(("apiKey",), apiKey=secret(), shop=setting())


def only(found: list[Diagnostic]) -> tuple[str, str]:
    [one] = found
    return one.code, one.hint


def of_header(text: str) -> list[Diagnostic]:
    auth = [{**METHOD, "apply": {"headers": {"Token": text}}}]
    return compiled({**spec(configSchema=FORM), "auth": auth})[1]


def of_request(text: str) -> list[Diagnostic]:
    return compiled(spec(action(request={"method": "GET", "path": "/x", "query": {"x": text}}), configSchema=FORM))[1]


def test_a_credential_that_is_looked_for_in_config_is_found() -> None:
    assert only(of_header("{{ config.apiKey }}")) == ("NAME002", "it is a credential: credentials.apiKey")
    code, hint = only(of_request("{{ config.apiKey }}"))
    assert (code, hint) == ("NAME002", "it is a credential: credentials.apiKey, which only auth and proofs may read")


def test_a_setting_that_is_looked_for_in_credentials_lacks_write_only() -> None:
    hint = "it is no credential: shop lacks writeOnly: true in configSchema"
    assert only(of_header("{{ credentials.shop }}")) == ("NAME002", hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{ credentials.apiKey }}", "credentials stand in auth (apply, sign, obtain) and in proofs only; known: "),
        ("{{ now }}", "the time of the call is call.now; known: "),
    ],
)
def test_a_name_of_another_place_is_told_where_it_stands(text: str, hint: str) -> None:
    code, said = only(of_request(text))
    assert (code, said[: len(hint)]) == ("NAME001", hint)


def test_a_misspelt_method_type_is_not_compared_with_the_auth_type() -> None:
    auth = [{**METHOD, "type": "apikey"}]
    code, hint = only(compiled({**spec(), "auth": auth})[1])
    assert (code, hint.split("?")[0]) == ("SPEC004", 'did you mean "api_key"')


def test_a_number_in_another_spelling_is_told_the_plain_one_alone() -> None:
    text = "specVersion: 1.0\n"
    found = [one for one in compiled(text)[1] if one.position.line == 1 and one.position.column > 1]
    assert only(found) == ("YAML022", "write 1")


def case(**parts: Any) -> list[Diagnostic]:
    lines = "".join(f"  {key}: {value}\n" for key, value in parts.items())
    source, found = read("a.yaml", "- " + lines[2:])
    assert source is not None
    return [*found, *check_cases(source)]


def test_an_action_of_a_case_in_another_spelling_is_spelt_out() -> None:
    given = {"case": "one", "source": "docs", "given": "{}", "exchanges": "[]", "result": "{}"}
    assert only(case(action="createContact", **given)) == (
        "SPEC005",
        'did you mean "create_contact"? an action id is snake_case',
    )
    assert only(case(action="create-contact", **given))[1].startswith('did you mean "create_contact"?')
    assert only(case(action="'7 up!'", **given)) == ("SPEC005", "an action id is snake_case")


def test_a_word_that_has_one_value_only_is_told_it() -> None:
    found = case(webhook="one", source="docs", receive="{raw: a}", answer="{status: 200}", again="true")
    assert only(found) == ("SPEC003", "the only value: duplicate")
