"""What botocore signs is let in, and nothing that was changed on the way, is old, or is meant for somebody else."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.app import create_app
from engine.errors import RequestError
from engine.identity import sigv4
from engine.identity.sigv4 import Signed
from engine.identity.tokens import TokenBook
from engine.runtime.clock import SystemClock
from engine.settings import Auth, Settings
from engine.storage.sqlite import open_store
from tests.api.support import TOKEN, SmallEngine
from tests.identity.signing import REGION, amz_date, presigned, signed

URL = "https://integrations.example.com/base"
BODY = b'{"integrationId":"acme-parcels","actionId":"quote","input":{"weight":3}}'
HEADERS = {"X-Tenant-Id": "acme", "Content-Type": "application/json"}


class Place:
    """The API behind a proxy that takes `/base` away and puts another host in its place."""

    def __init__(self, client: httpx.AsyncClient, engine: SmallEngine, book: TokenBook) -> None:
        self.client, self.engine, self.book = client, engine, book
        self.key_id, self.secret = "", ""

    def signed(self, method: str = "POST", path: str = "/execute", body: bytes = BODY, **more: Any) -> dict[str, str]:
        headers = {**HEADERS, **more.pop("headers", {})}
        keys = more.pop("keys", (self.key_id, self.secret))
        return signed(method, f"{URL}{path}", *keys, headers=headers, body=body, **more)

    async def send(
        self, headers: dict[str, str], method: str = "POST", path: str = "/execute", body: bytes = BODY
    ) -> httpx.Response:
        behind = {**headers, "Host": "10.0.0.7:8400"}
        return await self.client.request(method, f"http://10.0.0.7:8400{path}", headers=behind, content=body)


async def placed(tmp_path: Path, auth: Auth) -> AsyncIterator[Place]:
    store = open_store(data_dir=tmp_path / "data")
    engine = SmallEngine(store)
    engine.clock = SystemClock()
    settings = Settings(public_url=URL, auth=auth)
    app = create_app(engine, settings, token_hashes=[hashlib.sha256(TOKEN.encode()).digest()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        place = Place(client, engine, TokenBook(store, time.time))
        shown = await place.book.create("ci", "key", ["execute"], ["acme"])
        place.key_id, place.secret = str(shown.key_id), shown.secret
        yield place
    await store.lifetime.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async for one in placed(tmp_path, "sigv4"):
        yield one


async def test_a_signed_call_is_let_in_and_a_signed_body_reaches_the_action(place):
    answer = await place.send(place.signed())
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")  # there is no connection: it came through
    said = {"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()}
    assert (await place.send(place.signed(headers=said))).status_code == 404
    assert (await place.send(place.signed("GET", "/catalog", b""), "GET", "/catalog", b"")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/executions?limit=5&startDate=2026-05-01&endDate=2026-05-02",
        "/executions?startDate=2026-05-01T00%3A00%3A00Z&limit=2",
        "/executions?status=error&integrationId=a%20b~c",
        "/connections/%C3%A4%2Fb%20c",
        "/catalog?",
    ],
)
async def test_paths_and_queries_are_read_as_botocore_reads_them(place, path):
    answer = await place.send(place.signed("GET", path, b""), "GET", path, b"")
    assert answer.status_code in (200, 404), answer.text


TAMPERED: dict[str, dict[str, Any]] = {
    "another body": {"body": BODY.replace(b"3", b"4")},
    "no body": {"body": b""},
    "another path": {"path": "/executions"},
    "another query": {"path": "/execute?a=1"},
    "another method": {"method": "PUT"},
}


@pytest.mark.parametrize("changed", TAMPERED.values(), ids=list(TAMPERED))
@pytest.mark.parametrize("is_said", [True, False])
async def test_a_request_that_was_changed_is_refused(place, changed, is_said):
    said = {"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()} if is_said else {}
    answer = await place.send(place.signed(headers=said), **changed)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "AWS4-HMAC-SHA256"
    assert set(answer.json()) == {"defined", "code", "status", "message", "data"}
    assert place.engine.commands == []


def _changed(headers: dict[str, str], **changes: str | None) -> dict[str, str]:
    merged = {**headers, **{name.replace("_", "-"): value for name, value in changes.items() if value is not None}}
    return {name: value for name, value in merged.items() if changes.get(name.replace("-", "_"), "") is not None}


async def refused(place: Place, headers: dict[str, str]) -> str:
    answer = await place.send(headers)
    assert answer.status_code == 401, answer.text
    assert place.secret not in answer.text
    return str(answer.json()["message"])


async def test_a_header_that_was_changed_or_added_is_refused(place):
    good = place.signed()
    await refused(place, _changed(good, X_Tenant_Id="other"))
    await refused(place, _changed(good, X_Tenant_Id=None))
    assert "must cover" in await refused(place, {**good, "Idempotency-Key": "k1"})
    assert "must cover" in await refused(place, {**good, "X-Amz-Target": "x"})
    assert (await place.send({**good, "X-Trace": "added by a proxy"})).status_code == 404
    signature = good["Authorization"]
    await refused(place, {**good, "Authorization": signature[:-1] + ("0" if signature[-1] != "0" else "1")})
    await refused(place, {**good, "Authorization": signature.replace("Signature=", "signature=")})
    await refused(place, {**good, "Authorization": signature.replace("host;", "")})
    await refused(place, {**good, "Authorization": re.sub(r"x-amz-date;?", "", signature)})


async def test_one_signature_serves_one_idempotency_key(place):
    """Runs of spaces are signed as one: a call that was caught could be sent again under a key that is new to us."""
    good = place.signed(headers={"Idempotency-Key": "order 1"})
    assert (await place.send(good)).status_code == 404
    for other in ("order  1", "order\t1", "order \t 1"):
        assert "idempotency-key" in await refused(place, {**good, "Idempotency-Key": other})


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 3600])
async def test_an_old_or_a_future_date_is_refused(place, monkeypatch, seconds):
    at = amz_date(time.time() + seconds)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: _moment(at))
    headers = place.signed()
    assert headers["X-Amz-Date"] == at
    assert "five minutes" in await refused(place, headers)


@pytest.mark.parametrize("seconds", [-290, 290])
async def test_clocks_may_differ_by_some_minutes(place, monkeypatch, seconds):
    at = amz_date(time.time() + seconds)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: _moment(at))
    assert (await place.send(place.signed())).status_code == 404


def _moment(date: str) -> Any:
    from datetime import UTC, datetime

    return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


async def test_what_is_meant_for_somebody_else_is_refused(place):
    assert "scope" in await refused(place, place.signed(region="eu-central-1"))
    assert "scope" in await refused(place, place.signed(service="s3"))
    elsewhere = signed(
        "POST", "https://elsewhere.example.com/base/execute", place.key_id, place.secret, headers=HEADERS
    )
    await refused(place, elsewhere)
    await refused(place, place.signed(keys=("INTGAAAAAAAAAAAAAAAA", place.secret)))
    await refused(place, place.signed(keys=(place.key_id, "another-secret")))


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "E3B0" * 16])
async def test_a_payload_that_is_not_signed_is_refused(place, payload):
    assert "payload" in await refused(place, place.signed(headers={"X-Amz-Content-SHA256": payload}))


async def test_a_signed_url_is_refused(place):
    url = presigned(f"{URL}/catalog", place.key_id, place.secret).removeprefix(URL)
    answer = await place.send(dict(HEADERS), "GET", url, b"")
    assert (answer.status_code, "signed URLs" in answer.json()["message"]) == (401, True)


async def test_a_token_is_refused_where_only_signatures_count_and_the_other_way_round(tmp_path):
    bearer = {**HEADERS, "Authorization": f"Bearer {TOKEN}"}
    seen = {}
    for auth in ("token", "sigv4", "both"):
        async for place in placed(tmp_path / auth, auth):
            answers = [await place.send(headers) for headers in (bearer, place.signed(), {})]
            seen[auth] = [one.status_code for one in answers]
    assert seen == {"token": [404, 401, 401], "sigv4": [401, 404, 401], "both": [404, 404, 401]}


async def test_the_body_of_a_stranger_is_read_within_the_limit_only(place):
    large = b'{"x":"' + b"a" * 300_000 + b'"}'
    assert "too large" in (await place.send(place.signed(body=large), body=large)).json()["message"]
    said = {"X-Amz-Content-SHA256": hashlib.sha256(large).hexdigest()}
    assert (await place.send(place.signed(body=large, headers=said), body=large)).status_code == 413


async def test_a_key_acts_within_its_scope_and_ends_when_it_is_revoked(place, monkeypatch):
    monkeypatch.setattr("engine.identity.gate.FRESH_SECONDS", 0.0)
    other = place.signed(headers={"X-Tenant-Id": "other"})
    assert (await place.send(other)).status_code == 403
    assert (await place.send(place.signed("GET", "/status", b""), "GET", "/status", b"")).status_code == 403
    fresh = await place.book.rotate("ci", 60)
    for keys in ((place.key_id, place.secret), (fresh.key_id, fresh.secret)):
        assert (await place.send(place.signed(keys=keys))).status_code == 404
    await place.book.revoke("ci")
    for keys in ((place.key_id, place.secret), (fresh.key_id, fresh.secret)):
        await refused(place, place.signed(keys=keys))


_words = st.text("abcXYZ019-_.~", min_size=1, max_size=8)
_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.strip)


@given(
    words=st.lists(_words.filter(lambda word: set(word) != {"."}), max_size=4),
    query=st.dictionaries(_words, _words, max_size=4),
    headers=st.dictionaries(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), _values, max_size=3),
    body=st.binary(max_size=40),
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
)
def test_every_request_that_botocore_signs_fits_and_with_one_byte_changed_does_not(words, query, headers, body, method):
    path, sent = "/" + "/".join(words), "&".join(f"{name}={value}" for name, value in query.items())
    given_headers = {name: value for name, value in headers.items() if not name.startswith("x-amz")}
    secret = "s" * 40
    made = signed(method, f"https://h.example.com{path}?{sent}", "K" * 20, secret, headers=given_headers, body=body)
    pairs = [(name.lower(), value) for name, value in made.items() if name.lower() != "authorization"]
    request = Signed(method, path, sent, pairs)
    claim = sigv4.claimed(made["Authorization"], request, REGION, time.time())
    digest = hashlib.sha256(body).hexdigest()
    assert sigv4.fits(claim, request, secret, digest)
    for other in (Signed(method, f"{path}x", sent, pairs), Signed(method, path, f"{sent}&y=1", pairs)):
        assert not sigv4.fits(claim, other, secret, digest)
    assert not sigv4.fits(claim, request, secret, hashlib.sha256(body + b"x").hexdigest())
    assert not sigv4.fits(claim, request, secret + "x", digest)


@given(text=st.text(max_size=300), rest=st.text(max_size=60))
def test_no_authorization_header_makes_it_fail_in_another_way(text, rest):
    request = Signed("GET", "/", "", [("host", "h"), ("x-amz-date", rest)])
    for header in (text, f"AWS4-HMAC-SHA256 Credential={text}", f"{_WHOLE}{rest}", _WHOLE):
        with pytest.raises(RequestError) as caught:
            sigv4.claimed(header, request, REGION, 0.0)
        assert caught.value.code == "UNAUTHORIZED"


_WHOLE = (
    f"AWS4-HMAC-SHA256 Credential={'K' * 20}/20260501/us-east-1/execute-api/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)
