"""Where a call may go, and how its URL is put together."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Hosts
from engine.library.function import LibraryError
from engine.library.segment import path_segment
from engine.runtime import url
from engine.runtime.url import (
    HostRules,
    UnsafeUrl,
    join,
    normal_host,
    origin,
    private_address,
    split,
    tenant_url,
)

BASE = "https://api.vendor.com/v1/"
RULES = HostRules.compile(["api.vendor.com", "*.shops.vendor.com", "*.vendor.com.vn", "xn--bcher-kva.example"])


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.vendor.com", "/a", "https://api.vendor.com/a"),
        (BASE, "/a/b%2Fc/", "https://api.vendor.com/v1/a/b%2Fc/"),
        ("http://127.0.0.1:9001", "/cancel/partner_id:7", "http://127.0.0.1:9001/cancel/partner_id:7"),
        ("https://[2606:4700::1111]:8443/x", "/y.z", "https://[2606:4700::1111]:8443/x/y.z"),
    ],
)
def test_a_path_is_put_behind_the_base(base: str, path: str, url: str) -> None:
    assert join(base, path) == url


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//evil.com/x",
        "https://evil.com",
        "/\\evil.com",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\r\nHost: x",
        "/a\tb",
        "/..",
        "/a/../b",
        "/./a",
        "/a/%2e%2E/b",
        "/.%2e",
        "/a/.",
        "/a\x00",
        "/a\x85",
        "/a\u2028",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(UnsafeUrl, match=r"^a path must"):
        join(BASE, path)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_value_in_a_path_changes_host_query_or_number_of_segments(values: list[str]) -> None:
    try:
        path = "".join("/" + path_segment(value) for value in values)
    except LibraryError:
        return
    parts = urlsplit(join(BASE, path))
    assert (parts.netloc, parts.query, parts.fragment) == ("api.vendor.com", "", "")
    assert parts.path.count("/") == len(values) + 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.vendor.com/x",
        "//api.vendor.com/x",
        "ftp://api.vendor.com",
        "javascript:alert(1)",
        "https://user@api.vendor.com",
        "https://user:secret@api.vendor.com",
        "https://api.vendor.com#@evil.com",
        "https://api.vendor.com\\@evil.com",
        "https://api.vendor.com/\r\nX: y",
        " https://api.vendor.com",
        "https://api.vendor.com:99999",
        "https://api.vendor.com:0",
        "https://api.vendor.com:8a",
        "https://api.vendor.com:٤٤٣",
        "https://",
        "https:///x",
        "https://a..b",
        "https://-a.com",
        "https://a.com-",
        "https://a,b.com",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://vendor.com.0x7f000001/",
        f"https://{'a' * 64}.com",
        f"https://{'a.' * 200}com",
    ],
)
def test_a_url_with_more_than_one_reading_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UnsafeUrl) as refusal:
        split(url)
    assert not any(part in str(refusal.value) for part in ("secret", "evil", "vendor", "7f"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://API.Vendor.COM:443/x?y", "https://api.vendor.com"),
        ("http://api.vendor.com.:80", "http://api.vendor.com"),
        ("https://api.vendor.com:8443", "https://api.vendor.com:8443"),
        ("https://api.vendor.com:/x", "https://api.vendor.com"),
        ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]"),
        ("https://１２７.０.０.１/", "https://127.0.0.1"),
    ],
)
def test_an_origin_has_one_spelling(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("api.vendor.com", True),
        ("API.vendor.COM.", True),
        ("a.shops.vendor.com", True),
        ("a.b.shops.vendor.com", True),
        ("x.vendor.com.vn", True),
        ("bücher.example", True),
        ("shops.vendor.com", False),
        ("evilshops.vendor.com", False),
        ("a.shops.vendor.com.evil.com", False),
        ("api.vendor.com.evil.com", False),
        ("vendor.com", False),
        ("www.vendor.com", False),
        ("", False),
        (".shops.vendor.com", False),
        ("a..shops.vendor.com", False),
        ("evil.com/.shops.vendor.com", False),
        ("evil.com#.shops.vendor.com", False),
        ("127.0.0.1", False),
        ("::1", False),
    ],
)
def test_hosts_match_whole_labels_in_any_spelling(host: str, allowed: bool) -> None:
    assert RULES.allows(host) is allowed


@given(st.text(), st.sampled_from(["", ".", "@", "#", "/", "\\", "?", ":", "\t", "%2e"]))
def test_a_host_that_is_allowed_ends_in_a_label_of_the_vendor(text: str, mark: str) -> None:
    host = f"{text}{mark}shops.vendor.com"
    if RULES.allows(host):
        assert normal_host(host).endswith(".shops.vendor.com")


@pytest.mark.parametrize(
    "entry", ["*", "*.com", "*.com.vn", "*.co.uk", "vendor.*", "a.*.com", "*vendor.com", "*.*.com", "*.1.2.3.4", ""]
)
def test_a_pattern_that_is_open_at_the_top_is_refused(entry: str) -> None:
    with pytest.raises(UnsafeUrl):
        HostRules.compile([entry])


def hosts(*fields: str) -> Hosts:
    return Hosts(frozenset({"api.vendor.com"}), (".vendor.net",), fields, frozenset(), None)


def test_the_hosts_that_a_tenant_typed_join_those_of_the_spec() -> None:
    config = {"siteUrl": " https://Shop.Example.com/shop ", "empty": "", "host": "other.example.com"}
    rules = HostRules.of(hosts("siteUrl", "empty", "gone", "host"), config)
    allowed = ["api.vendor.com", "x.vendor.net", "shop.example.com", "other.example.com"]
    assert [host for host in [*allowed, "example.com", "x.shop.example.com"] if rules.allows(host)] == allowed
    assert not HostRules.of(hosts(), config).allows("shop.example.com")
    with pytest.raises(UnsafeUrl):
        HostRules.of(hosts("siteUrl"), {"siteUrl": "https://user:secret@shop.example.com"})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://api.vendor.com/", "https"),
        ("https://evil.com/", "host"),
        ("https://api.vendor.com:8443/", "port"),
        ("https://api.vendor.com@evil.com/", "user name"),
    ],
)
def test_a_url_outside_the_rules_is_refused(url: str, message: str) -> None:
    with pytest.raises(UnsafeUrl, match=message):
        RULES.check(url)


def test_plain_http_and_other_ports_need_leave() -> None:
    assert RULES.check("http://api.vendor.com:80/x?y=1", plain_http=True).port == 80
    assert str(RULES.check("https://API.vendor.com:8443/x?y=1", ports={8443})) == "https://api.vendor.com:8443/x?y=1"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://Shop.Example.com", "https://shop.example.com"),
        (" https://shop.example.com:443/ ", "https://shop.example.com"),
        ("https://shop.example.com/shop//", "https://shop.example.com/shop"),
        ("https://shop.example.com//a//b/", "https://shop.example.com/a/b"),
        ("https://bücher.example/käse", "https://xn--bcher-kva.example/k%C3%A4se"),
        ("https://shop.example.com/a%20b", "https://shop.example.com/a%20b"),
        ("https://shop.example.com:80", "https://shop.example.com:80"),
    ],
)
def test_a_typed_url_is_kept_in_one_spelling(typed: str, kept: str) -> None:
    assert tenant_url(typed) == kept
    assert tenant_url(kept) == kept


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("shop.example.com", "https://"),
        ("http://shop.example.com", "https://"),
        ("https://me:secret@shop.example.com", "user name or password"),
        ("https://shop.example.com/#top", "fragment"),
        ("https://shop.example.com/?a=secret", "query"),
        ("https://shop.example.com:8080", "port"),
        ("https://shop.example.com/a/../b", "segment"),
        ("https://shop.example.com/%", "escape"),
    ],
)
def test_a_typed_url_that_cannot_be_used_says_what_to_change(typed: str, message: str) -> None:
    with pytest.raises(UnsafeUrl, match=message) as refusal:
        tenant_url(typed)
    assert "secret" not in str(refusal.value)


def test_a_typed_url_may_use_what_the_spec_allows() -> None:
    assert (
        tenant_url("http://shop.example.com:8080/x", ports=[8080], plain_http=True) == "http://shop.example.com:8080/x"
    )


# --- addresses ---

TUNNELS = {
    "mapped": lambda ip: IPv6Address(0xFFFF << 32 | int(ip)),
    "NAT64": lambda ip: IPv6Address(int(IPv6Address("64:ff9b::")) | int(ip)),
    "6to4": lambda ip: IPv6Address(0x2002 << 112 | int(ip) << 80 | 1),
    "Teredo client": lambda ip: IPv6Address(
        0x20010000 << 96 | int(IPv4Address("65.54.227.120")) << 64 | (int(ip) ^ 0xFFFFFFFF)
    ),
    "Teredo server": lambda ip: IPv6Address(
        0x20010000 << 96 | int(ip) << 64 | (int(IPv4Address("8.8.8.8")) ^ 0xFFFFFFFF)
    ),
}
OURS_ALONE = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.88.99.0/24", "192.0.0.0/24")))
"""A cloud's host agent, and two blocks whose flags differ between Python versions."""
EDGES = st.sampled_from(
    [
        "10.0.0.0",
        "100.64.0.1",
        "100.127.255.255",
        "100.128.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "172.15.255.255",
        "172.16.0.0",
        "172.32.0.0",
        "192.168.1.1",
        "198.18.0.1",
        "223.255.255.255",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "8.8.8.8",
        "192.0.0.1",
        "203.0.113.5",
        "240.0.0.1",
        "192.167.255.255",
        "192.169.0.0",
    ]
).map(IPv4Address)
ADDRESSES = st.one_of(EDGES, st.ip_addresses(v=4))


@given(ADDRESSES)
def test_an_ipv4_address_is_public_exactly_where_the_registry_says_so(ip: IPv4Address) -> None:
    public = ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in net for net in OURS_ALONE))
    assert private_address(ip) is not public
    assert private_address(str(ip)) is not public


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_that_any_flag_marks_is_private(ip: IPv6Address) -> None:
    flags = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified
    carries = ip.ipv4_mapped or ip.sixtofour or ip.teredo
    if not carries and (
        flags or ip.is_site_local or (ip.is_reserved and ip not in ipaddress.ip_network("64:ff9b::/96"))
    ):
        assert private_address(ip)


@pytest.mark.parametrize("tunnel", TUNNELS.values(), ids=TUNNELS)
@given(ip=ADDRESSES)
def test_a_tunnelled_address_counts_as_what_it_carries(tunnel: object, ip: IPv4Address) -> None:
    assert callable(tunnel)
    assert private_address(tunnel(ip)) is private_address(ip)


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::7f00:1",
        "::ffff:0:7f00:1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "2001:20::1",
        "64:ff9b:1::1",
        "4000::1",
        "fe80::1%eth0",
        "2606::1%1",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "127.1",
        "0x7f.0.0.1",
        "localhost",
        "",
        "127.0.0.1 ",
    ],
)
def test_special_and_unreadable_addresses_are_private(address: str) -> None:
    assert private_address(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450::8", "64:ff9b::808:808"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert not private_address(address)


def test_only_short_paths_are_remembered() -> None:
    before = url._joined.cache_info().currsize
    assert join(BASE, "/long" + "a" * 500) == f"{BASE}long{'a' * 500}"
    assert url._joined.cache_info().currsize == before
