"""Why a proof does not fit is said in an author's words, and said of nothing that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.cases.doubt import doubt_of
from engine.events.interpret import Known
from engine.runtime.message import Message
from tests.events.messages import MADE, NOW, SECRET, SIGNED, message, signed, webhook

BODY = {"id": 1}
EQUAL = {"scheme": "equals", "given": "request.key", "key": "{{ webhook.token }}"}
STAMPED = {**SIGNED, "timestamp": {"value": 'headers."x-time"', "toleranceSeconds": 5}}
PLAIN = {"scheme": "sha256", "text": "{{ request.raw }}{{ credentials.apiKey }}", "given": 'headers."x-signature"'}
PLUGIN = {"plugin": "acme_mac", "key": "{{ credentials.apiKey }}", "given": 'headers."x-signature"'}


def why(folder: Path, came: Message, *verify: dict[str, Any], **credentials: str) -> str:
    made = webhook(folder, verify=list(verify))
    signers = {"acme_mac": lambda given: given.key.hex() + str(given.values["code"])}
    return doubt_of(made, came, Known({"shop": "s1"}, credentials, MADE, signers, NOW))


def test_nothing_is_said_of_a_proof_that_fits(tmp_path: Path) -> None:
    assert why(tmp_path, signed(BODY), SIGNED, apiKey=SECRET) == ""


def test_the_signature_that_would_fit_is_said_beside_the_one_that_came(tmp_path: Path) -> None:
    right = signed(BODY).headers["x-signature"]
    came = signed(BODY, **{"x-signature": "0000"})
    assert why(tmp_path, came, SIGNED, apiKey=SECRET) == f'computed {right} over {{"id": 1}}, given 0000'


@pytest.mark.parametrize(
    ("verify", "came", "words"),
    [
        (SIGNED, message(b"{}"), 'no signature: headers."x-signature" is absent'),
        ({**SIGNED, "when": "body.a"}, signed(BODY), "the `when` of no proof holds"),
        ({**SIGNED, "key": "{{ credentials.other }}"}, signed(BODY), "no key: credentials.other is not given"),
        (
            {**SIGNED, "key": ["{{ credentials.other }}", "{{ config.shop ~ credentials.other }}"]},
            signed(BODY),
            "no key: credentials.other or config.shop or credentials.other is not given",
        ),
        (SIGNED, message(), "no text to sign: it is empty"),
        ({**PLAIN, "text": "{{ credentials.other }}"}, signed(BODY), "no text to sign: credentials.other is not given"),
        (STAMPED, signed(BODY, **{"x-time": "5"}), f"timestamp: 5 is not within 5 s of {NOW:.0f}"),
        (STAMPED, signed(BODY), f"timestamp: null is not within 5 s of {NOW:.0f}"),
        (EQUAL, message(b"{}", key="other"), f"computed {MADE['token']}, given other"),
        ({**SIGNED, "also": [EQUAL]}, signed(BODY), "also 1: no signature: request.key is absent"),
        (PLUGIN, signed({"code": 7}, **{"x-signature": "x"}), f"computed {SECRET.encode().hex()}7, given x"),
        ({"scheme": "refuse"}, signed(BODY), "the scheme of this proof is refuse"),
        (
            {**SIGNED, "scheme": "ecdsa-p256-sha256", "key": "{{ config.shop }}"},
            message(b"a", **{"x-signature": "00"}),
            "00 fits no key over a",
        ),
    ],
)
def test_what_is_missing_or_different_is_named(
    verify: dict[str, Any], came: Message, words: str, tmp_path: Path
) -> None:
    assert why(tmp_path, came, verify, apiKey=SECRET) == words


def test_a_digest_of_a_text_with_the_secret_is_computed_too(tmp_path: Path) -> None:
    said = why(tmp_path, message(b"a", **{"x-signature": "00"}), PLAIN, apiKey=SECRET)
    assert said.startswith("computed ")
    assert said.endswith(f" over a{SECRET}, given 00")


def test_the_proof_of_a_handshake_is_looked_at_where_one_holds(tmp_path: Path) -> None:
    block = {"verify": [SIGNED], "handshakes": [{"when": "body.hello", "verify": [EQUAL], "answer": {"status": 200}}]}
    made = webhook(tmp_path, **block)
    known = Known({}, {"apiKey": SECRET}, MADE, {}, NOW)
    assert doubt_of(made, signed({"hello": True}), known) == "no signature: request.key is absent"
    assert doubt_of(made, signed({"hello": False}), known) == ""
