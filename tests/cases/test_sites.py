"""The addresses of consent pages, found in compiled specs, and what whoever is sent there must have typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.cases.fake_apps import fake_app
from engine.cases.moments import epoch, moved
from engine.cases.read import read_folder
from engine.cases.sites import Site, address_of, sites_of
from engine.catalog import Integration
from tests.cases.consenting import APP, METHOD, consent_case, shop_spec
from tests.cases.written import Folder
from tests.support.specs import ID, fields, secret, setting


def integration(home: Path, **parts: Any) -> Integration:
    made = {name: value for name, value in {**shop_spec(), **parts}.items() if value is not None}
    return Folder(home, made).catalog.integrations[ID]


def page(home: Path, url: str, form: dict[str, Any], **parts: Any) -> list[Site]:
    """The sites of a consent page at this URL, for accounts of this form."""
    method = {"method": "oauth", "type": "oauth2", "authorize": {"url": url}, "apply": METHOD["apply"]}
    swap = {"exchange": {"request": {"url": "https://www.shops.example/token"}}}
    given = {"servers": {"default": "https://www.shops.example"}, "configSchema": fields(**form), **parts}
    return list(sites_of(integration(home, auth=[{**method, **swap}], **given)))


def typed(sites: list[Site], url: str) -> Any:
    return next((form for site in sites if (form := site.typed(address_of(url))) is not None), None)


def test_what_was_typed_is_read_from_the_address(tmp_path: Path) -> None:
    sites = page(
        tmp_path, "https://{{ config.shop }}/oauth/{{ config.version }}", {"shop": setting(), "version": setting()}
    )
    found = typed(sites, "https://mine.shops.example/oauth/2026-01?client_id=1")
    assert found == {"shop": "mine.shops.example", "version": "2026-01"}
    assert typed(sites, "https://mine.shops.example/oauth/2026-01/more") is None
    assert typed(sites, "https://mine.elsewhere.example/oauth/2026-01") is None


def test_a_field_of_few_values_is_told_by_the_address_that_each_gives(tmp_path: Path) -> None:
    form = {"region": setting(enum=["eu", "us"], default="us")}
    tables = {"accounts": {"map": {"eu": "eu.shops.example", "us": "www.shops.example"}}}
    sites = page(tmp_path, "https://{{ config.region | lookup('accounts') }}/oauth", form, tables=tables)
    assert typed(sites, "https://eu.shops.example/oauth") == {"region": "eu"}
    assert typed(sites, "https://www.shops.example/oauth") == {"region": "us"}
    assert typed(sites, "https://asia.shops.example/oauth") is None


def test_a_url_that_the_tenant_typed_may_have_a_path(tmp_path: Path) -> None:
    method = {
        "method": "keys",
        "type": "basic",
        "needs": ["key"],
        "authorize": {"url": "{{ config.site }}/authorize", "params": {"client_id": "fake-app-0000"}, "pkce": False},
        "callback": {"capture": {"key": "body.key"}},
        "apply": {"headers": {"X-Key": "{{ credentials.key }}"}},
    }
    schema = fields(("site",), key=secret(), site=setting(format="uri"))
    parts: dict[str, Any] = {"hosts": ["config.site"], "servers": {"default": "{{ config.site }}"}, "app": None}
    sites = list(sites_of(integration(tmp_path, auth=[method], configSchema=schema, authType="basic", **parts)))
    assert typed(sites, "https://shop.example/blog/authorize") == {"site": "https://shop.example/blog"}


def test_the_app_of_the_sandbox_is_the_recorded_one_or_an_invented_one_that_fits(tmp_path: Path) -> None:
    Folder(tmp_path / "1", shop_spec(), consent_case())
    cases, _ = read_folder(tmp_path / "1" / ID)
    shop = integration(tmp_path / "2")
    assert fake_app(shop, cases) == APP
    assert fake_app(shop, ()) == {
        "clientId": f"fake-{ID}-clientid-0000",
        "clientSecret": f"fake-{ID}-clientsecret-0000",
    }
    odd = fields(
        ("clientId", "name", "kind"), clientId=setting(const="c"), name=setting(examples=["shop-1"]),
        kind=setting(enum=["a", "b"]), more=setting(),
    )  # fmt: skip
    other = integration(
        tmp_path / "3", app=odd, auth=[{**METHOD, "callback": {"checks": METHOD["callback"]["checks"]}}]
    )
    assert fake_app(other, cases) == {"clientId": "c", "name": "shop-1", "kind": "a"}


@pytest.mark.parametrize(
    ("value", "later"),
    [
        (1_777_604_645, 1_777_608_245),
        ("1777604645", "1777608245"),
        ("1777604645000", "1777608245000"),
        ("2026-05-01T03:04:05Z", "2026-05-01T04:04:05Z"),
        ("2026-05-01T10:04:05+07:00", "2026-05-01T11:04:05+07:00"),
        ("2026-05-01T03:04:05.000Z", "2026-05-01T04:04:05.000Z"),
        (1_777_604_000, 1_777_604_000),
        ("2026-05-01", "2026-05-01"),
        (True, True),
        (None, None),
    ],
)
def test_a_moment_is_moved_in_the_spelling_that_it_has_and_nothing_else_is(value: Any, later: Any) -> None:
    start = 1_777_604_645.0
    assert moved({"ends": [value], "name": "x"}, start, start + 3600) == {"ends": [later], "name": "x"}
    assert later == value or epoch(later) == start + 3600
