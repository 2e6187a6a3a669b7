"""What a new integration is begun with: a few checked answers, and what follows from them."""

from __future__ import annotations

import re
from typing import Literal

from engine.frozen import frozen

EXAMPLE_ID = "1001"

_READ_VERBS = frozenset({"get", "list", "find", "search", "track", "check", "read", "show", "look", "query", "fetch"})
_LIST_VERBS = frozenset({"list", "find", "search", "query"})
_CREATE_VERBS = frozenset({"create", "add", "new", "make", "book", "register", "open", "place", "issue", "insert"})
_PARAMETER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")


@frozen
class Plan:
    """Checked answers. `path` has its parameters in braces: `/v1/items/{itemId}`."""

    integration_id: str
    category: str
    name: str
    base_url: str
    auth: str
    header: str
    action: str
    method: str
    path: str
    prefix: str = ""
    """What stands before the API key in its header."""

    @property
    def effect(self) -> Literal["read", "write"]:
        return "read" if self.method in ("GET", "HEAD") else "write"

    @property
    def kind(self) -> Literal["get", "list", "write"]:
        """A read without parameter lists things."""
        if self.effect == "write":
            return "write"
        return "get" if self.parameters else "list"

    @property
    def body_fields(self) -> tuple[str, ...]:
        """Names of the inputs that stand in the body."""
        if self.method not in ("POST", "PUT", "PATCH"):
            return ()
        return ("label",) if "name" in self.parameters else ("name",)

    @property
    def idempotency(self) -> Literal["natural", "none"]:
        return "natural" if self.method in ("PUT", "DELETE") else "none"

    @property
    def creates(self) -> bool:
        """A repeat makes a second one."""
        return self.method == "POST" and not self.parameters and self.action.partition("_")[0] in _CREATE_VERBS

    @property
    def before_key(self) -> str:
        """`Key ` for the prefix `Key`; after `=` and the like there is no space."""
        return f"{self.prefix} " if self.prefix[-1:].isalnum() else self.prefix

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the inputs that stand in the path."""
        return tuple(dict.fromkeys(camel(name) for name in _PARAMETER.findall(self.path)))

    @property
    def template(self) -> str:
        """The path as the spec writes it."""
        return _PARAMETER.sub(lambda found: f"{{{{ input.{camel(found[1])} }}}}", self.path)

    def url(self, value: str) -> str:
        """The whole URL with this value for every parameter."""
        return self.base_url + _PARAMETER.sub(value, self.path)

    @property
    def host(self) -> str:
        return self.base_url.partition("://")[2].partition("/")[0]

    @property
    def noun(self) -> str:
        """What the action is about: `order` of `list_orders`."""
        return noun_of(self.action)

    @property
    def refusal(self) -> tuple[str, str]:
        """The provider's code that the spec has a rule for, and what it means."""
        return (f"{self.noun}_not_found", "NOT_FOUND") if self.parameters else ("not_allowed", "FORBIDDEN")

    @property
    def plural(self) -> str:
        return plural(self.noun)

    @property
    def collection(self) -> str:
        return camel(self.plural)

    @property
    def action_name(self) -> str:
        return spaced(self.action).capitalize()

    @property
    def initials(self) -> str:
        """One or two letters of the name."""
        words = [word for word in re.split(r"\W+", self.name) if word] or [self.integration_id]
        return (words[0][0] + (words[1][0] if len(words) > 1 else "")).upper()


def default_name(integration_id: str) -> str:
    """`Acme Parcel` for `shipping-acme-parcel`."""
    first, _, rest = integration_id.partition("-")
    return " ".join(word.capitalize() for word in (rest or first).split("-"))


def default_base_url(integration_id: str) -> str:
    """A host that can't exist."""
    first, _, rest = integration_id.partition("-")
    return f"https://api.{rest or first}.example"


def default_action(method: str | None) -> str:
    return "get_item" if method in (None, "GET", "HEAD") else f"{_VERBS.get(method, 'create')}_item"


_VERBS = {"PUT": "replace", "PATCH": "update", "DELETE": "delete"}


def default_method(action: str) -> str:
    verb = action.partition("_")[0]
    return "GET" if verb in _READ_VERBS else next((m for m, v in _VERBS.items() if v == verb), "POST")


def default_path(action: str, method: str) -> str:
    """`/v1/orders/{orderId}` for one of them, `/v1/orders` for all or a new one."""
    noun = noun_of(action)
    whole = f"/v1/{plural(noun).replace('_', '-')}"
    is_about_all = action.partition("_")[0] in _LIST_VERBS if method in ("GET", "HEAD") else method == "POST"
    return whole if is_about_all else f"{whole}/{{{camel(noun)}Id}}"


def spaced(name: str) -> str:
    return name.replace("_", " ")


def noun_of(action: str) -> str:
    noun = action.partition("_")[2]
    if not noun[:1].isalpha():
        return "item"
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and len(noun) > 2 else noun


def plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in ("a", "e", "o", "u", ""):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def camel(name: str) -> str:
    """`orderId` for `order_id`, `OrderId` and `orderId`."""
    first, *rest = [word for word in name.split("_") if word]
    return first[0].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in rest)
