"""Where a subscription is delivered and what it is signed with. At rest both are sealed: URLs may hold secrets too."""

from __future__ import annotations

from dataclasses import field
from urllib.parse import quote

import orjson

from engine.events import sign
from engine.frozen import frozen
from engine.model import Subscription
from engine.runtime.url import UnsafeUrl, private_address, split
from engine.storage.ports import Store, Vault

MOST_SECRETS = 3
"""That sign at the same time, while one follows the other."""
LONGEST_URL = 2048
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa")


@frozen
class SigningSecret:
    """`until`: epoch seconds until which it signs; None: nothing follows it yet."""

    text: str = field(repr=False)
    until: float | None = None


@frozen
class Target:
    """`secrets`: the newest first."""

    url: str = field(repr=False)
    secrets: tuple[SigningSecret, ...] = field(repr=False)

    def in_force(self, now: float) -> list[str]:
        return [one.text for one in self.secrets if one.until is None or one.until > now]

    def rotated(self, now: float, overlap_seconds: float) -> Target:
        """With a new secret first; the present ones sign along that long at most."""
        end = now + overlap_seconds
        kept = [one for one in self.secrets if one.until is None or one.until > now][: MOST_SECRETS - 1]
        old = [SigningSecret(one.text, end if one.until is None else min(one.until, end)) for one in kept]
        return Target(self.url, (SigningSecret(sign.new_secret()), *old))


async def sealed(store: Store, tenant_id: str, subscription_id: str, target: Target) -> bytes:
    await store.vault.prepare(tenant_id)
    plain = {"url": target.url, "secrets": [[one.text, one.until] for one in target.secrets]}
    return store.vault.seal(tenant_id, _context(subscription_id), orjson.dumps(plain))


def opened(vault: Vault, subscription: Subscription) -> Target:
    """Raises `StorageCorrupt`."""
    context = _context(subscription.subscription_id)
    plain = orjson.loads(vault.open(subscription.tenant_id, context, subscription.sealed))
    return Target(plain["url"], tuple(SigningSecret(*one) for one in plain["secrets"]))


def checked_url(text: str, *, private_ok: bool) -> str:
    """A URL that a tenant typed, encoded; its host is resolved and judged again at every attempt.

    `private_ok`: the operator allows private addresses, and http. Raises `UnsafeUrl`, fit for the one who typed it.
    """
    if len(text) > LONGEST_URL:
        raise UnsafeUrl(f"the URL has more than {LONGEST_URL} characters")
    url = split(text.strip())
    if not private_ok:
        if url.scheme != "https":
            raise UnsafeUrl("the URL must begin with https://")
        if _is_private(url.host):
            raise UnsafeUrl("the URL's host is not on the public internet")
    return quote(f"{url.origin}{url.path or '/'}{url.query}", safe=_ASCII)


def _is_private(host: str) -> bool:
    if ":" in host or host.replace(".", "").isdigit():
        return private_address(host)
    return "." not in host or any(host == name or host.endswith(f".{name}") for name in _PRIVATE_NAMES)


def _context(subscription_id: str) -> str:
    return f"subscription|{subscription_id}"
