"""What the official library accepts, and nothing else."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from engine.events.sign import new_secret, signed

SECRET, OTHER = new_secret(), new_secret()
BODY = '{"type":"payment.paid","data":{"name":"Nguyễn Văn A"}}'.encode()


def headers(*secrets: str, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    return dict(signed(secrets, "01JTXK3V9QW8Z2M4N6P8R0S2T4", int(time.time() if at is None else at), body))


def test_the_official_library_accepts_it() -> None:
    assert Webhook(SECRET).verify(BODY, headers(SECRET))["data"] == {"name": "Nguyễn Văn A"}


@given(st.text(min_size=1, max_size=200).filter(lambda text: "\r" not in text), st.text("abc012", min_size=1))
def test_it_is_what_the_official_library_signs(body: str, message_id: str) -> None:
    raw = body.encode("utf-8", "replace")
    at = datetime.fromtimestamp(1_800_000_000, UTC)
    (_, _, (_, ours)) = signed([SECRET], message_id, 1_800_000_000, raw)
    assert ours == Webhook(SECRET).sign(message_id, at, raw.decode())


def test_while_one_secret_follows_another_both_are_accepted() -> None:
    both = headers(SECRET, OTHER)
    for one in (SECRET, OTHER):
        Webhook(one).verify(BODY, both)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, both)


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "old"])
def test_anything_changed_is_refused(change: str) -> None:
    sent = headers(SECRET, at=time.time() - 3600 if change == "old" else None)
    body = BODY
    if change == "body":
        body = BODY.replace(b"paid", b"lost")
    elif change == "webhook-timestamp":
        sent[change] = str(int(sent[change]) + 1)
    elif change != "old":
        sent[change] = headers(OTHER)[change] if change == "webhook-signature" else "another"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, sent)


def test_secrets_are_32_random_bytes_as_the_standard_writes_them() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(one.startswith("whsec_") and len(Webhook(one)._whsecret) == 32 for one in made)
