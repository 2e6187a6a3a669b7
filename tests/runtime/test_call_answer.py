"""Steps 5 and 6 of a call: what an answer means, in which order that is decided, and what the caller gets of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CODES
from engine.model import Answer, Problem
from engine.plugins import Declaration, Registry
from tests.support.scene import KEY, replies, running
from tests.support.specs import action, fields, spec, text, whole
from tests.support.upstream import Handler, Reply, answer


async def called(tmp_path: Path, one: dict[str, Any], reply: Reply | Handler, **parts: Any) -> Answer:
    handler = reply if not isinstance(reply, Reply) else lambda _: reply
    async with running(tmp_path, spec(one, **parts), handler) as scene:
        done = await scene.call(one["actionId"])
        assert done.error is None or done.error.code in CODES
        return done


async def failed(tmp_path: Path, one: dict[str, Any], reply: Reply | Handler, **parts: Any) -> Problem:
    done = await called(tmp_path, one, reply, **parts)
    assert done.error is not None, done
    return done.error


BOOK = action("book", "write")


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "INVALID_INPUT", False),
        (401, "AUTH_FAILED", False),
        (402, "REJECTED", False),
        (403, "FORBIDDEN", False),
        (404, "NOT_FOUND", False),
        (408, "OUTCOME_UNKNOWN", False),
        (409, "CONFLICT", False),
        (410, "NOT_FOUND", False),
        (418, "REJECTED", False),
        (422, "INVALID_INPUT", False),
        (429, "RATE_LIMITED", True),
        (500, "OUTCOME_UNKNOWN", False),
        (503, "OUTCOME_UNKNOWN", False),
    ],
)
async def test_a_status_means_this_for_a_write_when_no_rule_says_more(
    tmp_path: Path, status: int, code: str, retryable: bool
) -> None:
    error = await failed(tmp_path, BOOK, answer({"message": "no"}, status))
    assert (error.code, error.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("status", "code"), [(408, "TIMEOUT"), (500, "PROVIDER_UNAVAILABLE"), (503, "PROVIDER_UNAVAILABLE")]
)
async def test_a_failing_provider_is_a_reason_to_try_a_read_again(tmp_path: Path, status: int, code: str) -> None:
    error = await failed(tmp_path, action(), answer({}, status))
    assert (error.code, error.retryable) == (code, True)


SPEAKS = {"success": "body.ok == `true`", "code": "body.code", "message": "body.message"}


async def test_the_providers_message_and_code_are_shown(tmp_path: Path) -> None:
    reply = answer({"code": "E-17", "message": "  No such\tward \u0007 "}, 404)
    error = await failed(tmp_path, action(), reply, answer=SPEAKS)
    assert (error.message, error.provider_code) == ("No such ward", "E-17")
    assert error.details == {"httpStatus": 404}


async def test_a_message_of_a_provider_is_cut_at_500_characters(tmp_path: Path) -> None:
    error = await failed(tmp_path, action(), answer({"message": "x" * 3000}, 404), answer=SPEAKS)
    assert len(error.message) == 500


@pytest.mark.parametrize("message", [None, 5, {"a": 1}, "", "   "])
async def test_a_message_that_is_no_text_is_replaced_by_ours(tmp_path: Path, message: Any) -> None:
    error = await failed(tmp_path, action(), answer({"message": message}, 404), answer=SPEAKS)
    assert error.message == "the provider knows no such thing (HTTP 404)"


async def test_an_answer_without_success_is_rejected(tmp_path: Path) -> None:
    error = await failed(tmp_path, BOOK, answer({"ok": False, "message": "out of area"}), answer=SPEAKS)
    assert (error.code, error.message, error.retryable) == ("REJECTED", "out of area", False)


async def test_a_rule_of_the_action_comes_before_one_of_the_integration_and_before_the_table(tmp_path: Path) -> None:
    own = action(errors=[{"when": "body.code == 'A'", "code": "CONFLICT"}])
    common = [{"by": "body.code", "codes": {"A": "FORBIDDEN", "B": "REJECTED"}}]
    codes = [
        (await failed(tmp_path / letter, own, answer({"code": letter}, 404), errors=common)).code for letter in "ABC"
    ]
    assert codes == ["CONFLICT", "REJECTED", "NOT_FOUND"]


async def test_a_rule_beats_a_success_and_a_success_is_asked_last(tmp_path: Path) -> None:
    rule = [{"when": "body.warning", "code": "REJECTED"}]
    assert (await failed(tmp_path, action(), answer({"ok": True, "warning": 1}), answer=SPEAKS, errors=rule)).code


@pytest.mark.parametrize(
    ("rule", "body", "matches"),
    [
        ({"status": [400, 404], "code": "CONFLICT"}, {}, True),
        ({"status": 400, "code": "CONFLICT"}, {}, False),
        ({"messageContains": ["no SUCH  thing"], "code": "CONFLICT"}, {"message": "Sorry: No such\n thing!"}, True),
        ({"messageContains": ["no such thing"], "code": "CONFLICT"}, {"message": 7}, False),
        ({"status": 404, "when": "body.a", "code": "CONFLICT"}, {"a": None}, False),
        ({"when": "length(body.a) > `1`", "code": "CONFLICT"}, {"a": None}, False),
        ({"by": "body.a", "codes": {"17": "CONFLICT"}}, {"a": 17}, True),
        ({"by": "body.a", "codes": {"17": "CONFLICT"}}, {"a": "17"}, True),
        ({"by": "body.a", "codes": {"17": "REJECTED"}, "other": "CONFLICT"}, {"a": 18}, True),
        ({"by": "body.a", "codes": {"17": "REJECTED"}, "other": "CONFLICT"}, {"a": None}, False),
        ({"by": "body.a", "codes": {"17": "REJECTED"}, "other": "CONFLICT"}, {"a": False}, False),
        ({"by": "body.a", "codes": {"17": "REJECTED"}, "other": "CONFLICT"}, {}, False),
        ({"effect": "read", "code": "CONFLICT", "status": 404}, {}, True),
        ({"effect": "write", "code": "CONFLICT", "status": 404}, {}, False),
    ],
)
async def test_a_rule_holds_when_all_its_matchers_hold(
    tmp_path: Path, rule: dict[str, Any], body: Any, matches: bool
) -> None:
    error = await failed(tmp_path, action(), answer(body, 404), answer=SPEAKS, errors=[rule])
    assert error.code == ("CONFLICT" if matches else "NOT_FOUND")


async def test_a_rule_may_say_everything_about_its_error(tmp_path: Path) -> None:
    rule = {
        "status": 409,
        "code": "CONFLICT",
        "retryable": True,
        "message": "join(' ', ['exists:', body.id])",
        "providerCode": "body.sub",
        "details": {"orderId": "body.id"},
        "retryAfter": "body.wait",
        "next": {"actionId": "quote", "input": {"id": "body.id"}},
    }
    one = action("book", "write", errors=[rule])
    reply = answer({"id": "o1", "sub": 7, "wait": 3}, 409)
    async with running(tmp_path, spec(one, action()), lambda _: reply) as scene:
        error = (await scene.call("book")).error
    assert error is not None
    assert (error.code, error.retryable, error.message) == ("CONFLICT", True, "exists: o1")
    assert (error.provider_code, error.retry_after_ms) == ("7", 3000)
    assert error.details == {
        "orderId": "o1",
        "next": {"actionId": "quote", "input": {"id": "o1"}},
        "httpStatus": 409,
    }


async def test_an_ok_rule_makes_a_success_of_a_refusal(tmp_path: Path) -> None:
    rule = {"status": 409, "ok": True, "output": {"id": "body.existing", "existed": {"$const": True}}}
    done = await called(tmp_path, action("book", "write", errors=[rule]), answer({"existing": "o1"}, 409))
    assert (done.success, done.data) == (True, {"id": "o1", "existed": True})


async def test_an_ok_rule_without_an_output_uses_the_actions(tmp_path: Path) -> None:
    one = action("book", "write", errors=[{"status": 409, "ok": True}])
    assert (await called(tmp_path, one, answer({"a": 1}, 409))).data == {"got": {"a": 1}}


HTML = Reply(200, {"content-type": "text/html"}, b"<!doctype html><title>Maintenance</title>")


async def test_a_web_page_with_status_200_is_no_answer_to_a_read(tmp_path: Path) -> None:
    error = await failed(tmp_path, action(), HTML, answer=SPEAKS)
    assert (error.code, error.retryable, error.details) == ("INVALID_RESPONSE", False, {})


@pytest.mark.parametrize("reply", [HTML, Reply(200, {"content-type": "application/json"}, b'{"ok": tr')])
async def test_after_a_write_an_answer_that_can_not_be_read_says_so(tmp_path: Path, reply: Reply) -> None:
    error = await failed(tmp_path, BOOK, reply)
    assert (error.code, error.retryable, error.details["outcome"]) == ("INVALID_RESPONSE", False, "unknown")


async def test_a_web_page_with_status_503_is_a_provider_that_is_down(tmp_path: Path) -> None:
    reply = Reply(503, {"content-type": "text/html"}, b"<html>down</html>")
    rule = [{"when": "body.code != 'fine'", "status": [200, 400], "code": "REJECTED"}]
    assert (await failed(tmp_path, action(), reply, answer=SPEAKS, errors=rule)).code == "PROVIDER_UNAVAILABLE"


async def test_a_rule_may_look_for_words_in_a_page_that_can_not_be_read(tmp_path: Path) -> None:
    rule = [{"status": 200, "when": "contains(text, 'Maintenance')", "code": "PROVIDER_UNAVAILABLE"}]
    assert (await failed(tmp_path, action(), HTML, errors=rule)).code == "PROVIDER_UNAVAILABLE"


async def test_an_empty_success_is_a_null_body(tmp_path: Path) -> None:
    one = action("cancel", "write", output={"done": {"$const": True}})
    assert (await called(tmp_path, one, Reply(204))).data == {"done": True}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_never_followed_and_takes_no_credential_anywhere(tmp_path: Path, status: int) -> None:
    def elsewhere(_: Any) -> Reply:
        return Reply(status, {"location": f"http://127.0.0.1:{port}/stolen"})

    from tests.support.upstream import Upstream

    async with Upstream(replies()) as other:
        port = other.port
        error = await failed(tmp_path, action(), elsewhere)
        assert (error.code, other.connections) == ("INVALID_RESPONSE", 0)


async def test_a_partial_success_names_what_failed(tmp_path: Path) -> None:
    one = action(
        "book_all",
        "write",
        partial={
            "each": "body.results",
            "failed": "item.error",
            "key": "item.id",
            "by": "item.error.code",
            "codes": {"full": {"code": "CONFLICT", "message": "item.error.text"}},
        },
        output={"count": "length(body.results)"},
    )
    good, bad = {"id": "a"}, {"id": "b", "error": {"code": "full", "text": "no seats"}}
    odd = {"id": "c", "error": {"code": "?"}}
    done = await called(tmp_path / "some", one, answer({"results": [good, bad, odd]}, 207))
    assert done.success
    assert done.data["count"] == 3
    assert [(f["key"], f["code"]) for f in done.data["failures"]] == [("b", "CONFLICT"), ("c", "REJECTED")]
    assert done.data["failures"][0]["message"] == "no seats"
    all_failed = await failed(tmp_path / "all", one, answer({"results": [bad, odd]}, 207))
    assert (all_failed.code, all_failed.message) == ("CONFLICT", "no seats")
    assert (await called(tmp_path / "none", one, answer({"results": [good]}, 207))).data == {"count": 1}


PROOF = {
    "scheme": "hmac-sha256",
    "text": "{{ answer.raw }}",
    "key": "{{ credentials.apiKey }}",
    "given": "headers.signature",
}


@pytest.mark.parametrize("good", [True, False])
async def test_an_answer_must_carry_its_signature_where_the_spec_wants_one(tmp_path: Path, good: bool) -> None:
    import hashlib
    import hmac

    body = b'{"amount": 10.50}'
    made = hmac.new(KEY.encode(), body if good else body + b" ", hashlib.sha256).hexdigest()
    reply = Reply(200, {"content-type": "application/json", "signature": made}, body)
    done = await called(tmp_path, action(verifyAnswer=[PROOF]), reply)
    assert done.success is good
    assert good or (done.error is not None and done.error.code == "INVALID_RESPONSE")


@pytest.mark.parametrize(("code", "good"), [("A1", True), ("A2", False), (None, False)])
async def test_a_plugin_may_compute_the_signature_of_an_answer(tmp_path: Path, code: str | None, good: bool) -> None:
    """The engine compares; a plugin that fails has proved nothing."""
    registry = Registry()
    registry.add(Declaration("signer", "acme_mac"), lambda given: f"{given.values['code']}/{given.key.hex()}", "a.py")
    proof = {"plugin": "acme_mac", "key": "{{ credentials.apiKey }}", "given": "body.mac"}
    body = {"mac": f"A1/{KEY.encode().hex()}", **({} if code is None else {"code": code})}
    made = spec(action(verifyAnswer=[proof]))
    async with running(tmp_path, made, lambda _seen: answer(body), registry=registry) as scene:
        done = await scene.call()
    assert done.success is good
    assert good or (done.error is not None and done.error.code == "INVALID_RESPONSE")


async def test_an_answer_without_its_signature_is_refused_and_a_failure_needs_none(tmp_path: Path) -> None:
    one = action("book", "write", verifyAnswer=[PROOF])
    error = await failed(tmp_path / "a", one, answer({"ok": True}))
    assert (error.code, error.details["outcome"]) == ("INVALID_RESPONSE", "unknown")
    assert (await failed(tmp_path / "b", one, answer({}, 404))).code == "NOT_FOUND"


OUT = fields(("id", "fee"), id=text(), fee=whole(), note=text())
MAPPED: dict[str, Any] = {
    "outputSchema": OUT,
    "output": {"id": "text(body.id)", "fee": "body.fee", "note": "body.note"},
}


async def test_an_output_is_mapped_and_an_optional_null_falls(tmp_path: Path) -> None:
    done = await called(tmp_path, action(**MAPPED), answer({"id": 17, "fee": 20_000, "note": None}))
    assert done.data == {"id": "17", "fee": 20_000}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"id": 1}, "fee is absent"),
        ({"id": 1, "fee": None}, "fee is absent"),
        ({"id": 1, "fee": "much"}, "fee must be integer, is string"),
        ({"id": 1, "fee": 1.5}, "fee must be integer, is number"),
        ({"id": 1, "fee": [1]}, "fee must be integer, is array"),
        ([], "fee is absent, id is absent"),
    ],
)
async def test_an_output_that_breaks_its_promise_is_an_invalid_response(tmp_path: Path, body: Any, says: str) -> None:
    """It names the fields and kinds, and never a value."""
    read = await failed(tmp_path / "read", action(**MAPPED), answer(body))
    assert (read.code, read.details) == ("INVALID_RESPONSE", {})
    assert read.message == f"the provider's answer lacks or misstates what this action promises: {says}"
    write = await failed(tmp_path / "write", action("book", "write", **MAPPED), answer(body))
    assert (write.code, write.details) == ("INVALID_RESPONSE", {"outcome": "unknown"})


async def test_a_name_of_the_providers_is_cut_and_no_value_is_told(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"got": {"type": "object", "additionalProperties": whole()}}}
    error = await failed(tmp_path, action(outputSchema=schema), answer({"n" * 200: "private"}))
    assert error.message.endswith(f"promises: got.{'n' * 64} must be integer, is other")
    open_ended = {"type": "object", "properties": {"got": text(enum=["a" * 90, "b" * 90])}}
    error = await failed(tmp_path / "2", action(outputSchema=open_ended, output={"got": "body.x"}), answer({"x": "c"}))
    assert error.message.endswith(f"got must be one of {'a' * 85}")


async def test_an_output_query_that_raises_is_an_invalid_response(tmp_path: Path) -> None:
    one = action(output={"n": "length(body.list)"})
    assert (await failed(tmp_path, one, answer({"list": None}))).code == "INVALID_RESPONSE"


async def test_numbers_of_an_answer_keep_their_digits(tmp_path: Path) -> None:
    body = b'{"price": 0.1, "big": 12345678901234567890, "long": 3.00000000000000000001}'
    reply = Reply(200, {"content-type": "application/json"}, body)
    done = await called(tmp_path, action(), reply)
    assert done.data["got"] == {
        "price": Decimal("0.1"),
        "big": 12345678901234567890,
        "long": Decimal("3.00000000000000000001"),
    }


@pytest.mark.parametrize(
    ("kind", "body", "got"),
    [
        ("application/xml", b"<r><a x='1'>2</a></r>", {"r": {"a": {"@x": "1", "#text": "2"}}}),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y", {"a": "1", "b": "x y"}),
        ("text/plain", b"OK", "OK"),
        ("text/html", b'{"a": 1}', {"a": 1}),
        ("application/pdf", b"%PDF", {"contentType": "application/pdf", "base64": "JVBERg=="}),
    ],
)
async def test_an_answer_is_read_in_the_form_that_it_has(tmp_path: Path, kind: str, body: bytes, got: Any) -> None:
    assert (await called(tmp_path, action(), Reply(200, {"content-type": kind}, body))).data == {"got": got}


async def test_read_values_are_computed_on_the_answer_and_see_those_before(tmp_path: Path) -> None:
    one = action(read={"first": "body.rows[0]", "name": "read.first.name"}, output={"name": "read.name"})
    assert (await called(tmp_path, one, answer({"rows": [{"name": "x"}]}))).data == {"name": "x"}


@pytest.mark.parametrize(
    ("plan", "code", "message"),
    [
        ({"message": "body.msg", "code": "text(message)"}, "limit reached", "limit reached"),
        ({"message": "text(code)", "code": "body.no"}, "7", "7"),
    ],
)
async def test_the_code_and_the_message_may_be_made_of_each_other(
    tmp_path: Path, plan: dict[str, str], code: str, message: str
) -> None:
    error = await failed(tmp_path, BOOK, answer({"msg": "limit reached", "no": 7}, 400), answer=plan)
    assert (error.provider_code, error.message.split(" (HTTP")[0]) == (code, message)
