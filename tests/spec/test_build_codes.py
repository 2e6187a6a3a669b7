"""Every diagnostic that compiling can give, with a small spec that gives it and no other, at its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.diagnostics import CODES
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.spec.load import load
from tests.spec.compiling import compiled, marked, written
from tests.support.specs import action, fields, secret, setting, spec, text, whole


def request(**parts: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/x", **parts}


def with_input(template: str) -> dict[str, Any]:
    return spec(action(inputSchema=fields(x=text(), n=whole()), request=request(json={"v": template})))


def with_output(tree: Any, **parts: Any) -> dict[str, Any]:
    return spec(action(output={"v": tree}, **parts), tables={"t": {"map": {"a": 1}}})


def with_method(*methods: dict[str, Any], **parts: Any) -> dict[str, Any]:
    form = fields(("apiKey",), apiKey=secret(), shop=setting(), account=setting(readOnly=True))
    return spec(configSchema=form, auth=list(methods), **parts)


def method(name: str = "token", kind: str = "api_key", **parts: Any) -> dict[str, Any]:
    return {"method": name, "type": kind, "needs": ["apiKey"], **parts}


def login(**parts: Any) -> dict[str, Any]:
    step = {"stepId": "login", "effect": "read", "request": {"method": "POST", "path": "/login"}}
    return method("login", "login", obtain={"steps": [step]}, **parts)


def with_login(**parts: Any) -> dict[str, Any]:
    return with_method(login(token={"access": "body.t"}, **parts), authType="custom")


def consenting(app: Any = None, actions: Any = None, **parts: Any) -> dict[str, Any]:
    """A spec whose one method asks for consent; a None takes a part away."""
    one = {
        "method": "oauth",
        "type": "oauth2",
        "authorize": {"url": "https://api.acme.example/authorize"},
        "exchange": {"request": {"path": "/token"}},
        **parts,
    }
    form = fields((), shop=setting(), account=setting(readOnly=True))
    app = fields(("clientId",), clientId=setting()) if app is None else app
    kept = [{key: part for key, part in one.items() if part is not None}]
    return spec(*(actions or []), configSchema=form, app=app, auth=kept, authType="oauth2")


def to_app(typed: bool = False, auth: Any = None, **parts: Any) -> dict[str, Any]:
    """A spec whose messages come to its app; a None takes a part away."""
    block = {
        "scope": "app",
        "route": {"value": "body.shop", "equals": "config.shop" if typed else "config.account"},
        "verify": [{"scheme": "equals", "given": "headers.token", "key": "{{ app.clientSecret }}"}],
        "events": [{"type": "parcel.seen"}],
        **parts,
    }
    app = fields(("clientId", "clientSecret"), clientId=setting(), clientSecret=secret())
    made = {**consenting(app=app), "webhooks": {key: part for key, part in block.items() if part is not None}}
    return made if auth is None else {**made, "auth": auth}


def subscribing(**parts: Any) -> dict[str, Any]:
    create = {"request": {"method": "POST", "path": "/hooks"}, "capture": {"hookId": "body.id"}}
    return with_webhooks(subscribe={"create": create, **parts})


def with_webhooks(**parts: Any) -> dict[str, Any]:
    return spec(webhooks={"verify": [PROOF], "events": [{"type": "parcel.seen"}], **parts})


def step(name: str, effect: str = "read", **parts: Any) -> dict[str, Any]:
    return {"stepId": name, "effect": effect, "request": {"method": "GET", "path": "/x"}, **parts}


def defs(tree: Any, **more: Any) -> dict[str, Any]:
    """An output whose tree comes from $defs, where the language's schema looks less closely."""
    return {**spec(action(output={"v": {"$ref": "#/$defs/tree"}})), "$defs": {"tree": tree, **more}}


MAC = {"scheme": "hmac-sha256", "key": "{{ credentials.apiKey }}", "given": "headers.mac"}
PROOF = {"scheme": "equals", "given": "query.key", "key": "{{ credentials.apiKey }}"}
SIGN = {"scheme": "hmac-sha256", "text": "{{ request.raw }}", "key": "{{ credentials.apiKey }}", "put": "header.X-Sign"}
WIDE = {f"d{i}": [{"$ref": f"#/$defs/d{i + 1}"}] * 10 for i in range(9)}
DEEP = {f"d{i}": {"a": {"b": {"c": {"$ref": f"#/$defs/d{i + 1}"}}}} for i in range(30)}

MISTAKES: list[tuple[str, str, dict[str, Any]]] = [
    ("EXPR001", "{{", with_input("{{ input.x")),
    ("EXPR002", "{%", with_input("{% if %}{{ input.x }}")),
    ("EXPR003", "upper", with_input("{{ upper(input.x) }}")),
    ("EXPR004", "**", with_input("{{ input.n ** 2 }}")),
    ("EXPR005", "keep", with_input("{{ input.x | keep }}")),
    ("EXPR006", "'(?=a)'", with_input("{{ 1 if input.x is matching('(?=a)') }}")),
    ("EXPR007", " " + "(" * 200 + "1" + ")" * 200 + " ", with_input("{{ " + "(" * 200 + "1" + ")" * 200 + " }}")),
    ("EXPR008", " 0.12345678901234567890 ", with_input("{{ 0.12345678901234567890 }}")),
    ("EXPR011", ")", with_output("body.a)")),
    ("EXPR012", "@", with_output("@.a")),
    ("EXPR013", "&", with_output("to_array(&a)")),
    ("EXPR020", "5", defs(5)),
    ("EXPR022", '"$eahc"', with_output({"$eahc": "body.rows", "value": "body"})),
    ("EXPR023", '"other"', defs({"$const": 1, "other": "body"})),
    ("EXPR024", '"body.rows"', defs({"$each": "body.rows"})),
    ("EXPR025", "{", with_output({"$cases": [{"$value": "body.a"}, {"$value": "body.b"}]})),
    ("EXPR030", '"/x/{{ input.x }}"', spec(
        action(inputSchema=fields(x=text()), request=request(path="/x/{{ input.x }}")))),
    ("NAME001", "bdoy", with_output("bdoy.a")),
    ("NAME002", "input.y", with_input("{{ input.y }}")),
    ("NAME003", "uper", with_output("uper(body.a)")),
    ("NAME004", "'tt'", with_output("lookup(body.a, 'tt')")),
    ("NAME005", '"soql"', with_output({"$text": ["body.a"], "$escape": "soql"})),
    ("NAME006", '"#/$defs/gone"', with_output({"$ref": "#/$defs/gone"})),
    ("NAME006", '"#/$defs/tree"', defs({"a": {"$ref": "#/$defs/tree"}})),
    ("NAME006", '"schemas/models/gone.json"', spec(action(outputSchema={"$ref": "schemas/models/gone.json"}))),
    ("NAME007", '"other"', spec(action(request=request(server="other")))),
    ("NAME009", '"gone"', spec(errors=[{"status": 404, "code": "NOT_FOUND", "next": {"actionId": "gone"}}])),
    ("NAME009", '"gone"', spec(test={"action": "gone"})),
    ("NAME010", '"gone"', with_method({"method": "token", "type": "api_key", "needs": ["gone"]})),
    ("NAME010", '"config.gone"', spec(hosts=["api.acme.example", "config.gone"])),
    ("NAME010", '"gone"', with_login(capture={"gone": "body.a"})),
    ("NAME011", '"acme_mca"', with_method(method(sign={"plugin": "acme_mca", "put": "header.X"}))),
    ("NAME012", '"acme_rfresh"', consenting(refresh={"plugin": "acme_rfresh"})),
    ("SPEC061", '"//evil.test/x"', spec(action(request=request(path="//evil.test/x")))),
    ("SPEC062", '"/x?a=1"', spec(action(request=request(path="/x?a=1")))),
    ("SPEC062", '"/x/{{ call.id }}#top"', spec(action(request=request(path="/x/{{ call.id }}#top")))),
    ("SPEC063", "[", {**spec(action(output={"v": {"$ref": "#/$defs/d0"}})), "$defs": {**WIDE, "d9": "body"}}),
    ("SPEC064", "{", {**spec(action(output={"v": {"$ref": "#/$defs/d0"}})), "$defs": {**DEEP, "d30": "body"}}),
    ("SPEC065", '"https://{{ config.shop }}.acme.example"', with_method(
        method(), servers={"default": "https://{{ config.shop }}.acme.example"}, hosts=None)),
    ("SPEC066", '"https://api.acme.example/v1"', spec(
        servers={"default": "https://api.acme.example/v1"}, hosts=["*.other.example"])),
    ("SPEC067", '"oauth2"', spec(authType="oauth2")),
    ("SPEC068", '"pay"', spec(action("pay", "write", idempotency={
        "by": "natural", "confirm": {"action": "pay", "found": "data.id"}}))),
    ("SPEC069", "{", with_method(method(sign={k: v for k, v in SIGN.items() if k != "put"}))),
    ("SPEC071", "{", with_method({"method": "open", "type": "custom"}, method(), authType="custom")),
    ("SPEC072", "{", with_method(login(), authType="custom")),
    ("SPEC073", '"read"', spec(action(output={}, steps=[step("put", "write")]))),
    ("SPEC074", "{", with_method(method(sign=[SIGN]), actions=[action(sign={"put": "query.sign"})])),
    ("SPEC075", '"pay"', spec(action("pay", "write", idempotency=None))),
    ("SPEC076", '"key"', spec(action("pay", "write", idempotency="key"))),
    ("SPEC077", '"quote"', spec(action("quote"), action("quote"))),
    ("SPEC077", '"token"', with_method(method(), method())),
    ("SPEC077", '"put"', spec(action(output={}, steps=[step("put"), step("put")]))),
    ("SPEC080", '"shop"', with_login(capture={"shop": "body.a"})),
    ("SPEC080", '"shop"', consenting(callback={"capture": {"shop": "query.shop"}})),
    ("SPEC080", '"shop"', with_method(method(), test={"action": "quote", "capture": {"shop": "body.shop"}})),
    ("SPEC081", '"exchange"', consenting(authorize=None)),
    ("SPEC081", '"callback"', with_method(method(callback={"capture": {"account": "query.id"}}))),
    ("SPEC081", '"token"', with_method(method(token={"access": "body.t"}))),
    ("SPEC081", '"capture"', with_method(method(capture={"account": "body.id"}))),
    ("SPEC081", '"errors"', with_method(method(errors=[{"status": 400, "code": "REAUTH_REQUIRED"}]))),
    ("SPEC081", '"scopes"', with_method(method(scopes={"request": ["read"]}))),
    ("SPEC082", '"oauth2"', consenting(authorize=None, exchange=None)),
    ("SPEC082", '"authorize"', consenting(exchange=None)),
    ("SPEC082", '{', consenting(exchange={"request": {"method": "POST"}})),
    ("SPEC082", '{', consenting(revoke={"request": {"method": "POST"}})),
    ("SPEC082", '"refresh"', with_login(refresh={"request": {"path": "/again", "json": {}}})),
    ("SPEC083", '{', consenting(app=fields((), id=setting()),
        exchange={"request": {"path": "/token", "json": {}}}, refresh={"request": {"path": "/again", "json": {}}})),
    ("SPEC083", '{', consenting(app=fields((), id=setting()),
        authorize={"url": "https://api.acme.example/a", "params": {"client_id": "{{ app.id }}"}},
        refresh={"request": {"path": "/again", "json": {}}})),
    ("SPEC084", '"wirte"', consenting(
        scopes={"request": ["read", "write"]}, actions=[action(needsScopes=["read", "wirte"])])),
    ("SPEC085", '{', with_webhooks(verify=[PROOF, PROOF])),
    ("SPEC085", '{', with_webhooks(events=[{"type": "parcel.seen"}, {"ignore": True}])),
    ("SPEC086", '"{{ request.query.key }}"', with_webhooks(verify=[{**PROOF, "key": "{{ request.query.key }}"}])),
    ("SPEC086", '"{{ webhook.url }}"', with_webhooks(verify=[{**PROOF, "key": "{{ webhook.url }}"}])),
    ("SPEC086", '"{{ app.clientId }}"', to_app(
        verify=[{"scheme": "equals", "given": "headers.token", "key": "{{ app.clientId }}"}])),
    ("SPEC087", '"fetch"', with_webhooks(events=[{"ignore": True, "fetch": {"action": "quote"}}])),
    ("SPEC087", '"data"', with_webhooks(events=[{"ignore": True, "data": {"code": "body.code"}}])),
    ("SPEC088", '"{{ request.json }}"', with_webhooks(verify=[{**MAC, "text": "{{ request.json }}"}])),
    ("SPEC088", '"a{{ request.form }}"', with_webhooks(verify=[{**MAC, "text": "a{{ request.form }}"}])),
    ("SPEC089", '{', {**consenting(
        app=fields(("clientId", "clientSecret"), clientId=setting(), clientSecret=secret()),
        exchange={"request": {"url": "{{ config.shop }}/token"}}, refresh={"request": {"path": "/again", "json": {}}}),
        "hosts": ["api.acme.example", "config.shop"]}),
    ("SPEC068", '"book"', {**with_webhooks(events=[{"type": "parcel.seen", "fetch": {"action": "book"}}]),
        "actions": [action(), action("book", "write")]}),
    ("NAME009", '"quotes"', with_webhooks(events=[{"type": "parcel.seen", "fetch": {"action": "quotes"}}])),
    ("NAME010", '"config.acount"', to_app(route={"value": "body.shop", "equals": "config.acount"})),
    ("NAME001", 'config', to_app(read={"shop": "config.shop"})),
    ("NAME001", 'credentials', to_app(
        verify=[{"scheme": "equals", "given": "headers.token", "key": "{{ credentials.apiKey }}"}])),
    ("NAME002", 'webhook.token', to_app(
        verify=[{"scheme": "sha256", "given": "headers.token", "text": "{{ webhook.token }}{{ app.clientSecret }}"}])),
    ("NAME002", 'webhook.captured.hokId', subscribing(
        delete={"request": {"method": "DELETE", "path": "/hooks/{{ webhook.captured.hokId }}"}})),
    ("NAME002", 'webhook.topic', subscribing(
        renew={"request": {"method": "PUT", "path": "/hooks", "json": {"about": "{{ webhook.topic }}"}}})),
    ("NAME001", 'credentials', subscribing(
        renew={"request": {"method": "PUT", "path": "/hooks", "json": {"key": "{{ credentials.apiKey }}"}}})),
    ("SPEC120", '"route"', with_method(
        method(), webhooks={"verify": [PROOF], "events": [{"type": "parcel.seen"}],
                            "route": {"value": "body.shop", "equals": "config.account"}})),
    ("SPEC121", '"config.shop"', to_app(typed=True)),
    ("SPEC121", '"config.account"', to_app(auth=[{
        **consenting()["auth"][0], "callback": {"capture": {"account": "query.account"}}}])),
    ("SPEC122", '"until"', subscribing(
        renew={"request": {"method": "PUT", "path": "/hooks"}, "capture": {"hookId": "body.id", "until": "body.u"}})),
    ("SPEC090", '"text"', {**spec(action(outputSchema={"$ref": "#/$defs/s"})), "$defs": {"s": "text"}}),
    ("SPEC091", '"(?=a)"', spec(action(inputSchema=fields(x=text(pattern="(?=a)"))))),
    ("SPEC091", '"[a"', spec(configSchema=fields(("apiKey",), apiKey=secret(), shop=setting(pattern="[a")))),
    ("SPEC092", '"text"', {**spec(action(request=request(query={"$ref": "#/$defs/s"}))), "$defs": {"s": "text"}}),
    ("SPEC093", '"ten"', spec(action(inputSchema=fields(n=whole(default="ten"))))),
    ("SPEC099", '"logoUrl"', spec(logoUrl="https://acme.test/logo.svg")),
]  # fmt: skip


def clean(value: Any) -> Any:
    """Without keys that were taken away."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items() if item is not None}
    return [clean(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("code", "mark", "mistaken"), MISTAKES, ids=[f"{code}-{i}" for i, (code, *_) in enumerate(MISTAKES)]
)
def test_the_mistake_gives_this_diagnostic_alone_at_its_place(code: str, mark: str, mistaken: dict[str, Any]) -> None:
    source = json.dumps(clean(mistaken), ensure_ascii=False, indent=1)
    integration, found = compiled(source)
    assert integration is None
    assert [one.code for one in found] == [code], [str(one) for one in found]
    assert marked(source, found[0]) == mark
    assert found[0].message
    assert "\n" not in found[0].message


def test_no_code_of_the_builder_is_without_a_case() -> None:
    """SPEC078, 079, 095, 096 and 097 are about files: they have tests of their own below."""
    files = {"SPEC078", "SPEC079", "SPEC095", "SPEC096", "SPEC097"}
    of_webhooks = {"SPEC120", "SPEC121", "SPEC122"}
    mine = {code for code in CODES if code[:4] in ("EXPR", "NAME") or "SPEC060" <= code <= "SPEC099"} | of_webhooks
    assert {code for code, *_ in MISTAKES} == mine - files


def codes(*folders: Path) -> list[tuple[str, str]]:
    loaded = load(folders, Registry(), schemas_dir())
    return [(one.code, Path(one.position.file).parent.name) for one in loaded.diagnostics]


def test_two_specs_with_one_id_are_reported(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", spec()), written(tmp_path / "b", spec())
    assert codes(first, second) == [("SPEC078", second.name)]


def test_a_folder_without_the_integrations_name_is_reported(tmp_path: Path) -> None:
    written(tmp_path, spec(), "other-name")
    assert codes(tmp_path) == [("SPEC079", "other-name")]


def test_a_spec_yml_is_told_of_the_name_unless_a_spec_yaml_stands_beside_it(tmp_path: Path) -> None:
    place = written(tmp_path, spec())
    (place / "spec.yml").write_text("specVersion: 1")
    assert codes(tmp_path) == []
    (place / "spec.yaml").unlink()
    assert codes(tmp_path) == codes(place) == [("SPEC097", place.name)]


def test_a_logo_that_is_too_large_is_reported(tmp_path: Path) -> None:
    place = written(tmp_path, spec())
    (place / "logo.svg").write_bytes(b"x" * (64 * 1024))
    assert codes(tmp_path) == []
    (place / "logo.svg").write_bytes(b"x" * (64 * 1024 + 1))
    assert codes(tmp_path) == [("SPEC095", place.name)]


def test_a_file_that_can_not_be_read_is_reported(tmp_path: Path) -> None:
    place = written(tmp_path, spec())
    (place / "spec.yaml").unlink()
    (place / "spec.yaml").mkdir()
    assert codes(tmp_path) == [("SPEC096", place.name)]


def test_a_file_that_is_no_utf8_is_reported_at_its_byte(tmp_path: Path) -> None:
    place = written(tmp_path, spec())
    (place / "spec.yaml").write_bytes(b"specVersion: 1\nname: \xff\n")
    [found] = load([tmp_path], Registry(), schemas_dir()).diagnostics
    assert (found.code, found.position.line, found.position.column) == ("YAML001", 2, 7)


def test_the_errors_of_one_spec_hide_neither_the_others_errors_nor_the_others(tmp_path: Path) -> None:
    written(tmp_path, with_output("bdoy"))
    other = {**spec(), "integrationId": "acme-other"}
    written(tmp_path, other)
    third = {**with_output("uper(body)"), "integrationId": "acme-third"}
    written(tmp_path, third)
    loaded = load([tmp_path], Registry(), schemas_dir())
    assert sorted(one.code for one in loaded.errors) == ["NAME001", "NAME003"]
    assert list(loaded.integrations) == ["acme-other"]
    assert len(loaded.texts) == 3


def test_a_mistake_in_a_definition_is_reported_where_it_is_written_and_once() -> None:
    used_twice = spec(
        action("one", output={"v": {"$ref": "#/$defs/tree"}}),
        action("two", output={"v": {"a": {"$ref": "#/$defs/outer"}}}),
    )
    trees = {"tree": {"x": "bdoy.a"}, "outer": {"inner": {"$ref": "#/$defs/tree"}}}
    source = json.dumps({**used_twice, "$defs": trees}, indent=1)
    _, found = compiled(source)
    assert [(one.code, marked(source, one)) for one in found] == [("NAME001", "bdoy")]


def test_a_wrong_type_somewhere_does_not_hide_a_mistake_elsewhere() -> None:
    mistaken = with_output("bdoy")
    mistaken["errors"] = "none"
    mistaken["limits"] = [{"scope": "connection", "calls": "ten"}]
    mistaken["http"] = {"encode": {"form": {"arays": "index"}}}
    mistaken["actions"][0]["checks"] = [5]
    _, found = compiled(mistaken)
    assert sorted(one.code for one in found) == ["NAME001", "SPEC001", "SPEC002", "SPEC003", "SPEC003", "SPEC003"]


def test_a_sign_block_that_an_action_completes_is_whole() -> None:
    common = {"plugin": "acme_mac", "key": "{{ credentials.apiKey }}", "put": "json.sign"}
    integration, found = compiled(with_method(method(sign=common), actions=[action(sign={"fields": ["a", "b"]})]))
    assert found == []
    assert integration is not None
    [block] = integration.actions["quote"].sign["token"]
    assert (block.plugin, block.fields) == ("acme_mac", ("a", "b"))
