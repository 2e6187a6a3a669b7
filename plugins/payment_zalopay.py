"""ZaloPay's MAC: HMAC-SHA256 in lower-case hex over the values of some fields, joined with `|`.

Values stand as they are sent, nothing is escaped. Requests are signed with key1, callbacks with key2 over their one
field `data`. The text of a query holds the key once more, as its last part.
"""

from __future__ import annotations

import hashlib
import hmac

from engine.plugins import PluginFault, SignInput, signer, spell

_KEY = "=key"


@signer("zalopay_mac")
def zalopay_mac(given: SignInput) -> str:
    """`fields` in ZaloPay's order; each is looked up in `extra`, then in the body.

    `=key` is the key itself. A field without a value is a fault, for a gap would pass for another text; with a `?` at
    its end it is left out.
    """
    parts = (_part(name, given) for name in given.fields)
    return hmac.new(given.key, b"|".join(part for part in parts if part is not None), hashlib.sha256).hexdigest()


def _part(name: str, given: SignInput) -> bytes | None:
    if name == _KEY:
        return given.key
    field = name.removesuffix("?")
    value = given.extra[field] if field in given.extra else given.values.get(field)
    if value is not None:
        return spell(value).encode()
    if name != field:
        return None
    raise PluginFault(f"field {field} is missing")
