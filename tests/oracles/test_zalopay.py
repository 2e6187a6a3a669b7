"""ZaloPay: what the spec sends and believes, held to MACs that the vendor's own code made.

Vectors: dossier payment-zalopay, section 3, and those marked SDK below. All were made by running the vendor's SDK
(github.com/zalopay-oss/zalopay-nodejs 0.4.0, commit 6e334cc; it is in no npm registry) with the app of its own tests.
The two that the SDK has no call for, the refund with a fee and the list of banks, follow the documented rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.model import Case, Turn
from engine.cases.replay import staged
from engine.catalog import Catalog
from engine.compiled.scope import Scope
from engine.diagnostics import Position
from engine.locations import schemas_dir, specs_dir
from engine.model import Command
from engine.plugins import SignInput
from engine.runtime.explain import explain
from engine.runtime.inputs import truth
from engine.spec.load import load_catalog
from tests.oracles.account import Account, account

ID = "payment-zalopay"
CONFIG = {"appId": "2554", "environment": "sandbox", "refundFees": True}
CREDENTIALS = {"key1": "sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn", "key2": "trMrHtvjo6myautxDUiAcYsVtaeQ8nhf"}
NOW = "2023-04-07T06:22:13.635Z"
"""1680848533635, the time of the vectors."""

ORDER = {"paymentId": "230407_13221300383", "payerId": "user123", "amount": 50000, "description": "order"}
REFUND = {"refundId": "230407_2554_13221300383", "transactionId": "230407000001234", "amount": 50000}
GOODS = [{"code": "A-1", "name": "Áo dài | đỏ", "price": 198400, "quantity": 1}]

# Action, input, and what of the request must be so, the MAC with it.
SENT: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "create, SDK: an order without items": (
        "create_payment",
        ORDER,
        {"item": "[]", "embed_data": "{}", "mac": "4caca58ffa2a1b392232f40ff812c2bb5f36d7f3f5d0c549ec6a26ae331cbdbe"},
    ),
    "create, SDK: letters with marks, bars, JSON in texts": (
        "create_payment",
        {
            **ORDER,
            "payerId": "Nguyễn Văn A|1",
            "items": GOODS,
            "methods": ["vietqr"],
            "returnUrl": "https://shop.example.com/paid?a=1&b=2",
        },
        {
            "item": '[{"itemid":"A-1","itemname":"Áo dài | đỏ","itemprice":198400,"itemquantity":1}]',
            "embed_data": '{"redirecturl":"https://shop.example.com/paid?a=1&b=2","preferred_payment_method":["vietqr"]}',
            "mac": "0164cdc7bb9c12b3620e9fed5f5b1576445ca4074d606ebdc957df952914e377",
        },
    ),
    "query: 2554|230407_13221300383|<key1>": (
        "get_payment_status",
        {"paymentId": "230407_13221300383"},
        {"mac": "7cec9f5d7de580a55c25a2ed92b42cf4f802a8d0c0beb87c5009b1865665b43c"},
    ),
    "refund: 2554|1680848533635|50000|refund|1680848533635": (
        "refund_payment",
        {**REFUND, "transactionId": "1680848533635", "reason": "refund"},
        {"zp_trans_id": "1680848533635", "mac": "34b4a56853d365aa20694b2f8413c4c8205b7e5e53b94ff99b3de183128bab0e"},
    ),
    "refund, SDK: letters with marks and a bar": (
        "refund_payment",
        {**REFUND, "reason": "Hoàn tiền | đơn 1"},
        {"mac": "bc56a6514964b11960915f26b830d5f965edadad700a519d2610b84a5d1b9786"},
    ),
    "refund with a fee: 2554|230407000001234|50000|500|refund|1680848533635": (
        "refund_payment",
        {**REFUND, "reason": "refund", "feeAmount": 500},
        {"refund_fee_amount": 500, "mac": "f0d14ab1cb8546068f44faede4b53e002b6c7a5dfcbf0ac4e2e6572478402684"},
    ),
    "query_refund: 2554|230407_2554_13221300383|1680848533635": (
        "get_refund_status",
        {"refundId": "230407_2554_13221300383"},
        {"mac": "3c48fefef8a0a63347f632e1efa09a9b8842eab07c409eb9a3539fb4fea85c65"},
    ),
    "banks: 2554|1680848533635": (
        "list_payment_methods",
        {},
        {"appid": "2554", "mac": "ff4a31f964e7e65145adbc2c56138abec57cddea97bddea0a9cfc90ca82f446b"},
    ),
}

DATA = (
    '{"app_id":2554,"app_trans_id":"230407_13221300383","app_time":1680848533635,"app_user":"user123","amount":50000'
    ',"embed_data":"{}","item":"[]","zp_trans_id":230407000001234,"server_time":1680848600000'
    ',"channel":38,"merchant_user_id":"abc","user_fee_amount":0,"discount_amount":0}'
)
CALLBACKS = {
    "dossier": (DATA, "55658ea5259d82a02a24dd62c29b10ab2477bd0e289da6228131557bc7a1be2b"),
    "SDK: letters with marks": (
        DATA.replace("user123", "Nguyễn Văn A"),
        "bcd439d7cbfca581761cbaf2b6bce4ed90f45a078906050fc0239d6ee1501b72",
    ),
}

some = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@cache
def catalog() -> Catalog:
    return load_catalog([specs_dir() / ID], open_registry(), schemas_dir())


async def sent(action: str, given_input: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request at the moment of the vectors, as it would leave."""
    fixed = {"now": NOW, "config": CONFIG, "credentials": CREDENTIALS, "input": given_input}
    turn = Turn(action, fixed, frozenset(fixed), (), False, True, None, {}, None, None)
    stage = await staged(Case("a vector", ID, "dossier", False, (turn,), Position("here", 1, 1)), catalog())
    command = Command(
        tenant_id=stage.connection.tenant_id,
        connection_id=stage.connection.connection_id,
        action_id=action,
        input=dict(given_input),
    )
    body = (await explain(stage.engine, command, stage.connection)).request.body.decode()
    return dict(parse_qsl(body)) if action == "list_payment_methods" else json.loads(body)


@pytest.fixture(scope="module")
def merchant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("zalopay")
    with account(folder, ID, config=CONFIG, credentials=CREDENTIALS) as made:
        yield made


def outcome(merchant: Account, message: Mapping[str, Any]) -> str:
    body = json.dumps(message, ensure_ascii=False).encode()
    return merchant.read("POST", "", body, **{"content-type": "application/json"}).outcome


@pytest.mark.parametrize("name", SENT)
async def test_a_request_carries_the_mac_of_the_vendor(name: str) -> None:
    action, asked, expected = SENT[name]
    body = await sent(action, asked)
    assert {key: body.get(key) for key in expected} == expected


def test_the_vector_that_no_request_can_be_is_signed_by_the_same_fields() -> None:
    """`item` is the word "item" there, and a request of ours has a JSON text in its place."""
    (block,) = catalog().integrations[ID].actions["create_payment"].sign["mac"]
    values = {
        "app_id": 2554,
        "app_trans_id": "230407_13221300383",
        "app_user": "user123",
        "amount": 50000,
        "app_time": 1680848533635,
        "embed_data": "{}",
        "item": "item",
    }
    signed = SignInput(values=values, fields=block.fields, key=CREDENTIALS["key1"].encode())
    made = catalog().signers[str(block.plugin)](signed)
    assert made == "6d2c87577af20b4786d89729d64dc7820c5c462afd91e4c5b49353f83376ac81"


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_with_the_mac_of_the_vendor_is_believed(merchant: Account, name: str) -> None:
    data, mac = CALLBACKS[name]
    assert outcome(merchant, {"data": data, "mac": mac, "type": 1}) == "understood"


@some
@given(place=st.integers(0, len(DATA) - 1), letter=st.characters(codec="utf-8"))
def test_a_callback_with_another_letter_is_refused(merchant: Account, place: int, letter: str) -> None:
    data = DATA[:place] + letter + DATA[place + 1 :]
    mac = CALLBACKS["dossier"][1]
    assert outcome(merchant, {"data": data, "mac": mac, "type": 1}) == ("understood" if data == DATA else "refused")


@some
@given(given_mac=st.text(max_size=70) | st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=3))
def test_a_callback_with_another_mac_is_refused(merchant: Account, given_mac: Any) -> None:
    assert outcome(merchant, {"data": DATA, "mac": given_mac, "type": 1}) == "refused"


@pytest.mark.parametrize(("return_code", "is_proof"), [(2, False), (3, True)])
def test_an_order_that_nobody_made_proves_no_keys_by_having_failed(return_code: int, is_proof: bool) -> None:
    """The connection test asks about such an order: any refusal but "not found" may speak of a wrong app."""
    plan = catalog().integrations[ID].test
    assert plan is not None
    assert plan.accept == {"NOT_FOUND"}
    assert plan.expect is not None
    assert truth(plan.expect, Scope({"body": {"return_code": return_code, "sub_return_code": -2}})) is is_proof
