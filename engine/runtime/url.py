"""URLs and where credentials may go: strict reading, the hosts of a spec, addresses that are nobody's business.

Stock URL parsers are lenient where leniency sends a secret to the wrong place (they drop line ends, take a backslash
for text, a number for a host). Here a URL is printable, has a scheme, a host and perhaps a port, no userinfo and no
fragment, or it is refused. No message repeats a URL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import quote

from engine.catalog import Hosts
from engine.frozen import frozen

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>#.*)?"
)
_SHORT_PATH = 128
"""Longer ones are of one call only, and a thousand of them would be remembered for nothing."""
_UNPRINTABLE = r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff]"  # long to compile
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
"""Nothing in it may be refused. The star can't backtrack into another reading: each segment begins with its slash."""
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_LONGEST_HOST = 253
_PORTS = {"https": 443, "http": 80}
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})


class UnsafeUrl(ValueError):
    """A URL, path or host that may not be used. Says why, without repeating it."""


@frozen
class Url:
    """The parts of an http(s) URL: host lower-case ASCII without trailing dot, path and query as they were given."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return f"{self.origin}{self.path}{self.query}"


def _is_unprintable(text: str) -> bool:
    # What the pattern finds is never printable to Python either, but for the space: that is asked first, and is faster.
    return (" " in text or not text.isprintable()) and re.search(_UNPRINTABLE, text) is not None


def split(url: str) -> Url:
    """The parts of an absolute http or https URL. Raises `UnsafeUrl`."""
    if "\\" in url or _is_unprintable(url):
        raise UnsafeUrl("the URL holds a backslash, a space or a control character")
    found = _URL.fullmatch(url)
    scheme = found["scheme"].lower() if found else ""
    if not found or scheme not in _PORTS:
        raise UnsafeUrl("the URL must be absolute and begin with https:// (or http:// where that is allowed)")
    if "@" in found["authority"]:
        raise UnsafeUrl("the URL must not hold a user name or password")
    if found["rest"] is not None:
        raise UnsafeUrl("the URL must not hold a fragment (#)")
    host, port = _host_and_port(found["authority"])
    return Url(scheme, normal_host(host), port or _PORTS[scheme], found["path"], found["query"] or "")


def origin(url: str) -> str:
    """`https://host[:port]` of a URL, in one spelling: two URLs have the same origin when these are equal."""
    return split(url).origin


def join(base: str, path: str) -> str:
    """A server's base URL and a rooted, already encoded path (no query). Raises `UnsafeUrl`."""
    return _joined(base, path) if len(path) <= _SHORT_PATH else _joined.__wrapped__(base, path)


@lru_cache(maxsize=1024)
def _joined(base: str, path: str) -> str:
    _check_base(base)
    if _PLAIN_PATH.fullmatch(path):
        return base.rstrip("/") + path
    if not path.startswith("/"):
        raise UnsafeUrl('a path must begin with "/"')
    if path.startswith("//"):
        raise UnsafeUrl('a path must not begin with "//": that would name another host')
    if "\\" in path or "?" in path or "#" in path or _is_unprintable(path):
        raise UnsafeUrl("a path must not hold ?, #, a backslash, a space or a control character")
    if _DOTS.search(path):
        raise UnsafeUrl('a path must not hold "." or ".." as a segment')
    return base.rstrip("/") + path


def on_origin(base: str, text: str) -> str:
    """An absolute or rooted URL that somebody else gave, absolute and on the origin of `base`. Raises `UnsafeUrl`."""
    server = split(base)
    found = split(server.origin + text if text.startswith("/") and not text.startswith("//") else text)
    if found.origin != server.origin:
        raise UnsafeUrl("the URL lies on another origin than the server")
    if _DOTS.search(found.path):
        raise UnsafeUrl('the URL must not hold "." or ".." as a segment')
    return quote(f"{found.origin}{found.path or '/'}{found.query}", safe=_ASCII)


def tenant_url(text: str, *, ports: Collection[int] = (), plain_http: bool = False) -> str:
    """A base URL that somebody typed, in one spelling: host normalised, path kept without trailing slash.

    Userinfo, fragment, query, dot segments, ports other than 80 and 443 (and `ports`), and http unless `plain_http`
    are refused with `UnsafeUrl`, whose message is fit for the person who typed it.
    """
    url = split(text.strip())
    if url.query:
        raise UnsafeUrl("the URL must not hold a query (?)")
    _check_way(url, ports, plain_http=plain_http)
    path = re.sub("/{2,}", "/", url.path).rstrip("/")
    if _DOTS.search(path):
        raise UnsafeUrl('the URL must not hold "." or ".." as a segment')
    if _ESCAPE.search(path):
        raise UnsafeUrl("the URL holds a % that is no escape")
    return url.origin + quote(path, safe="/%:@!$&'()*+,;=~")


def typed(hosts: Hosts, value: str) -> str:
    """A config field of `hosts` that a tenant typed, a URL or a bare host, in its one spelling. Raises `UnsafeUrl`."""
    text = value.strip()
    if "://" not in text:
        return normal_host(text)
    # Whether http is right for the chosen way to sign in is judged when a request is sent.
    return tenant_url(text, ports=hosts.ports, plain_http=hosts.plain_http is not None)


@frozen
class HostRules:
    """The hosts that credentials may reach; `suffixes` begin with a dot. Nothing given: nothing allowed."""

    literal: frozenset[str]
    suffixes: tuple[str, ...] = ()

    @classmethod
    def compile(cls, entries: Iterable[str]) -> HostRules:
        """From literals and `*.vendor.tld` (one or more labels in place of the star). Raises `UnsafeUrl`."""
        literal, suffixes = set(), []
        for entry in entries:
            if entry.startswith("*."):
                suffixes.append(_suffix(entry[2:]))
            else:
                literal.add(normal_host(entry))
        return cls(frozenset(literal), tuple(suffixes))

    @classmethod
    def of(cls, hosts: Hosts, config: Mapping[str, Any]) -> HostRules:
        """A spec's hosts with the fields that the tenant typed: each holds a host or a URL. An empty one adds none."""
        rules = _compiled(hosts.literal, hosts.suffixes)
        typed = [config.get(name) for name in hosts.config_fields]
        named = {_typed_host(value) for value in typed if isinstance(value, str) and value.strip()}
        return cls(rules.literal | named, rules.suffixes) if named else rules

    def allows(self, host: str) -> bool:
        """Is it one of them? In any case, with or without trailing dot, as Unicode or Punycode. Never raises."""
        if host in self.literal:
            return True
        try:
            name = normal_host(host)
        except UnsafeUrl:
            return False
        return name in self.literal or (name.endswith(self.suffixes) and not _is_address(name))

    def check(self, url: str, *, ports: Collection[int] = (), plain_http: bool = False) -> Url:
        """The URL's parts if it may be called: host allowed, https (or `plain_http`), port 80, 443 or of `ports`."""
        found = split(url)
        if not self.allows(found.host):
            raise UnsafeUrl("the URL's host is not one of this integration's hosts")
        _check_way(found, ports, plain_http=plain_http)
        return found


@lru_cache(maxsize=4096)
def normal_host(text: str) -> str:
    """A host in its one spelling: lower-case, Punycode, no trailing dot; an IPv6 address compressed, no brackets.

    Refuses what resolvers read as an address in disguise (`0x7f.1`, `2130706433`). Raises `UnsafeUrl`.
    """
    if text.startswith("[") or text.count(":") > 1:
        return _ipv6(text)
    if len(text) > _LONGEST_HOST:
        raise UnsafeUrl("the host is too long")
    name = (text if text.isascii() else _punycode(text)).lower().removesuffix(".")
    labels = name.split(".")
    if not name or len(name) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("the host is no valid host name")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise UnsafeUrl("the host is a number in disguise: write a name or four numbers with dots") from None
    return name


def private_address(address: str | IPv4Address | IPv6Address) -> bool:
    """Is this no address of the public internet? What can't be read counts as private: the guard fails closed.

    Private, loopback, link-local (cloud metadata), carrier-grade NAT, multicast, reserved, documentation and
    unspecified addresses; IPv4-mapped, NAT64, 6to4 and Teredo addresses count as what they carry.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return True
    if isinstance(ip, IPv4Address):
        return any(ip in network for network in _PRIVATE_4)
    if ip.scope_id:
        return True
    carried = _carried(ip)
    if carried:
        return any(private_address(one) for one in carried)
    return ip not in _GLOBAL_6 or any(ip in network for network in _PRIVATE_6)


def _carried(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    if ip.ipv4_mapped:
        return (ip.ipv4_mapped,)
    if ip in _NAT64:
        return (IPv4Address(int(ip) & 0xFFFFFFFF),)
    if ip.sixtofour:
        return (ip.sixtofour,)
    return ip.teredo or ()


@lru_cache(maxsize=1024)
def _check_base(base: str) -> None:
    url = split(base)
    if url.query or _DOTS.search(url.path):
        raise UnsafeUrl('a server\'s URL must hold no query and no "." or ".." segment')


@lru_cache(maxsize=1024)
def _compiled(literal: frozenset[str], suffixes: tuple[str, ...]) -> HostRules:
    return HostRules.compile([*literal, *("*." + suffix.removeprefix("*").removeprefix(".") for suffix in suffixes)])


def _suffix(text: str) -> str:
    name = normal_host(text)
    labels = name.split(".")
    public = len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _SECOND_LEVEL
    if len(labels) < 2 or public or _is_address(name):
        raise UnsafeUrl("a host pattern must end in a vendor's own domain, such as *.vendor.com")
    return "." + name


def _typed_host(text: str) -> str:
    text = text.strip()
    return split(text).host if "://" in text else normal_host(text)


def _check_way(url: Url, ports: Collection[int], *, plain_http: bool) -> None:
    if url.scheme != "https" and not plain_http:
        raise UnsafeUrl("the URL must begin with https://")
    if url.port not in {80, 443} and url.port not in ports:
        raise UnsafeUrl("the URL names a port that is not allowed: leave it out, or use 80 or 443")


def _host_and_port(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and 0 < len(port) <= 5 and 0 < int(port) <= 65535):
        raise UnsafeUrl("the URL's port is no number from 1 to 65535")
    return host, int(port)


def _ipv6(text: str) -> str:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ip = IPv6Address(inner)
    except ValueError:
        raise UnsafeUrl("the host is no valid IPv6 address") from None
    if ip.scope_id:
        raise UnsafeUrl("the host is an IPv6 address with a zone")
    return str(ip)


def _punycode(text: str) -> str:
    import idna

    try:
        return idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise UnsafeUrl("the host is no valid international host name") from None


def _is_address(host: str) -> bool:
    return ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_6 = IPv6Network("2000::/3")
_PRIVATE_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_PRIVATE_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; one cloud's metadata service lives here
            "127.0.0.0/8",
            "168.63.129.16/32",  # one cloud's host agent, reachable from its machines only
            "169.254.0.0/16",  # link-local: the other clouds' metadata services
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
