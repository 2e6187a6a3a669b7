"""Where rules about secrets and people keep silent, and where they do not."""

from __future__ import annotations

import pytest

from spec_lint.secrecy import known_secrets, names_secret, personal, random_token
from tests.support.linted import found
from tests.support.specs import action, fields, secret, setting


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("apiKey", True),
        ("access_token", True),
        ("X-Client-Secret", True),
        ("wsKey", True),
        ("publicKey", False),
        ("key", False),
        ("tokenUrl", False),
        ("secretId", False),
        ("monkey", False),
        ("partnerCode", False),
    ],
)
def test_a_name_is_secret_by_its_last_word(name: str, is_secret: bool) -> None:
    assert names_secret(name) is is_secret
    form = fields(("apiKey",), apiKey=secret(), **{name: setting()}) if name.isalpha() and name != "apiKey" else None
    if form:
        assert bool(found("SEC004", action(), configSchema=form)) is is_secret


@pytest.mark.parametrize(
    ("written", "is_found"),
    [
        ("k8J2nQ4w9ZpL7vTbX3mR5sYc", True),
        ("9f8b1c2d7e6a4f3b8c5d0e1f2a3b4c6d", True),
        ("fake-acme-key-0000-0000-0000", False),
        ("a-name-with-many-words-in-it-2026", False),
        ("/v2/shipping-order/available-services", False),
        ("bodyDataServiceFeeMainServiceTotal", False),
        ("https://api.acme.example/v2/shipping-order/detail-by-client-code", False),
        ("2026-05-01T03:04:05.000000000Z", False),
    ],
)
def test_a_random_token_has_digits_and_no_words(written: str, is_found: bool) -> None:
    assert bool(random_token(written)) is is_found


@pytest.mark.parametrize(
    ("written", "hits"),
    [
        ("phone: 0900000001, +84900000002", []),
        ("phone: 0987654312", ["0987654312"]),
        ("phone: +84987654312.", ["+84987654312"]),
        ("id: 10987654312, 0987654312345, A0987654312", []),
        ("0912345678", []),
        ("lan@example.com, lan@acme.example, a@b.test", []),
        ("lan@acme-mail.vn", ["lan@acme-mail.vn"]),
        ("https://user@", []),
    ],
)
def test_personal_data_are_found_unless_everybody_sees_the_fake(written: str, hits: list[str]) -> None:
    assert [written[start:end] for start, end, _ in personal(written)] == hits


def test_a_well_known_form_is_a_secret_unless_it_says_that_it_is_a_fake() -> None:
    real = "AKIA3QWERTYUIOPASDFG"
    assert [*known_secrets(f"key {real}!")] == [(4, 4 + len(real))]
    assert [*known_secrets("AKIAEXAMPLE000000000 sk_test_abcdefghijkl")] == []
