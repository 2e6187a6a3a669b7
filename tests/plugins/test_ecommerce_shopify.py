"""Shopify's token calls: which one is chosen. tests/oracles holds what they send to the vendor's own package."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bootstrap import open_registry
from engine.plugins import PluginError, TokenRequest, TokenState

SHOP = "acme-demo.myshopify.com"
APP = {"clientId": "fake-client-0000", "clientSecret": "fake-client-secret-0000"}
OLD = {"permanentToken": "fake-permanent-0000"}


def chosen(**state: Any) -> TokenRequest | None:
    given = {"epoch": 0.0, "config": {"shop": SHOP}, "app": APP, **state}
    return open_registry().refresher("shopify_refresh")(TokenState(**given))


def grant_of(**state: Any) -> tuple[Any, Any]:
    """What is asked for, and with which token."""
    found = chosen(**state)
    assert found is not None
    assert found.json is not None
    return found.json["grant_type"].rpartition(":")[2], found.json.get("refresh_token", found.json.get("subject_token"))


def test_a_pair_is_renewed_whatever_else_is_there() -> None:
    assert grant_of(access="fake-access-0000", refresh="fake-refresh-0000", credentials=OLD) == (
        "refresh_token",
        "fake-refresh-0000",
    )


def test_also_one_that_looks_too_old_by_our_clock_is_renewed() -> None:
    """Shopify says whether it is dead; a wrong clock must not send a merchant to consent again."""
    assert grant_of(epoch=2e9, refresh="fake-refresh-0000", refresh_expires_at=1e9)[0] == "refresh_token"


def test_a_token_without_an_end_is_swapped() -> None:
    assert grant_of(credentials=OLD) == ("token-exchange", "fake-permanent-0000")
    assert grant_of(access="fake-access-0000") == ("token-exchange", "fake-access-0000")


def test_with_nothing_in_hand_only_consent_helps() -> None:
    assert chosen() is None


def test_it_goes_to_the_shop_itself_and_shows_no_secret_when_printed() -> None:
    found = chosen(refresh="fake-refresh-0000")
    assert found is not None
    assert (found.method, found.url) == ("POST", f"https://{SHOP}/admin/oauth/access_token")
    assert "fake-refresh-0000" not in repr(found)
    assert "fake-client-secret-0000" not in repr(found)


def test_without_a_shop_it_fails_without_a_value() -> None:
    with pytest.raises(PluginError, match="KeyError") as failed:
        chosen(config={}, refresh="fake-refresh-0000")
    assert "fake-refresh-0000" not in str(failed.value)
