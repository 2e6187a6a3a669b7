"""Where a subscription may point, and which secrets sign for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.sign import new_secret
from engine.events.target import LONGEST_URL, MOST_SECRETS, SigningSecret, Target, checked_url
from engine.runtime.url import UnsafeUrl

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://example.com/hooks", "https://example.com/hooks"),
        (" https://EXAMPLE.com. ", "https://example.com/"),
        ("https://example.com:8443/a?token=x%20y", "https://example.com:8443/a?token=x%20y"),
        ("https://ví-dụ.example/đường", "https://xn--v-d-rma6749a.example/%C4%91%C6%B0%E1%BB%9Dng"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
    ],
)
def test_a_url_is_kept_in_one_spelling(typed: str, kept: str) -> None:
    assert checked_url(typed, private_ok=False) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "http://example.com/",
        "ftp://example.com/",
        "example.com/hooks",
        "//example.com/",
        "https://user:pass@example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://app.localhost/",
        "https://intranet/",
        "https://db.internal/",
        "https://printer.local/",
        f"https://example.com/{'x' * LONGEST_URL}",
    ],
)
def test_what_points_inside_or_is_no_plain_https_url_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(UnsafeUrl) as refusal:
        checked_url(typed, private_ok=False)
    assert typed not in str(refusal.value)


@pytest.mark.parametrize("typed", ["http://127.0.0.1:9001/hook", "http://localhost:9001/", "https://10.0.0.1/"])
def test_private_hosts_and_http_are_the_operators_exception(typed: str) -> None:
    assert checked_url(typed, private_ok=True) == typed
    with pytest.raises(UnsafeUrl):
        checked_url(typed.replace("://", "://user@"), private_ok=True)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), max_size=8))
def test_each_new_secret_signs_at_once_and_each_old_one_until_its_overlap_is_over(
    turns: list[tuple[int, int]],
) -> None:
    target, now = Target("https://example.com/", (SigningSecret(new_secret()),)), NOW
    for passed, overlap in turns:
        now += passed
        before = target.in_force(now)
        target = target.rotated(now, overlap)
        assert target.secrets[0].text not in before
        assert [one.until for one in target.secrets].count(None) == 1
        kept = before[: MOST_SECRETS - 1] if overlap else []
        assert target.in_force(now) == [target.secrets[0].text, *kept]
        assert target.in_force(now + overlap) == [target.secrets[0].text]


def test_neither_url_nor_secret_is_shown_by_accident() -> None:
    target = Target("https://example.com/?token=canary-4711", (SigningSecret("whsec_canary-4712"),))
    assert "canary" not in repr(target)
