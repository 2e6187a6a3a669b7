"""MoMo's signature: HMAC-SHA256 in lower-case hex over `name=value&…` in a fixed order of fields.

Values stand as they are sent, without encoding or quotes; an absent or null value stays as `name=`. The access key is
signed in both directions but never sent, so it comes in `extra`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from engine.plugins import SignInput, signer, spell


@signer("momo_hmac")
def momo_hmac(given: SignInput) -> str:
    """`fields` in MoMo's order; each is looked up in `extra`, then in the body."""
    values = {**given.values, **given.extra}
    text = "&".join(f"{name}={_text(values.get(name))}" for name in given.fields)
    return hmac.new(given.key, text.encode(), hashlib.sha256).hexdigest()


def _text(value: Any) -> str:
    return "" if value is None else spell(value)
