"""Fields are masked by their names and by what schemas say about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.redact import NO_SCHEMA, mask_fields, sensitive_fields


def names(text: str) -> list[str]:
    return text.split()


SECRET_NAMES = names(
    "password PASSWORD userPassword customer_password passwd pwd secret clientSecret client_secret webhookSecret "
    "token Token accessToken access_token refresh-token X-Auth-Token apiKey api_key apikey APIKey X-Api-Key "
    "privateKey consumerKey authorization Authorization Proxy-Authorization cookie Set-Cookie cookies credentials "
    "otp otpCode pin cvv cardNumber jwt accesstoken hashSecret sessionId authorizationCode"
)
PERSONAL_NAMES = names(
    "phone toPhone to_phone RECEIVER_PHONE phoneNumber phone2 phones mobile tel pick_tel msisdn email "
    "emailAddress e_mail_address contactEmail address toAddress to_address addresses addressLine1 line2 "
    "shippingAddress street hamlet toName to_name receiverName RECEIVER_FULLNAME receivername firstName last_name "
    "fullName buyerName customer_name contactName username userName nickname idNumber id_number nationalId "
    "passportNumber cccd dateOfBirth birthday payerIp vnp_IpAddr ipAddress bankAccount accountNumber"
)
OPEN_NAMES = names(
    "name NAME itemName productName shopName serviceName fileName code trackingCode orderCode amount cod "
    "weightGram province ward status addressId phoneType emailStatus nationalIdType tokenType token_type "
    "tokenExpiresAt token_expires_in description key idempotencyKey note to from quantity signature telecast "
    "pinned tokenization mailing"
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_credentials_are_masked_in_every_spelling(name):
    assert mask_fields({name: "v", "x": [{name: 12}]}) == {name: "***", "x": [{name: "***"}]}


@pytest.mark.parametrize("name", PERSONAL_NAMES)
def test_names_of_personal_data_are_masked_in_every_spelling(name):
    assert mask_fields({name: "v", "x": {name: 12}}) == {name: "•••", "x": {name: "•••"}}


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_other_names_are_shown(name):
    assert mask_fields({name: "v"}) == {name: "v"}


def test_a_name_is_personal_inside_a_person_only():
    value = {
        "receiver": {"name": "A", "ward": "B"},
        "to": {"name": "A"},
        "guests": [{"name": "A"}],
        "item": {"name": "A"},
    }
    assert mask_fields(value) == {
        "receiver": {"name": "•••", "ward": "B"},
        "to": {"name": "•••"},
        "guests": [{"name": "•••"}],
        "item": {"name": "A"},
    }


def test_personal_objects_keep_their_shape_and_secret_ones_do_not():
    value = {"address": {"street": "1 A", "lines": ["x", None, True, ""]}, "credentials": {"a": "b"}, "tokens": []}
    assert mask_fields(value) == {
        "address": {"street": "•••", "lines": ["•••", None, True, ""]},
        "credentials": "***",
        "tokens": [],
    }


def test_null_and_booleans_tell_nothing_and_stay():
    value = {"password": None, "hasPassword": True, "phone": "", "isNewToAddress": False}
    assert mask_fields(value) == value


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "partnerCode": {"type": "string", "writeOnly": True},
        "recipient": {"$ref": "#/$defs/party"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"memo": {"x-sensitive": True}}}},
        "codes": {"type": "array", "items": {"type": "string", "x-sensitive": True}},
        "storeAddress": {"type": "string", "x-sensitive": False},
        "password": {"type": "string", "x-sensitive": False},
        "extra": {"type": "object", "additionalProperties": {"type": "string", "x-sensitive": True}},
        "either": {"oneOf": [{"properties": {"a": {"x-sensitive": True}}}, {"properties": {"b": {"writeOnly": True}}}]},
        "tree": {"$ref": "#/$defs/node"},
    },
    "$defs": {
        "party": {"type": "object", "properties": {"alias": {"x-sensitive": True}, "name": {"type": "string"}}},
        "node": {
            "properties": {
                "v": {"x-sensitive": True},
                "next": {"$ref": "#/$defs/node"},
                "all": {"items": {"$ref": "#/$defs/node"}},
            }
        },
    },
}


def test_a_schema_says_what_is_sensitive_at_any_depth():
    value = {
        "partnerCode": "P",
        "recipient": {"alias": "A", "name": "N", "city": "C"},
        "lines": [{"memo": "m", "sku": "s"}],
        "codes": ["a", "b"],
        "storeAddress": "shown",
        "password": "never",
        "extra": {"x": "1"},
        "either": {"a": "1", "b": "2", "c": "3"},
        "tree": {"v": 1, "next": {"v": 1, "next": {"v": 1, "w": 2}}, "all": [{"all": [{"v": 1, "w": 2}]}]},
        "unknown": {"phone": "1", "v": "2"},
    }
    assert mask_fields(value, sensitive_fields(SCHEMA)) == {
        "partnerCode": "***",
        "recipient": {"alias": "•••", "name": "•••", "city": "C"},
        "lines": [{"memo": "•••", "sku": "s"}],
        "codes": ["•••", "•••"],
        "storeAddress": "shown",
        "password": "***",
        "extra": {"x": "•••"},
        "either": {"a": "•••", "b": "***", "c": "3"},
        "tree": {
            "v": "•••",
            "next": {"v": "•••", "next": {"v": "•••", "w": 2}},
            "all": [{"all": [{"v": "•••", "w": 2}]}],
        },
        "unknown": {"phone": "•••", "v": "2"},
    }


def test_one_definition_used_for_a_person_and_a_thing_masks_the_name_of_the_person_only():
    party = {"type": "object", "properties": {"name": {"type": "string"}}}
    for order in (["warehouse", "receiver"], ["receiver", "warehouse"]):
        schema = {"properties": dict.fromkeys(order, party)}
        masked = mask_fields({"receiver": {"name": "A"}, "warehouse": {"name": "B"}}, sensitive_fields(schema))
        assert masked == {"receiver": {"name": "•••"}, "warehouse": {"name": "B"}}


def test_several_schemas_add_up_and_a_sensitive_root_hides_everything():
    both = sensitive_fields({"properties": {"a": {"writeOnly": True}}}, {"properties": {"b": {"x-sensitive": True}}})
    assert mask_fields({"a": "1", "b": "2"}, both) == {"a": "***", "b": "•••"}
    assert mask_fields({"a": ["1"]}, sensitive_fields({"x-sensitive": True})) == {"a": ["•••"]}


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*SECRET_NAMES, *PERSONAL_NAMES, *OPEN_NAMES]), inner)
    ),
)


@given(trees, st.sampled_from([NO_SCHEMA, sensitive_fields(SCHEMA)]))
def test_masking_is_idempotent_and_leaves_the_value_alone(tree, sensitive):
    before = repr(tree)
    once = mask_fields(tree, sensitive)
    assert mask_fields(once, sensitive) == once
    assert repr(tree) == before


@given(trees)
def test_no_text_under_a_sensitive_name_survives(tree):
    def check(value: Any, covered: bool) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, covered or key in SECRET_NAMES or key in PERSONAL_NAMES)
        elif isinstance(value, list):
            for item in value:
                check(item, covered)
        elif covered and not isinstance(value, bool):
            assert value in {None, "", "***", "•••"}

    check(mask_fields(tree), covered=False)


def test_endless_new_keys_and_deep_values_are_taken():
    for at in range(3_000):
        assert mask_fields({f"key{at}": 1, f"phone{at}": 1}) == {f"key{at}": 1, f"phone{at}": "•••"}
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    assert mask_fields(deep)
