"""The jobs, as a careful developer writes them by hand: what is sent, and what of the answer is given back.

Every contestant does them, also in the peers' environment: nothing but the standard library is imported here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """`body` is made anew for each call; None: nothing is sent. `answer`: the JSON that the provider sends."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Callable[[], Mapping[str, Any] | None]
    result: Callable[[Any], object]
    answer: bytes


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# ---------------------------------------------------------------- a fee: twelve fields there, 612 bytes back

BODY: Mapping[str, Any] = {
    "service_type_id": 2,
    "to_district_id": 1442,
    "to_ward_code": "20101",
    "weight": 1200,
    "insurance_value": 500000,
    "from_district_id": 1454,
    "length": 15,
    "width": 15,
    "height": 15,
    "cod_value": 0,
    "coupon": None,
}
FEE_BYTES = 612
_FEE_PARTS = [
    "insurance_fee",
    "pick_station_fee",
    "coupon_value",
    "r2s_fee",
    "return_again",
    "document_return",
    "double_check",
    "cod_fee",
    "pick_remote_areas_fee",
    "deliver_remote_areas_fee",
    "cod_failed_fee",
    "change_to_address_fee",
    "change_return_address_fee",
    "return",
]
_FEE = {
    "code": 200,
    "message": "Success",
    "data": {"total": 36300, "service_fee": 36300, **dict.fromkeys(_FEE_PARTS, 0)},
}


def result(answer: Mapping[str, Any]) -> object:
    """What the caller wants to know of a fee."""
    return {"fee": answer["data"]["total"], "currency": "VND"}


FEE = Job(
    "fee",
    "POST",
    "/v2/shipping-order/fee",
    {"Token": "00000000-1111-4222-8333-444444444444", "ShopId": "5000001"},
    lambda: BODY,
    result,
    _compact(_FEE).ljust(FEE_BYTES),
)

# ---------------------------------------------------------------- a payment: signed with HMAC-SHA256

PARTNER, ACCESS_KEY, SECRET_KEY = "FAKEPARTNER", "fake-access-key-0000", "fake-secret-key-0000"
PAYMENT: Mapping[str, Any] = {
    "amount": 50000,
    "orderId": "DH-1001",
    "orderInfo": "Thanh toan don hang DH-1001",
    "redirectUrl": "https://shop.example.com/thanks",
    "ipnUrl": "https://shop.example.com/paid",
}
_SIGNED = [
    "amount",
    "extraData",
    "ipnUrl",
    "orderId",
    "orderInfo",
    "partnerCode",
    "redirectUrl",
    "requestId",
    "requestType",
]


def _payment() -> Mapping[str, Any]:
    body = {
        "partnerCode": PARTNER,
        "lang": "vi",
        "requestType": "captureWallet",
        "requestId": uuid.uuid4().hex,
        "extraData": "",
        **PAYMENT,
    }
    text = f"accessKey={ACCESS_KEY}&" + "&".join(f"{name}={body[name]}" for name in _SIGNED)
    return {**body, "signature": hmac.new(SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()}


def _paid(answer: Mapping[str, Any]) -> object:
    if answer["resultCode"] != 0:
        raise RuntimeError(answer["message"])
    return {
        "paymentId": answer["orderId"],
        "paymentUrl": answer["payUrl"],
        "status": "pending",
        "amount": answer["amount"],
        "currency": "VND",
        "qrContent": answer["qrCodeUrl"],
        "deeplink": answer["deeplink"],
    }


_PAYMENT_ANSWER = {
    "partnerCode": PARTNER,
    "orderId": PAYMENT["orderId"],
    "requestId": "a request of its own",
    "amount": PAYMENT["amount"],
    "responseTime": 1700000000666,
    "message": "Giao dịch thành công.",
    "resultCode": 0,
    "payUrl": "https://pay.example.com/v2/gateway/pay?t=RkFLRXxESC0xMDAx",
    "deeplink": "fakepay://?action=pay&amount=50000&orderId=DH-1001",
    "qrCodeUrl": "https://pay.example.com/v2/gateway/app?isScanQr=true&t=RkFLRXxESC0xMDAx",
}
SIGNED = Job("signed", "POST", "/v2/gateway/api/create", {}, _payment, _paid, _compact(_PAYMENT_ANSWER))

# ---------------------------------------------------------------- a list: long answers


def products(rows: int) -> list[dict[str, Any]]:
    """As the provider lists them, about 178 bytes each."""
    return [
        {
            "id": f"{100000 + n}",
            "sku": f"TEA-{n:05}",
            "title": f"Trà sen Tây Hồ, hộp số {n}",
            "price": {"amount": 125000 + n, "currency": "VND"},
            "stock": n % 90,
            "status": "active",
            "updated_at": "2026-01-01T08:00:00Z",
        }
        for n in range(rows)
    ]


def _listing(name: str, rows: int) -> Job:
    answer = _compact({"code": 200, "items": products(rows)})
    return Job(name, "GET", "/v2/products", FEE.headers, lambda: None, _products, answer)


def _products(answer: Mapping[str, Any]) -> object:
    found = [
        {
            "productId": item["id"],
            "sku": item["sku"],
            "name": item["title"],
            "price": item["price"]["amount"],
            "currency": item["price"]["currency"],
            "quantity": item["stock"],
            "status": item["status"],
        }
        for item in answer["items"]
    ]
    return {"products": found}


SHORT, LONG = _listing("short list", 12), _listing("long list", 600)

JOBS: Mapping[str, Job] = {job.name: job for job in (FEE, SIGNED, SHORT, LONG)}
