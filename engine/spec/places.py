"""Which roots exist at which place of a spec (the table under rule 5 of the language)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from engine.compiled.names import ANY, SURE, Names, Shape, keys, shape_of
from engine.frozen import frozen
from engine.library.function import Function
from engine.library.tables import Table

CALL = keys("id", "now", "random", "idempotencyKey", "key")
TOKEN = keys("access", "refresh", "expiresAt", "scope", sure=False)
REQUEST = keys("method", "url", "base", "path", "headers", "query", "queryText", "form", "json", "raw", sure=False)
ANSWER = dict.fromkeys(("status", "headers", "body", "text", "code", "message"), ANY)
AUTH = keys("method")
CALLED = keys("url")
MESSAGE = dict.fromkeys(("method", "query", "form", "headers", "body", "text"), ANY)
CALLBACK = Shape(
    {**MESSAGE, **keys("redirectUri", "code").fields, **keys("codeVerifier", sure=False).fields},  # type: ignore[dict-item]
    sure=True,
)
RECEIVED = keys(
    "method", "url", "urlWithPort", "base", "queryText", "query", "headers", "form", "json", "raw", "key", sure=False
)  # fmt: skip
NOTHING = Shape({}, sure=True)


def _fields(schema: Mapping[str, Any], *, secret: bool) -> Shape:
    """The config (or the credentials) of a configSchema; what is captured at sign-in counts as there."""
    required = schema.get("required", ())
    fields = {}
    for name, sub in schema.get("properties", {}).items():
        if bool(sub.get("writeOnly")) is secret:
            sure = name in required or "default" in sub or bool(sub.get("readOnly"))
            fields[name] = shape_of(sub, sure=sure)
    return Shape(fields, sure=True)


def _before_route(names: Names) -> Names:
    """A message of `scope: app` is proved and read before anybody knows whose it is."""
    why = "it is not known yet whose message this is: config stands in `events`"
    return replace(
        names.without("config", "credentials"),
        advice={**names.advice, "config": why, "credentials": "a proof of `scope: app` reads the app's secrets: app.…"},
    )


@frozen
class Places:
    """Names for each place of one integration."""

    config: Shape
    credentials: Shape
    app: Shape
    tables: Mapping[str, Table]
    functions: Mapping[str, Function]
    webhook: Mapping[str, Shape]
    """The root `webhook` of requests and checks, where the spec has webhooks; absent until they are opened."""
    written: frozenset[str]
    """Fields of the form that `capture` may write: readOnly and writeOnly ones."""
    told: dict[tuple[bool, bool], Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)
    """Advice about names, by whether credentials and the call may be named: many places share it."""

    @staticmethod
    def of(
        config_schema: Mapping[str, Any],
        app: Mapping[str, Any],
        tables: Mapping[str, Table],
        functions: Mapping[str, Function],
        *,
        has_webhooks: bool = False,
    ) -> Places:
        properties: Mapping[str, Any] = config_schema.get("properties", {})
        return Places(
            _fields(config_schema, secret=False),
            _fields(config_schema, secret=True),
            shape_of(app) if app else Shape({}, sure=True),
            tables,
            functions,
            {"webhook": keys("url", sure=False)} if has_webhooks else {},
            frozenset(n for n, s in properties.items() if s.get("readOnly") or s.get("writeOnly")),
        )

    def _names(self, place: str, **roots: Shape) -> Names:
        kind = ("credentials" in roots, "call" in roots)
        if kind not in self.told:
            self.told[kind] = self._advice(*kind)
        return Names(roots, self.tables, self.functions, place, self.told[kind])

    def _advice(self, has_credentials: bool, has_call: bool) -> dict[str, str]:
        """Config and credentials are told apart by `writeOnly`: whoever looks for one under the other is told so."""
        where = "" if has_credentials else ", which only auth and proofs may read"
        found = {
            f"config.{name}": f"it is a credential: credentials.{name}{where}" for name in self.credentials.fields or ()
        }
        for name in self.config.fields or ():
            found[f"credentials.{name}"] = f"it is no credential: {name} lacks writeOnly: true in configSchema"
        if has_call:
            found["now"] = "the time of the call is call.now"
        return {**found, "credentials": "credentials stand in auth (apply, sign, obtain) and in proofs only"}

    def servers(self) -> Names:
        return self._names("in a server", config=self.config)

    def method_when(self) -> Names:
        return self._names("in `when` of a method", config=self.config)

    def plain_http(self) -> Names:
        return self._names("in plainHttp", config=self.config, auth=AUTH)

    def request(self, input_: Shape, vars_: Shape, steps: Shape) -> Names:
        return self._names(
            "in a request", input=input_, config=self.config, vars=vars_, call=CALL, steps=steps, **self.webhook
        )

    def signing(self, input_: Shape = ANY, vars_: Shape = ANY) -> Names:
        return self._names(
            "in apply or sign",
            input=input_, config=self.config, vars=vars_, call=CALL, steps=ANY, payload=SURE,
            credentials=self.credentials, token=TOKEN, app=self.app, request=REQUEST,
        )  # fmt: skip

    def own_request(self, steps: Shape) -> Names:
        """Requests of a method itself: login, token."""
        return self._names(
            "in a request of a method",
            config=self.config, call=CALL, credentials=self.credentials, token=TOKEN, app=self.app, steps=steps,
        )  # fmt: skip

    def consent_page(self) -> Names:
        return self._names(
            "in authorize",
            config=self.config, call=CALL, credentials=self.credentials, app=self.app, callback=keys("redirectUri"),
        )  # fmt: skip

    def callback(self) -> Names:
        """Queries on the message that comes back from a consent page."""
        return self._names("in callback", **MESSAGE, config=self.config)

    def callback_proof(self) -> Names:
        """Templates that prove that message."""
        return self._names(
            "in verify of a callback",
            request=RECEIVED, verify=keys("timestamp"),
            config=self.config, app=self.app, credentials=self.credentials,
        )  # fmt: skip

    def exchange(self) -> Names:
        return replace(self.own_request(NOTHING).adding(callback=CALLBACK), place="in exchange")

    def login_step(self, steps: Shape) -> Names:
        return self._names("in `when` of a login step", config=self.config, call=CALL, steps=steps)

    def login_answer(self, steps: Shape) -> Names:
        return replace(self.answer(NOTHING, NOTHING, steps, NOTHING), place="on the answer of a login")

    def answer(self, input_: Shape, vars_: Shape, steps: Shape, read: Shape) -> Names:
        return self._names(
            "on an answer",
            **ANSWER, input=input_, config=self.config, vars=vars_, read=read, steps=steps,
            call=CALL, auth=AUTH, request=CALLED,
        )  # fmt: skip

    def any_answer(self) -> Names:
        """For what serves all actions, so that nothing is known of its input, vars and steps."""
        return self.answer(ANY, ANY, ANY, ANY)

    def before_step(self, input_: Shape, vars_: Shape, steps: Shape) -> Names:
        return self._names(
            "in `when` of a step", input=input_, config=self.config, vars=vars_, steps=steps, call=CALL, auth=AUTH
        )

    def after_steps(self, input_: Shape, vars_: Shape, steps: Shape, read: Shape) -> Names:
        """An action with steps reads their outputs, never a body."""
        return self._names(
            "in the output of an action with steps",
            input=input_, config=self.config, vars=vars_, read=read, steps=steps, call=CALL, auth=AUTH,
        )  # fmt: skip

    def checks(self, input_: Shape) -> Names:
        return self._names("in checks", input=input_, config=self.config, **self.webhook)

    def verify_answer(self) -> Names:
        return self._names(
            "in verifyAnswer",
            answer=keys("status", "headers", "body", "raw"), verify=keys("timestamp"),
            config=self.config, app=self.app, credentials=self.credentials,
        )  # fmt: skip

    def incoming(self, *, is_app: bool = False, **more: Shape) -> Names:
        """Queries on a message from the provider. What the engine made is no root but for the URL: it is secret.

        `is_app`: before it is known whose message it is.
        """
        names = self._names("on a webhook", **MESSAGE, config=self.config, webhook=keys("url"), **more)
        return _before_route(names) if is_app else names

    def proof_queries(self, *, is_app: bool = False) -> Names:
        """`when`, `given` and the time of a proof: before `read`, and with the key of the path."""
        more = {} if is_app else {"request": keys("key", sure=False)}
        return replace(self.incoming(is_app=is_app, **more), place="in verify of a webhook")

    def proof(self, *, is_app: bool = False) -> Names:
        """Templates that prove the sender of a message."""
        made = ("url",) if is_app else ("url", "token", "secret")
        names = self._names(
            "in verify of a webhook",
            request=RECEIVED, webhook=keys(*made, sure=False), verify=keys("timestamp"),
            config=self.config, app=self.app, credentials=self.credentials,
        )  # fmt: skip
        return _before_route(names) if is_app else names

    def webhook_answer(self, *, is_app: bool = False) -> Names:
        names = self._names("in the answer to a webhook", request=RECEIVED, config=self.config)
        return _before_route(names) if is_app else names

    def subscribing(self, captured: Shape | None = None, *, has_topics: bool = False) -> Names:
        """Requests about our subscription at the provider. `captured`: what the one that made it left behind."""
        more = ("topic",) if has_topics else ()
        made = dict.fromkeys(("url", "secret", "token", "channelId", *more), SURE)
        if captured is not None:
            made["captured"] = captured
        return self._names(
            "in a request of `subscribe`",
            config=self.config, webhook=Shape(made, sure=True), call=CALL, app=self.app, auth=AUTH,
        )  # fmt: skip

    def subscribed(self) -> Names:
        return replace(self.answer(NOTHING, NOTHING, NOTHING, NOTHING), place="on the answer of a `subscribe`")

    def found(self, input_: Shape, vars_: Shape) -> Names:
        return self._names("in confirm", data=ANY, input=input_, vars=vars_)
