"""What is secret, personal or an id is replaced, everywhere alike, by something that anybody sees is invented."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cases.fakes import fake
from engine.cases.scrub import Scrub, vocabulary
from engine.redact import sensitive_fields

NOTHING: frozenset[str] = frozenset()
JWT = (
    "eyJhbGciOiJIUzI1NiJ9."
    + base64.urlsafe_b64encode(b'{"sub":"binh","exp":1900000000}').decode().rstrip("=")
    + ".sig-sig"
)


def learned(tree: Any, schema: dict[str, Any] | None = None, words: frozenset[str] = NOTHING) -> Scrub:
    scrub = Scrub(words)
    scrub.learn(tree, "body", sensitive_fields(schema or {}))
    return scrub


@pytest.mark.parametrize(
    ("name", "value", "instead", "kind"),
    [
        ("receiverPhone", "0912345678", "0900000001", "phone number"),
        ("phone", "+84 912 345 678", "+84 900 000 001", "phone number"),
        ("note", "+84912345678", "+84900000001", "phone number"),
        ("receiver_name", "Trần Thị Bưởi", "Nguyen Van A", "name"),
        ("email", "buoi.tran@gmail.com", "person1@example.com", "e-mail address"),
        ("anything", "buoi.tran@gmail.com", "person1@example.com", "e-mail address"),
        ("street", "12 Lê Lợi", "1 Example Street", "address"),
        ("birthday", "1987-06-05", "1990-01-02", "date of birth"),
        ("ip", "113.161.1.2", "203.0.113.2", "IP address"),
        ("accessToken", "q8w7e6r5t4", "fake-access-token-0001", "credential"),
        ("orderId", 5123456789, 5000000001, "id"),
        ("orderId", "5123456789", "5000000001", "id"),
        ("order_code", "GAX9K2LM", "FAKE0001", "id"),
        ("order_code", "DH-7712093a", "xx-fake0001", "id"),
        ("ref", "0f8fad5b-d9cb-469f-a165-70867728950e", "00000000-0000-4000-8000-000000000001", "id"),
        ("whatever", "771209345566", "700000000001", "id"),
    ],
)
def test_a_value_is_known_by_its_name_or_its_form(name: str, value: Any, instead: Any, kind: str) -> None:
    scrub = learned({name: value})
    assert scrub.clean({name: value}) == {name: instead}
    assert scrub.counts() == {kind: 1}
    assert learned({name: instead}).replaced == [], "a fake is not replaced again"


@pytest.mark.parametrize(
    "tree",
    [
        {"total": 1234567890, "fee": 36300, "weight": 200, "codAmount": "1500000000"},
        {"createdAt": "2026-05-01T03:04:05Z", "created_time": 1777600000, "expires": 1777600000000},
        {"districtId": 1442, "wardCode": "20107", "code": 200, "error_code": "E100234", "type": 2},
        {"message": "Success", "status": "ready_to_pick", "ok": True, "none": None, "empty": ""},
        {"phone": "0900000001", "email": "person7@example.com", "apiKey": "fake-key-0000"},
        {"receiver": {"name": "Nguyen Van A", "address": "1 Example Street"}},
        {"vnp_CreateDate": "20260501030405"},
    ],
)
def test_amounts_times_codes_and_fakes_stay(tree: dict[str, Any]) -> None:
    assert learned(tree).clean(tree) == tree


def test_what_a_schema_marks_is_replaced_and_what_it_opens_is_not() -> None:
    schema = {
        "type": "object",
        "properties": {
            "ward": {"type": "string", "x-sensitive": True},
            "pass": {"type": "string", "writeOnly": True},
            "shopPhone": {"type": "string", "x-sensitive": False},
        },
    }
    tree = {"ward": "Bến Nghé", "pass": "abc", "shopPhone": "hotline"}
    assert learned(tree, schema).clean(tree) == {
        "ward": "Example ward 1",
        "pass": "fake-pass-0001",
        "shopPhone": "hotline",
    }


def test_the_same_value_has_the_same_fake_everywhere_also_inside_texts_keys_and_urls() -> None:
    name = "Trần Thị Bưởi"
    scrub = learned({"receiver": {"name": name, "phone": "0912345678"}, "orderId": "ord_7771112"})
    cleaned = scrub.clean(
        {
            "text": "Trần Thị Bưởi (TRẦN THỊ BƯỞI, Tran Thi Buoi, chị Bưởi) 0912345678.",
            "url": f"https://x.example/o/ord_7771112?n={quote(name)}&p=0912345678",
            "json": json.dumps({"n": name}),
            "by": {"ord_7771112": 1},
            "number": 912345678,
        }
    )
    written = json.dumps(cleaned, ensure_ascii=False)
    for left in ("Bưởi", "BƯỞI", "Buoi", "0912345678", "7771112", quote("Bưởi"), json.dumps("Bưởi")[1:-1]):
        assert left not in written
    assert written.count("0900000001") == 2
    (key,) = cleaned["by"]
    assert f"/o/{key}?" in cleaned["url"]


def test_a_single_word_is_replaced_as_the_whole_value_of_fields_that_mean_the_same() -> None:
    asked = {"receiver": {"name": "slow"}, "address": "Hanoi"}
    scrub = learned(asked)
    answer = {"err": "SLOW", "text": "slow", "customer_name": "slow", "error_name": "slow", "note": "a slowdown, slow",
              "Name": "Slow", "url": "https://slow.example/slow", "city": "Hanoi"}  # fmt: skip
    assert scrub.clean(asked) == {"receiver": {"name": "NameA"}, "address": "1 Example Street"}
    assert scrub.clean(answer) == {**answer, "customer_name": "NameA"}
    assert scrub.guard("").data({"text": "slow"}) == {"text": "slow"}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('{"name": "Binh", "state": "Binh"}', '{"name": "NameA", "state": "Binh"}'),
        ('"{\\"name\\":\\"Binh\\"}"', '"{\\"name\\":\\"NameA\\"}"'),
        ("<Name>Binh</Name><State>Binh</State>", "<Name>NameA</Name><State>Binh</State>"),
        ("name=Binh&state=Binh", "name=NameA&state=Binh"),
        ("Dear Binh, thank you", "Dear NameA, thank you"),
        ("binh@vendor.com and Binh@vendor.com", "binh@vendor.com and Binh@vendor.com"),
        ("Binhs are here, and Binh-Tay too", "Binhs are here, and Binh-Tay too"),
    ],
)
def test_inside_a_text_a_word_counts_in_its_field_and_a_name_in_a_sentence(text: str, cleaned: str) -> None:
    assert learned({"receiver": {"name": "Binh"}}).clean({"text": text}) == {"text": cleaned}


def test_an_e_mail_address_is_replaced_as_a_whole_or_not_at_all() -> None:
    tree: dict[str, Any] = {
        "customer": {"name": "Test Person"},
        "mail": "test@example.com",
        "more": ["test@vendor.com", "a Test for Person 7"],
    }
    assert learned(tree).clean({**tree, "text": "Person <test@example.com>"}) == {
        "customer": {"name": "Nguyen Van A"},
        "mail": "test@example.com",
        "more": ["person1@example.com", "a Nguyen for Name 7"],
        "text": "Name <test@example.com>",
    }
    secret = learned({"password": "pa55w0rd"})
    assert secret.clean("https://me:pa55w0rd@example.com/x") == "https://me:fake-password-0001@example.com/x"


def test_a_word_that_the_spec_uses_is_nobodys_name_in_a_sentence_and_its_codes_stay() -> None:
    words = vocabulary({"errors": [{"messageContains": ["person not found"], "by": "code", "codes": {"BINH": "x"}}]})
    scrub = learned({"customer": {"name": "Binh Person"}}, words=words)
    tree = {"said": "No Person Found", "err": "BINH", "name": "Binh Person"}
    assert scrub.clean(tree) == {**tree, "name": "Nguyen Van A"}


def test_an_output_under_another_name_is_compared_with_what_was_made() -> None:
    scrub = learned({"customer": {"name": "slow"}})
    assert scrub.clean_like({"who": "slow", "is": "slow"}, {"who": "NameA", "is": "slow"}) == {
        "who": "NameA",
        "is": "slow",
    }
    assert scrub.clean_like(["hello slow", "x"], ["hello NameA"]) == ["hello NameA", "x"]


def test_two_values_never_share_a_fake() -> None:
    people = [{"phone": f"09123456{n:02d}", "name": f"Le Thi {n:02d}xx", "id": f"ID{n:02d}778899"} for n in range(60)]
    tree = {"customer": people}
    cleaned = learned(tree).clean(tree)["customer"]
    for field in ("phone", "id", "name"):
        assert len({person[field] for person in cleaned}) == 60


def test_what_the_spec_itself_says_stays_unless_it_is_a_credential() -> None:
    spec = {"errors": [{"when": "body.ref == 'REF100200'"}], "tables": {"a": {"map": {"E12345678": "x"}}}}
    words = vocabulary(spec)
    tree = {"ref_no": "REF100200", "some_code": "E12345678", "password": "E12345678x", "other_ref": "REF100999"}
    assert learned(tree, words=words).clean(tree) == {
        "ref_no": "REF100200",
        "some_code": "E12345678",
        "password": "fake-password-0001",
        "other_ref": "FAKE00001",
    }


def test_a_jwt_keeps_its_times_and_nothing_else() -> None:
    made = fake("credential", JWT, "token", 3)
    payload = made.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims == {"sub": "fake-0003", "exp": 1900000000}


def test_a_value_in_an_encoded_form_is_found_by_the_guard() -> None:
    scrub = learned({"password": "correct horse"})
    echoed = {"auth": base64.b64encode(b"user:correct horse").decode()}
    assert scrub.clean(echoed) == echoed
    assert "***" in scrub.guard("").data(echoed)["auth"]


def test_a_fake_can_keep_the_form_character_by_character() -> None:
    scrub = learned({"password": "Ab1-cd2", "phone": "0912345678"})
    cleaned = scrub.clean({"password": "Ab1-cd2"})
    assert scrub.keep_form(cleaned["password"]) is True
    assert scrub.clean({"password": "Ab1-cd2"}) == {"password": "Xx0-xx1"}
    assert scrub.keep_form(cleaned["password"]) is False


def test_a_long_file_inside_json_is_replaced_as_a_whole() -> None:
    label = base64.b64encode(b"%PDF " + b"Tran Thi Buoi 0912345678 " * 30).decode()
    cleaned = learned({"pdf": label}).clean({"pdf": label})
    assert base64.b64decode(cleaned["pdf"]) == b"a fake file 1"


@given(st.sampled_from(["phone", "email", "name", "orderId", "password", "address", "x"]), st.text(max_size=30))
def test_no_text_makes_it_fail(name: str, value: str) -> None:
    tree = {"customer": {name: value, "note": f"{value} and {value}"}}
    scrub = learned(tree)
    cleaned = scrub.clean(tree)["customer"]
    for one in scrub.replaced:
        assert one.fake
        assert cleaned[name] != one.value


@given(st.integers(10**8, 10**25), st.sampled_from(["id", "orderId", "reference"]))
def test_a_number_stays_a_number(number: int, name: str) -> None:
    cleaned = learned({name: number, "d": Decimal("1.5")}).clean({name: number, "d": Decimal("1.5")})
    assert isinstance(cleaned[name], int)
    assert cleaned["d"] == Decimal("1.5")


def test_a_fake_file_begins_as_files_of_its_kind_do() -> None:
    """Outputs that tell a label's kind from its first bytes read the fake as they read the real one."""
    label = base64.b64encode(b"%PDF-1.4 Tran Thi Buoi 0912345678 " * 30).decode()
    cleaned = learned({"pdf": label}).clean({"pdf": label})
    assert base64.b64decode(cleaned["pdf"]) == b"%PDF-a fake file 1"
