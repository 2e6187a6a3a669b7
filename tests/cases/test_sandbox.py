"""The provider sandbox on its own, asked as the engine asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.cases.choose import Recordings
from engine.cases.fit import fit, host_and_path
from engine.cases.model import Case
from engine.cases.origins import Origins
from engine.cases.sandbox import create_sandbox, load_all_cases, running
from engine.errors import SpecError
from engine.library import exact
from engine.model import Request
from tests.cases.recorded import OURS, cases

HOST = "api.acme.example"
XML = b'<?xml version="1.0" encoding="UTF-8"?>'


def recorded(folder: Path, blocks: str) -> list[Case]:
    """Cases of `acme-shop` as an author writes them."""
    home = folder / "acme-shop"
    (home / "cases").mkdir(parents=True)
    (home / "spec.yaml").write_text("")
    (home / "cases" / "all.yaml").write_text(blocks)
    return [case for case in load_all_cases([folder]) if isinstance(case, Case)]


def block(name: str, *exchanges: str, outcome: str = "result: {}", given: str = "{input: {}}", more: str = "") -> str:
    shown = "".join(f"    - {exchange}\n" for exchange in exchanges)
    return (
        f"- case: {name}\n  action: act\n  source: made up\n{more}  given: {given}\n  exchanges:\n{shown}  {outcome}\n"
    )


def exchange(answer: str, expect: str = "", path: str = "orders", method: str = "GET") -> str:
    more = f", {expect}" if expect else ""
    return f'{{expect: {{method: {method}, url: "https://{HOST}/{path}"{more}}}, answer: {{{answer}}}}}'


ERROR = "error: {code: REJECTED}"


@asynccontextmanager
async def sandbox(folder: Path, *blocks: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sandbox that knows these cases, over a real socket."""
    headers = {"X-Upstream-Host": HOST}
    async with (
        running(create_sandbox(recorded(folder, "".join(blocks)))) as origin,
        httpx.AsyncClient(base_url=origin, headers=headers, timeout=30, trust_env=False) as client,
    ):
        yield client


# --- what is answered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "content_type", "body"),
    [
        ("status: 200, json: {a: 1.5}", "application/json", b'{"a":1.5}'),
        ("status: 201, form: {a: b c}", "application/x-www-form-urlencoded", b"a=b+c"),
        ("status: 200, xml: {ok: yes it is}", "application/xml", XML + b"<ok>yes it is</ok>"),
        ("status: 500, text: Đổ vỡ", "text/plain; charset=utf-8", "Đổ vỡ".encode()),
        ("status: 200, base64: JVBERi0=", "application/octet-stream", b"%PDF-"),
        ("status: 200, json: [], headers: {Content-Type: text/html, X-Trace: Đ}", "text/html", b"[]"),
        ("status: 200, json: {a: 1}, chunked: true", "application/json", b'{"a":1}'),
        ("status: 204", "", b""),
    ],
)
async def test_an_answer_goes_out_as_recorded(tmp_path: Path, answer: str, content_type: str, body: bytes) -> None:
    async with sandbox(tmp_path, block("one", exchange(answer))) as client:
        got = await client.get("/orders")
    assert (got.status_code, got.headers.get("content-type", "")) == (int(answer[8:11]), content_type)
    assert got.content == body
    assert ("content-length" in got.headers) == ("chunked" not in answer and got.status_code != 204)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_dropped_connection_is_dropped(tmp_path: Path, when: str) -> None:
    """No byte of an answer comes, and the next request is answered again."""
    blocks = (block("lost", exchange(f"drop: {when}"), outcome=ERROR), block("fine", exchange("status: 200", path="x")))
    async with sandbox(tmp_path, *blocks) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/orders")
        assert (await client.get("/x")).status_code == 200


async def test_an_answer_is_delayed_and_nobody_waits_for_one_who_has_gone(tmp_path: Path) -> None:
    """The second answer would come in an hour: the client gives up, and the sandbox ends at once."""
    slow = exchange("status: 200, delayMs: 3600000", path="slow")
    blocks = (block("soon", exchange("status: 200, delayMs: 5")), block("late", slow, outcome=ERROR))
    async with sandbox(tmp_path, *blocks) as client:
        assert (await client.get("/orders")).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/slow", timeout=0.05)


async def test_a_body_without_end_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path, block("one", exchange("status: 200"))) as client:
        assert (await client.post("/orders", content=b"x" * (4 * 1024 * 1024 + 1))).status_code == 413


# --- which case answers ---------------------------------------------------------------------------------------


async def test_a_success_is_chosen_before_faults_refusals_and_what_is_unconfirmed(tmp_path: Path) -> None:
    blocks = (
        block("refused", exchange("status: 400"), outcome=ERROR),
        block("fails first", exchange("status: 503"), exchange("status: 200, text: late")),
        block("maybe", exchange("status: 200, text: maybe"), more="  unconfirmed: true\n"),
        block("works", exchange("status: 200, text: plain")),
    )
    async with sandbox(tmp_path, *blocks) as client:
        assert [(await client.get("/orders")).text for _ in range(3)] == ["plain"] * 3


async def test_a_sequence_is_played_in_order_for_each_account(tmp_path: Path) -> None:
    """Fails, then works; and again from the start. Another key has a sequence of its own."""
    key = "headers: {Token: k1}"
    known = "{input: {}, credentials: {key: k1}}"
    story = block("story", exchange("status: 503", key), exchange("status: 200", key), given=known)
    async with sandbox(tmp_path, story) as client:
        statuses = [
            (await client.get("/orders", headers={"Token": token})).status_code
            for token in ("mine", "yours", "mine", "yours", "mine")
        ]
    assert statuses == [503, 503, 200, 200, 503]


async def test_a_case_about_a_refused_key_answers_that_key_only(tmp_path: Path) -> None:
    blocks = (
        block(
            "bad key",
            exchange("status: 401", "headers: {Token: expired}"),
            outcome=ERROR,
            given="{input: {}, credentials: {key: expired}}",
        ),
        block(
            "good key", exchange("status: 200", "headers: {Token: good}"), given="{input: {}, credentials: {key: good}}"
        ),
    )
    async with sandbox(tmp_path, *blocks) as client:
        answers = [
            (await client.get("/orders", headers={"token": token})).status_code
            for token in ("good", "somebody's", "expired")
        ]
    assert answers == [200, 200, 401]


async def test_the_exact_case_is_chosen_before_one_with_blanks(tmp_path: Path) -> None:
    """Two accounts are recorded, with the account in the path: each gets its own, a stranger the first."""
    blocks = [
        block(
            f"shop {shop}",
            exchange(f"status: 200, text: '{shop}'", path=f"shops/{shop}/orders"),
            given=f'{{input: {{}}, config: {{shop: "{shop}"}}}}',
        )
        for shop in ("1001", "1002")
    ]
    async with sandbox(tmp_path, *blocks) as client:
        got = [(await client.get(f"/shops/{shop}/orders")).text for shop in ("1002", "1001", "77")]
        assert (await client.get("/shops/1001/orders/9")).status_code == 501
    assert got == ["1002", "1001", "1001"]


# --- misses ---------------------------------------------------------------------------------------------------


async def _miss(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> tuple[str, Any]:
    got = await client.request(method, path, **more)
    assert got.status_code == 501
    said = got.headers["x-sandbox-miss"]
    assert said.isascii()
    assert len(said) <= 400
    return said, got.json()


ORDER = exchange("status: 200", "json: {qty: 1, note: Đường, phone: '1'}", method="POST")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"qty": 2, "note": "Đường", "phone": "1"}, "json.qty", "json.qty: expected 1, got 2"),
        ({"qty": "1", "note": "Đường", "phone": "1"}, "json.qty", 'json.qty: expected 1, got "1"'),
        ({"qty": 1, "phone": "1"}, "json.note", 'json.note: expected "Duong", got nothing'),
        ({"qty": 1, "note": "Đường", "phone": "0911"}, "json.phone", "json.phone: another value than the case has"),
        ({"qty": 1, "note": "Đường", "phone": "1", "apiKey": "s3cret"}, "json.apiKey", "json.apiKey: another value"),
        ({"qty": 1, "note": "x" * 900, "phone": "1"}, "json.note", 'json.note: expected "Duong", got "xxx'),
    ],
)
async def test_a_miss_says_what_differs_and_no_secret(tmp_path: Path, body: Any, field: str, words: str) -> None:
    async with sandbox(tmp_path, block("a booking", ORDER)) as client:
        said, document = await _miss(client, "POST", "/orders", json=body, headers={"Token": "t0ken"})
    assert said.startswith('nearest case "a booking" (acme-shop act); first differing field: ')
    assert words in said
    assert document["nearest"] == {
        "case": "a booking",
        "integrationId": "acme-shop",
        "actionId": "act",
        "field": field,
    }
    assert "s3cret" not in said + str(document)
    assert "t0ken" not in said + str(document)
    assert "0911" not in said + str(document)


async def test_the_nearest_case_is_the_one_with_the_fewest_differences(tmp_path: Path) -> None:
    far = exchange("status: 200", "json: {qty: 5, note: other}", method="POST")
    async with sandbox(tmp_path, block("far", far), block("near", ORDER)) as client:
        said, _ = await _miss(client, "POST", "/orders", json={"qty": 2, "note": "Đường", "phone": "1"})
    assert said.startswith('nearest case "near"')


async def test_a_path_that_no_case_has_is_named_without_what_may_be_a_token(tmp_path: Path) -> None:
    async with sandbox(tmp_path, block("one", exchange("status: 200"))) as client:
        said, _ = await _miss(client, "GET", "/refunds/tok_1234567890abcdef")
    assert said.endswith(f"first differing field: url: expected {HOST}/orders, got {HOST}/refunds/?")


async def test_a_host_that_no_case_has_is_named(tmp_path: Path) -> None:
    async with sandbox(tmp_path, block("one", exchange("status: 200"))) as client:
        said, document = await _miss(client, "GET", "/orders", headers={"X-Upstream-Host": "other.example"})
    assert said == "no case has a GET request to other.example"
    assert document == {"sandbox": said}


MISSES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("POST", "/order", {}, "url", f"url: expected {HOST}/orders, got {HOST}/order"),
    ("GET", "/orders", {}, "method", "method: expected POST, got GET"),
    ("POST", "/orders", {"json": {"qty": 1}}, "json.note", 'json.note: expected "a", got nothing'),
    ("POST", "/orders", {"json": {"qty": "1", "note": "a"}}, "json.qty", 'json.qty: expected 1, got "1"'),
    ("POST", "/orders", {"json": {"qty": 1, "note": "a", "x": 1}}, "json.x", "json.x: expected nothing, got 1"),
    ("POST", "/orders", {"json": {"qty": 2}}, "json.qty", "json.qty: expected 1, got 2; further: json.note"),
    ("POST", "/orders", {"content": b"qty=1"}, "json", "json: expected JSON, got a body that is no JSON"),
    (
        "POST",
        "/orders",
        {"headers": {"Version": "3"}},
        "header Version",
        "header Version: expected 2, got another value",
    ),
    (
        "POST",
        "/orders",
        {"headers": {"Version": ""}},
        "header Version",
        "header Version: expected 2, got another value",
    ),
    (
        "POST",
        "/orders",
        {"headers": {"X-Upstream-Host": f"test.{HOST}"}},
        "url",
        f"url: expected {HOST}/orders, got test.{HOST}/orders",
    ),
]


@pytest.mark.parametrize(("method", "path", "more", "field", "words"), MISSES)
async def test_a_miss_says_what_to_change(
    tmp_path: Path, method: str, path: str, more: dict[str, Any], field: str, words: str
) -> None:
    """Two cases are recorded; the one that has the most in common with the request is named."""
    want = 'json: {qty: 1, note: a}, headers: {Version: "2", Token: k1}'
    known = "{input: {}, credentials: {key: k1}}"
    booking = block("a booking", exchange("status: 200", want, method="POST"), given=known)
    other = block("a search", exchange("status: 200", "json: {q: a, page: 1, size: 10}", path="find", method="POST"))
    sent = {"json": {"qty": 1, "note": "a"}} | more if "content" not in more else more
    sent["headers"] = {"Token": "mine", "Version": "2"} | more.get("headers", {})
    async with sandbox(tmp_path, other, booking) as client:
        said, document = await _miss(client, method, path, **sent)
    assert said == f'nearest case "a booking" (acme-shop act); first differing field: {words}'
    assert document["nearest"]["field"] == field


async def test_a_header_that_the_case_names_must_be_there_and_that_of_an_account_may_differ(tmp_path: Path) -> None:
    """The key is the client's own, and so is a token that a recorded login has given."""
    want = 'headers: {Token: k1, X-Session: "session s-0001", Authorization: Basic azE6}'
    login = exchange("status: 200, json: {session: s-0001}", path="login")
    known = "{input: {}, credentials: {key: k1}}"
    own = {"Token": "mine", "X-Session": "session s-0002", "Authorization": "Basic bWluZTo="}
    async with sandbox(tmp_path, block("one", login, exchange("status: 200", want), given=known)) as client:
        assert (await client.get("/orders", headers=own)).status_code == 200
        del own["Token"]
        said, _ = await _miss(client, "GET", "/orders", headers=own)
    assert said.endswith("header Token: expected k1, got nothing")


async def test_a_request_past_the_engine_is_told_so(tmp_path: Path) -> None:
    async with sandbox(tmp_path, block("one", exchange("status: 200"))) as client:
        del client.headers["X-Upstream-Host"]
        said, _ = await _miss(client, "GET", "/orders")
    assert said == "the request has no X-Upstream-Host header: send it through the engine"


# --- what may differ ------------------------------------------------------------------------------------------

GIVEN = {
    "now": "2026-05-01T03:04:05Z",
    "id": "01HZZZZZZZZZZZZZZZZZZZZZZZ",
    "random": ["0f5a7e0f5a7e0f5a7e0f5a7e0f5a7e00"],
    "idempotencyKey": "order-key-1",
    "config": {"shop": "https://shop.example/base", "account": "AC0001", "n": "7"},
    "credentials": {"user": "somebody", "password": "pässword"},
    "input": {"code": "DH-1001", "amount": 50000, "name": "somebody else"},
}


@pytest.mark.parametrize(
    ("text", "other", "may_differ"),
    [
        ("somebody", "newcomer", True),
        ("user=somebody&amount=50000", "user=newcomer&amount=50000", True),
        ("user=somebody&amount=50000", "user=newcomer&amount=50001", False),
        ("user=somebody&amount=50000", "user=&amount=50000", False),
        ("DH-1001", "DH-1002", False),
        ("50000", "50001", False),
        ("somebody else", "nobody else", False),
        ("somebody", "", False),
        ("7", "8", True),
        ("27", "28", False),
        ("order-key-1", "another-key", True),
        ("01HZZZZZZZZZZZZZZZZZ", "01ABCDEFGHJKMNPQRSTV", True),
        ("0f5a7e0f5a7e0f5a7e0f5a7e0f5a7e00", "ffffffff", True),
        ("260501_0f5a7e0f", "261123_abcdef01", True),
        ("20260501100405", "20261123053250", True),
        ("2026-05-01T03:04:05Z", "2026-11-23T01:02:03.004Z", True),
        ("2024-05-01", "2026-11-23", False),
        ("1777604645", "1795000000", True),
        ("1777604645000", "1795000000123", True),
        ("1000000000", "1795000000", False),
        ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "d" * 64, True),
        ("kAFQmDzST7DWlj99KOF/cg==", "AAAAAAAAAAAAAAAAAAAAAA==", True),
        ("literal", "other", False),
    ],
)
def test_a_text_of_a_request_may_differ_where_account_clock_or_chance_speak(
    text: str, other: str, may_differ: bool
) -> None:
    pattern = Origins(GIVEN).pattern(text)
    assert pattern.fits(text)
    assert pattern.fits(other) is may_differ


@pytest.mark.parametrize(
    ("url", "got", "fits"),
    [
        ("https://shop.example/base/orders/DH-1001", "https://mine.example/orders/DH-1001", True),
        ("https://shop.example/base/orders/DH-1001", "https://mine.example/a/b/orders/DH-1001", True),
        ("https://shop.example/base/orders/DH-1001", "https://mine.example/orders/DH-1002", False),
        ("https://api.example/AC0001/calls", "https://api.example/AC9/calls", True),
        ("https://api.example/AC0001/calls", "https://api.example/AC9/x/calls", False),
        ("https://api.example/AC0001/calls", "https://other.example/AC9/calls", False),
        ("https://API.example:8443/a%20b", "https://api.example/a b", True),
    ],
)
def test_an_address_may_differ_where_the_account_speaks(url: str, got: str, fits: bool) -> None:
    assert Origins(GIVEN).pattern(host_and_path(url)).fits(host_and_path(got)) is fits


@pytest.mark.parametrize("sent", ["2026-05-01T08:00:00Z", "20260501150000", "01/05/2026 15:00:00", "1777622400"])
def test_a_time_that_the_caller_said_is_the_callers_however_it_is_sent(sent: str) -> None:
    """Another time beside it is that of the call all the same."""
    origins = Origins({**GIVEN, "input": {"from": "2026-05-01T08:00:00Z"}})
    assert origins.pattern(sent).fits(sent)
    assert not origins.pattern(sent).fits(sent.replace("05", "06").replace("1777622400", "1777622401"))
    assert origins.pattern("2026-05-01T03:04:05Z").fits("2026-05-02T03:04:05Z")


def test_what_an_earlier_call_gave_is_not_the_callers_word() -> None:
    """An id with the day in it was made by us: the next day's is another."""
    given = {**GIVEN, "input": {"paymentId": "260501_DH-1"}}
    assert not Origins(given).pattern("260501_DH-1").fits("260502_DH-1")
    assert Origins(given, got=[{"paymentId": "260501_DH-1"}]).pattern("260501_DH-1").fits("260502_DH-1")


def test_digits_after_a_date_are_no_time_of_day_behind_an_underscore() -> None:
    given = {**GIVEN, "config": {"appId": "100001"}}
    assert Origins(given).pattern("260501_100001_R-1").fits("260502_100001_R-1")


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return [leaf for key, value in pairs for leaf in _leaves(value, (*path, key))]
    return [path]


def _with_other(tree: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return tree + 1 if isinstance(tree, int) and not isinstance(tree, bool) else f"{tree}~"
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _with_other(copy[path[0]], path[1:])
    return copy


WITH_JSON = {
    case.integration_id for case in cases() for turn in case.turns for one in turn.exchanges if "json" in one.expect
}


@pytest.mark.parametrize("integration_id", sorted(OURS & WITH_JSON))
def test_no_field_that_the_caller_gave_may_differ(integration_id: str) -> None:
    """Each value of a recorded JSON body that stands in the input is changed, one at a time: none still fits."""
    changed = 0
    for case in cases():
        for turn in case.turns if case.integration_id == integration_id else ():
            said = {str(value) for value in _values(turn.given.get("input", {}))}
            for one in turn.exchanges:
                expect = one.expect
                origins = Origins(turn.given)
                address = origins.pattern(host_and_path(expect["url"]))
                for path in _leaves(expect.get("json", {})):
                    if str(_at(expect["json"], path)) in said:
                        body = exact.dumps(_with_other(expect["json"], path))
                        request = Request(expect["method"], expect["url"], (), body)
                        assert fit(expect, origins, address, request, host_and_path(request.url)).wrong, (
                            case.name,
                            path,
                        )
                        changed += 1
    assert changed


def _values(tree: Any) -> list[Any]:
    return [_at(tree, path) for path in _leaves(tree)]


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


# --- the rest -------------------------------------------------------------------------------------------------


def test_what_is_remembered_of_sequences_is_bounded(tmp_path: Path) -> None:
    key = "headers: {Token: k1}"
    story = block(
        "story", exchange("status: 503", key), exchange("status: 200", key), given="{credentials: {key: k1}, input: {}}"
    )
    recordings = Recordings(recorded(tmp_path, story))
    for client in range(3000):
        recordings.answer(Request("GET", f"https://{HOST}/orders", (("Token", str(client)),), b""))
    assert recordings.remembered <= 1024


def test_cases_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        recorded(tmp_path, block("one", exchange("statuss: 200")) + block("one", "{}"))
    assert "all.yaml" in str(refused.value)
    assert len(refused.value.diagnostics) > 1
