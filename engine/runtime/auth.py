"""Signing in: which method holds, what it applies, what it signs.

`apply` comes first, `sign` sees its result; both run once per attempt, with the time and randomness of that attempt.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from engine.catalog import Apply, Method, Signature
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.library.absent import ABSENT
from engine.plugins import PluginError, Signer, SignInput
from engine.runtime import encode, signature
from engine.runtime.account import Account
from engine.runtime.request import Draft, header_fields


def choose(account: Account) -> Method:
    """The first method that holds. Raises `CallError` when what every one needs is missing: AUTH_FAILED, or
    REAUTH_REQUIRED where somebody's consent would bring it."""
    if account.method is None:
        account.method = _first_that_holds(account)
    return account.method


def _first_that_holds(account: Account) -> Method:
    given = {**account.config, **account.credentials}
    scope, missing, consents = Scope({"config": account.config}), set[str](), False
    for method in account.integration.methods:
        lacking = [name for name in method.needs if given.get(name) in (None, "")]
        is_meant = method.when is None or holds(method.when(scope))
        if is_meant and not lacking:
            return method
        missing.update(lacking if is_meant else ())
        consents = consents or (is_meant and method.consent is not None)
        if is_meant and method.when is not None:
            break
    if consents:
        raise CallError("REAUTH_REQUIRED", "nobody has consented yet: connect the account")
    raise CallError("AUTH_FAILED", f"the connection lacks credentials: {', '.join(sorted(missing)) or 'none fit'}")


def sign_in(
    draft: Draft, method: Method, signs: tuple[Signature, ...], scope: Scope, signers: Mapping[str, Signer]
) -> Draft:
    """A copy of the draft, signed in. Raises `CallError` when a value can't be written or a key is missing."""
    signed = draft.copy()
    try:
        _apply(method.apply, signed, scope)
        for block in signs:
            _sign(block, signed, scope, signers)
    except _FAULTS as error:
        raise _unsigned(error) from None
    return signed


def steady_headers(account: Account, method: Method, scope: Callable[[], Scope]) -> Mapping[str, str]:
    """What a method whose `apply` is steady adds to each request; made anew when something it is made of was replaced.

    Raises `CallError` as `sign_in` does.
    """
    made_of = (method, account.credentials, account.token, account.app)
    kept = account.applied
    if kept is not None and all(map(is_, kept[0], made_of)):
        return kept[1]
    headers: dict[str, str] = {}
    try:
        _add_headers(method.apply, headers, scope())
    except _FAULTS as error:
        raise _unsigned(error) from None
    account.applied = made_of, headers
    return headers


_FAULTS = (EvaluationError, signature.Unsignable, encode.Unsendable, PluginError)


def _unsigned(error: Exception) -> CallError:
    what = error.message if isinstance(error, EvaluationError) else error
    return CallError("AUTH_FAILED", f"the request can't be signed: {what}")


def _apply(block: Apply, draft: Draft, scope: Scope) -> None:
    scope = scope.having(payload=draft.payload) if draft.payload is not None else scope
    _add_headers(block, draft.headers, scope)
    if block.query is not None:
        draft.query.extend(encode.query_pairs(block.query(scope), draft.query_options))
    # What falls away as a whole leaves a request without a body as it is.
    if block.form is not None and (form := block.form(scope)):
        draft.kind = "form"
        draft.form.extend(encode.form_pairs(form, draft.form_options))
    if block.json is not None and (tree := block.json(scope)):
        draft.kind = "json"
        draft.body = {**(draft.body or {}), **tree}


def _add_headers(block: Apply, headers: dict[str, str], scope: Scope) -> None:
    if block.headers is not None:
        headers.update(header_fields(block.headers(scope)))
    if block.basic is not None:
        user, password = (part(scope) for part in block.basic)
        if not isinstance(user, str) or not isinstance(password, str):
            raise signature.Unsignable("a credential for basic authentication is missing")
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _sign(block: Signature, draft: Draft, scope: Scope, signers: Mapping[str, Signer]) -> None:
    if block.when is not None and not holds(block.when(scope)):
        return
    seen = scope.having(request=draft.seen())
    text = _first(block.texts, seen)
    key = _first(block.keys, seen)
    if block.plugin is not None:
        made = signers[block.plugin](_sign_input(block, draft, seen, text or b"", key or b""))
    elif block.scheme is not None and text is not None:
        made = signature.sign(block.scheme, text, key, block.encoding)
    else:
        raise signature.Unsignable("a part of the signed text is missing")
    _put(block, draft, made)


def _first(blocks: tuple[Any, ...], scope: Scope) -> bytes | None:
    """The first of several that is there, as bytes."""
    for block in blocks:
        value = block(scope)
        if value is not ABSENT and value is not None:
            return value if isinstance(value, bytes) else encode.scalar_text(value, "sign").encode()
    return None


def _sign_input(block: Signature, draft: Draft, scope: Scope, text: bytes, key: bytes) -> SignInput:
    render = block.extra
    extra = render(scope) if render is not None else {}
    values = draft.body if isinstance(draft.body, dict) else dict(draft.form)
    return SignInput(
        method=draft.method,
        base=draft.base,
        query=tuple(draft.query),
        headers=dict(draft.headers),
        values=values,
        raw=draft.raw(),
        text=text,
        fields=block.fields,
        key=key,
        extra=extra if isinstance(extra, dict) else {},
        epoch=scope["call"]["epoch"],
        nonce=scope["call"]["random"],
    )


def _put(block: Signature, draft: Draft, made: str) -> None:
    if block.put is None:
        return
    place, name = block.put.place, block.put.name
    if place == "header":
        draft.headers[name] = encode.header_value(made)
    elif place == "query":
        draft.query.append((name, made))
    elif place == "form":
        draft.form.append((name, made))
    else:
        draft.body = {**(draft.body or {}), name: made}
