"""Shopify: whom the spec believes and what it sends, held to the vendor's own packages (`ShopifyAPI` of Python and
`@shopify/shopify-api` of npm)."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import shopify
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.come_back import proof_of
from engine.cases.model import ConsentCase, WebhookCase
from engine.cases.read import read_cases, read_folder, read_webhook_cases
from engine.cases.stage import PUBLIC_URL, staged
from engine.catalog import Catalog, Consent, Method
from engine.connections.consent import Consents
from engine.events.interpret import Known, interpret
from engine.locations import schemas_dir, specs_dir
from engine.plugins import TokenState
from engine.runtime.message import Message
from engine.runtime.verify import decide
from engine.spec.load import load_catalog
from tests.oracles.node import Package, Refused, asking

ID = "ecommerce-shopify"
SHOP = "acme-demo.myshopify.com"
SECRET = "fake-client-secret-0000"
APP = {"clientId": "fake-client-0000", "clientSecret": SECRET}
BACK = f"{PUBLIC_URL}/oauth/callback"
TOLERANCE = 90


@pytest.fixture(scope="module")
def node() -> Iterator[Package]:
    with asking("shopify", "@shopify/shopify-api") as package:
        yield package


@pytest.fixture(autouse=True)
def the_sdk_has_our_app() -> None:
    shopify.Session.setup(api_key=APP["clientId"], secret=SECRET)


@cache
def catalog() -> Catalog:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir())


def method(name: str) -> Method:
    return next(one for one in catalog().integrations[ID].methods if one.name == name)


def consent() -> Consent:
    found = method("oauth").consent
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------------------------- webhooks


def we_believe(raw: bytes, headers: Mapping[str, str], app: Mapping[str, str] = APP) -> bool:
    webhook = catalog().integrations[ID].webhook
    assert webhook is not None
    small = {name.lower(): text for name, text in headers.items()}
    message = Message("POST", f"{PUBLIC_URL}/webhooks/apps/{ID}", small, raw)
    known = Known({}, {}, {}, catalog().signers, time.time(), app)
    return interpret(webhook, message, known).outcome != "refused"


@cache
def hooks() -> list[WebhookCase]:
    return [case for case in read_webhook_cases(specs_dir() / ID) if "previousClientSecret" not in case.given["app"]]


@pytest.mark.parametrize("case", hooks(), ids=lambda case: case.name)
def test_the_sdk_believes_the_messages_of_our_cases_and_none_that_is_tampered_with(
    case: WebhookCase, node: Package
) -> None:
    raw, headers = case.receive["raw"], case.receive["headers"]
    assert node.ask("believes", APP, raw, headers)
    assert we_believe(raw.encode(), headers)
    for tamper in case.tampers:
        changed = {**headers, **tamper.get("headers", {})}
        changed.pop(tamper.get("dropHeader"), None)
        assert not node.ask("believes", APP, tamper.get("raw", raw), changed)
        assert not we_believe(tamper.get("raw", raw).encode(), changed)


def proof(text: str, secret: str = SECRET) -> str:
    """The base64 of a webhook, by the Python package: its HMAC of a query is one of `name=value`, in hex."""
    name, _, value = text.partition("=")
    shopify.Session.setup(secret=secret)
    made: str = shopify.Session.calculate_hmac({name: value})
    shopify.Session.setup(secret=SECRET)
    return b64encode(bytes.fromhex(made)).decode()


SAFE = st.text(st.characters(codec="utf-8", exclude_characters="%&="), max_size=60)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=SAFE, after=SAFE, secret=st.sampled_from([SECRET, "fake-other-secret-0000"]))
def test_both_packages_and_we_believe_the_same_bytes(before: str, after: str, secret: str, node: Package) -> None:
    raw = json.dumps({"note": f"{before}={after}"}, ensure_ascii=False)
    headers = {**hooks()[0].receive["headers"], "X-Shopify-Hmac-Sha256": proof(raw, secret)}
    assert we_believe(raw.encode(), headers) is (secret == SECRET)
    assert node.ask("believes", APP, raw, headers) is (secret == SECRET)


def test_without_the_apps_secret_nobody_is_believed() -> None:
    case = hooks()[0]
    assert not we_believe(case.receive["raw"].encode(), case.receive["headers"], {})


# ---------------------------------------------------------------------------------------------------------- callbacks


def consents() -> list[ConsentCase]:
    return [case for case in read_folder(specs_dir() / ID)[0] if isinstance(case, ConsentCase)]


def we_accept(query: Mapping[str, str], now: float | None = None) -> bool:
    message = Message("GET", f"{BACK}?{urlencode(query)}", {}, b"")
    moment = time.time() if now is None else now
    evidence = proof_of(message, {"shop": SHOP}, APP, catalog().signers, moment)
    return decide(consent().verify, evidence) is True


def node_accepts(node: Package, query: Mapping[str, str]) -> bool:
    try:
        return bool(node.ask("comesBack", APP, query))
    except Refused:
        return False


def callback(**more: str) -> dict[str, str]:
    """A callback of now, signed by the Python package."""
    query = {"code": "fake-code-0000", "shop": SHOP, "state": "fake-state-0000", "timestamp": str(int(time.time()))}
    query |= {"host": "YWNtZS1kZW1vLm15c2hvcGlmeS5jb20vYWRtaW4", **more}
    return {**query, "hmac": shopify.Session.calculate_hmac(query)}


def test_the_published_vector() -> None:
    """Of Shopify's OAuth documentation; its moment is long past."""
    shopify.Session.setup(secret="hush")
    said = "code=a94a110d86d2452eb3e2af4cfb8a3828&shop=some-shop.myshopify.com&timestamp=1337178173"
    query = dict(parse_qsl(said))
    query["hmac"] = "2cb1a277650a659f1b11e92a4a64275b128e037f2c3390e3c8fd2d8721dac9e2"
    assert shopify.Session.validate_hmac(query)
    message = Message("GET", f"{BACK}?{urlencode(query)}", {}, b"")
    evidence = proof_of(message, {"shop": SHOP}, {**APP, "clientSecret": "hush"}, catalog().signers, 1337178173)
    assert decide(consent().verify, evidence) is True


TOKENS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."), min_size=1)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(code=TOKENS, state=TOKENS, spoilt=st.sampled_from(["", "code", "shop", "state", "timestamp", "host", "hmac"]))
def test_both_packages_and_we_accept_the_same_callbacks(code: str, state: str, spoilt: str, node: Package) -> None:
    query = callback(code=code, state=state)
    if spoilt:
        query[spoilt] += "1"
    accepted = not spoilt
    assert we_accept(query) is accepted
    assert shopify.Session.validate_hmac(query) is accepted
    assert node_accepts(node, query) is accepted


@pytest.mark.parametrize("lacking", ["code", "shop", "state", "timestamp", "host", "hmac"])
def test_a_callback_that_lacks_something_is_refused(lacking: str, node: Package) -> None:
    query = callback()
    del query[lacking]
    assert not we_accept(query)
    assert not node_accepts(node, query)


@pytest.mark.parametrize("late", [-2 * TOLERANCE, 2 * TOLERANCE])
def test_a_callback_of_another_time_is_refused_by_us_and_by_the_npm_package(late: int, node: Package) -> None:
    """The Python package takes it for a day."""
    query = callback(timestamp=str(int(time.time()) + late))
    assert not we_accept(query)
    assert not node_accepts(node, query)


def test_an_ampersand_in_a_value_is_no_next_pair(node: Package) -> None:
    """Otherwise `code` and `host` of a good callback could be sent as one value under the same proof."""
    query = callback()
    query["code"] += f"&host={query.pop('host')}"
    assert not we_accept(query)
    assert not node_accepts(node, query)


@pytest.mark.parametrize("case", consents(), ids=lambda case: case.name)
def test_the_python_package_believes_the_callbacks_of_our_cases(case: ConsentCase) -> None:
    """Of the time it is not asked."""
    app = case.given["app"]
    shopify.Session.setup(secret=app.get("previousClientSecret", app["clientSecret"]))
    query = dict(case.callback["query"])
    assert shopify.Session.validate_hmac(query)
    for tamper in case.tampers:
        changed = {**query, **tamper.get("query", {})}
        changed.pop(tamper.get("drop"), None)
        if "now" not in tamper and changed.get("shop") == SHOP:
            assert not shopify.Session.validate_hmac(changed)


# ---------------------------------------------------------------------------------------------------------- consent


async def test_the_page_of_consent_has_the_url_that_the_packages_make(node: Package) -> None:
    stage = await staged(ID, {"app": APP, "config": {"shop": SHOP}}, catalog(), status="inactive")
    stage.clock.secrets = ["fake-state-0000", "fake-verifier-0000"]
    invitation = await Consents(stage.engine, PUBLIC_URL, ()).begin(stage.connection)
    asked = method("oauth").scopes
    assert asked is not None
    session = shopify.Session(SHOP, "unstable")
    theirs = session.create_permission_url(asked.request, BACK, "fake-state-0000")
    assert invitation.url.partition("?")[0] == theirs.partition("?")[0]
    assert sorted(parse_qsl(invitation.url.partition("?")[2])) == sorted(parse_qsl(theirs.partition("?")[2]))
    npm = node.ask("page", APP, SHOP, list(asked.request))
    assert invitation.url.partition("?")[0] == npm.partition("?")[0]
    pairs = dict(parse_qsl(npm.partition("?")[2]))  # its empty grant_options[] says offline, as leaving it out does
    ours = dict(parse_qsl(invitation.url.partition("?")[2]))
    # It leaves out the scopes that others bring along.
    assert pairs["redirect_uri"] == ours["redirect_uri"]
    assert shopify.ApiAccess(pairs["scope"]) == shopify.ApiAccess(ours["scope"])


def test_a_scope_brings_along_what_the_package_says() -> None:
    asked = method("oauth").scopes
    assert asked is not None
    for scope, brought in asked.implies.items():
        assert shopify.ApiAccess(scope).covers(shopify.ApiAccess(list(brought)))
    expanded = {one for one in asked.request if not shopify.ApiAccess(asked.request).covers(shopify.ApiAccess([one]))}
    assert not expanded
    written = {one for one in asked.request if one.startswith("write_")}
    assert set(asked.implies) == written


# ---------------------------------------------------------------------------------------------------------- tokens


def chosen(**state: Any) -> dict[str, Any]:
    """The token call that our refresher chooses."""
    found = catalog().refreshers["shopify_refresh"](
        TokenState(**{"epoch": 0.0, "config": {"shop": SHOP}, "app": APP, **state})
    )
    assert found is not None
    return {"url": found.url, "method": found.method, "json": dict(found.json or {})}


def test_a_pair_is_renewed_as_the_package_does_it(node: Package) -> None:
    state = {"access": "fake-access-0000", "refresh": "fake-refresh-0000"}
    assert chosen(**state) == node.ask("refreshed", APP, SHOP, "fake-refresh-0000")


@pytest.mark.parametrize(
    "state",
    [{"credentials": {"permanentToken": "fake-permanent-0000"}}, {"access": "fake-permanent-0000"}],
    ids=["given with the connection", "from a consent without an end"],
)
def test_an_old_token_is_swapped_as_the_package_does_it(state: dict[str, Any], node: Package) -> None:
    assert chosen(**state) == node.ask("swapped", APP, SHOP, "fake-permanent-0000")


def test_an_app_of_the_merchants_own_organisation_signs_in_as_the_package_does_it(node: Package) -> None:
    cases = [case for case in read_cases(specs_dir() / ID)[0] if case.name.startswith("an app of the merchant's own")]
    asked = json.loads(json.dumps(cases[0].turns[0].exchanges[0].expect))
    own = {"clientId": "fake-own-client-0000", "clientSecret": "fake-own-secret-0000"}
    theirs = node.ask("ownOrganisation", own, SHOP)
    assert (asked["url"], asked["method"], asked["json"]) == (theirs["url"], theirs["method"], theirs["json"])
