"""Where a browser goes when a consent is over: to the pages of the operator and what lies below them, nowhere else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.connections import redirects
from engine.errors import RequestError, SettingsError
from engine.settings import Settings
from tests.api.consenting import PAGE, Town, good


async def test_the_browser_goes_on_to_the_page_of_the_operator_with_the_outcome(there: Town) -> None:
    connection_id = await there.connect()
    asked = await there.invite(connection_id, redirectUrl=f"{PAGE}/shop?from=crm")
    denied = await there.back({"error": "access_denied", "state": asked["state"]})
    assert denied.status_code == 303
    assert denied.headers["location"] == (
        f"{PAGE}/shop?from=crm&connectionId={connection_id}&status=failed&error=REAUTH_REQUIRED"
    )
    done = await there.back(good(asked))
    assert (done.status_code, done.content) == (303, b"")
    assert done.headers["location"] == f"{PAGE}/shop?from=crm&connectionId={connection_id}&status=connected"
    assert done.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/connected",
        "https://admin.example.com",
        "https://admin.example.com/connectedness",
        "https://admin.example.com/connected/../admin",
        "https://admin.example.com/connected/%2e%2e/admin",
        "https://admin.example.com/connected/..%2fadmin",
        "https://admin.example.com/connected#part",
        "http://admin.example.com/connected",
        "https://admin.example.com:8443/connected",
        "https://admin.example.com@evil.example/connected",
        "https://admin.example.com.evil.example/connected",
        "https://admin.example.com\\@evil.example/connected",
        "//admin.example.com/connected",
        "/connected",
        "javascript:alert(1)",
        "https://admin.example.com/connected\r\nSet-Cookie: a=b",
    ],
)
async def test_the_browser_is_sent_nowhere_else(there: Town, page: str) -> None:
    connection_id = await there.connect()
    refused = await there.client.post(f"/connections/{connection_id}/authorize", json={"redirectUrl": page})
    assert refused.status_code == 400
    assert refused.json()["data"]["issues"][0]["path"] == ["redirectUrl"]
    assert await there.engine.store.state.find("consent:") == []


def test_a_page_allows_what_lies_below_it_in_one_spelling() -> None:
    assert redirects.allowed("HTTPS://Admin.Example.com:443/connected/a", [PAGE]) == f"{PAGE}/a"
    assert redirects.allowed("http://localhost:3000/", ["http://localhost:3000"]) == "http://localhost:3000/"
    with pytest.raises(RequestError):
        redirects.allowed(PAGE, [])


PIECES = ["https://", "admin.example.com", "evil.example", "/", "connected", "..", "%2e%2e", "%2F", "\\", "@", ":443"]


@given(st.lists(st.sampled_from([*PIECES, "#", "?", "a", ".", "%", " ", "\t", "é"]), max_size=9).map("".join))
@example("https://admin.example.com/connected/a?b=c")
def test_whatever_is_allowed_lies_below_the_page_on_its_origin(text: str) -> None:
    try:
        found = urlsplit(redirects.allowed(text, [PAGE]))
    except RequestError:
        return
    assert (found.scheme, found.netloc, found.fragment) == ("https", "admin.example.com", "")
    steps = unquote(found.path).split("/")
    assert steps[1] == "connected"
    assert not {".", ".."} & set(steps)
    assert found.geturl().isascii()


@pytest.mark.parametrize(
    "page", ["http://admin.example.com", "https://a.example/?x=1", "a.example", "https://u@a.example"]
)
def test_the_operators_pages_are_checked_when_the_service_starts(page: str) -> None:
    with pytest.raises(SettingsError, match="INTEGRATIONS_REDIRECT_URLS must be https addresses"):
        Settings.from_environment({"INTEGRATIONS_REDIRECT_URLS": f"https://a.example,{page}"})
    read = Settings.from_environment({"INTEGRATIONS_REDIRECT_URLS": "https://a.example/x/, http://localhost:3000"})
    assert read.redirect_urls == ("https://a.example/x", "http://localhost:3000")
