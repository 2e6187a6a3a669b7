"""What a plugin may be, and how it is found."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.library import LIBRARY, Function, LibraryError
from engine.plugins import (
    AUTHOR_NAMES,
    Declaration,
    PluginError,
    PluginFault,
    Registry,
    SignInput,
    TokenRequest,
    TokenState,
    load_plugins,
    spell,
)

MAC = '''
"""Joins fields with a bar."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib import parse

from engine.plugins import PluginFault, SignInput, signer, spell


@dataclass(frozen=True)
class Part:
    name: str
    optional: bool


@signer("bar_mac")
def bar_mac(given: SignInput) -> str:
    parts = [Part(name.removesuffix("?"), name.endswith("?")) for name in given.fields]
    for part in parts:
        if part.name not in given.values and part.name != "=key" and not part.optional:
            raise PluginFault(f"field {part.name} is missing")
    values = {**given.values, "=key": given.key.decode() if "=key" in given.fields else ""}
    texts = [spell(values[part.name]) for part in parts if part.name in values]
    return hmac.new(given.key, "|".join(texts).encode(), hashlib.sha256).hexdigest()
'''

TOKENS = """
from engine.plugins import TokenRequest, TokenState, refresher


@refresher("two_ways")
def two_ways(state: TokenState) -> TokenRequest | None:
    url = f"https://{state.config['shop']}/token"
    if state.refresh:
        return TokenRequest(url, json={"refresh_token": state.refresh})
    if state.access:
        return TokenRequest(url, json={"subject_token": state.access})
    return None
"""

SLOTS = """
from engine.plugins import function


@function("free_slots")
def free_slots(busy, start, end, minutes=30, *, zone="UTC"):
    return [start, end, minutes, zone, len(busy)]


@function("or_else", nullable=True)
def or_else(x, other):
    return other if x is None else x
"""


def plugins(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def loaded(tmp_path: Path, source: str) -> Registry:
    return load_plugins(plugins(tmp_path, one=source))


def test_a_signer_sees_values_with_their_types_and_gives_only_the_text(tmp_path: Path) -> None:
    """The refund and query texts of dossier payment-zalopay, section 3 (vendor SDK zalopay-nodejs)."""
    sign = loaded(tmp_path, MAC).signer("bar_mac")
    key = b"sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn"
    refund = {
        "app_id": 2554,
        "zp_trans_id": "1680848533635",
        "amount": 50000,
        "description": "refund",
        "timestamp": 1680848533635,
    }
    fields = ("app_id", "zp_trans_id", "amount", "refund_fee_amount?", "description", "timestamp")
    made = sign(SignInput(values=refund, fields=fields, key=key))
    assert made == "34b4a56853d365aa20694b2f8413c4c8205b7e5e53b94ff99b3de183128bab0e"
    query = SignInput(
        values={"app_id": 2554, "app_trans_id": "230407_13221300383"},
        fields=("app_id", "app_trans_id", "=key"),
        key=key,
    )
    assert sign(query) == "7cec9f5d7de580a55c25a2ed92b42cf4f802a8d0c0beb87c5009b1865665b43c"


def test_what_a_plugin_cannot_do_names_fields_and_never_values(tmp_path: Path) -> None:
    sign = loaded(tmp_path, MAC).signer("bar_mac")
    with pytest.raises(PluginError, match=r'^signer "bar_mac": field amount is missing$'):
        sign(SignInput(fields=("amount",), key=b"k"))
    with pytest.raises(PluginError, match="not list"):
        sign(SignInput(fields=("amount",), values={"amount": ["secret"]}, key=b"k"))
    with pytest.raises(PluginError, match=r"UnicodeDecodeError at .*one\.py:\d+$"):
        sign(SignInput(fields=("=key",), key=b"\xff"))


def test_an_error_inside_a_plugin_does_not_quote_what_it_worked_on(tmp_path: Path) -> None:
    registry = loaded(
        tmp_path, "from engine.plugins import signer\n@signer('x')\ndef x(given):\n    return {}[given.text]\n"
    )
    with pytest.raises(PluginError) as failure:
        registry.signer("x")(SignInput(text=b"secret-text"))
    assert str(failure.value) == f'signer "x": KeyError at {tmp_path / "one.py"}:4'
    assert failure.value.__cause__ is None


def test_a_signer_that_gives_no_text_is_an_error(tmp_path: Path) -> None:
    registry = loaded(tmp_path, "from engine.plugins import signer\n@signer('x')\ndef x(given):\n    return b'abc'\n")
    with pytest.raises(PluginError, match="must not return bytes"):
        registry.signer("x")(SignInput())


def test_a_refresher_chooses_between_token_calls(tmp_path: Path) -> None:
    refresh = loaded(tmp_path, TOKENS).refresher("two_ways")
    config = {"shop": "a.example.com"}
    first = refresh(TokenState(epoch=0, refresh="r", access="a", config=config))
    second = refresh(TokenState(epoch=0, access="a", config=config))
    assert first == TokenRequest("https://a.example.com/token", json={"refresh_token": "r"})
    assert second == TokenRequest("https://a.example.com/token", json={"subject_token": "a"})
    assert refresh(TokenState(epoch=0, config=config)) is None


def test_a_function_joins_the_library_with_its_parameters(tmp_path: Path) -> None:
    functions = loaded(tmp_path, SLOTS).functions
    slots = functions["free_slots"]
    shape = Function("free_slots", slots.call, ("start", "end", "minutes"), ("zone",), nullable=False, required=2)
    assert slots == shape
    assert slots.call([1], "a", "b", zone="X") == ["a", "b", 30, "X", 1]
    assert slots.call(None, "a", "b") is None
    assert functions["or_else"].call(None, 3) == 3
    with pytest.raises(LibraryError, match=r'^function "free_slots": TypeError at .*one\.py:\d+$'):
        slots.call(5, "a", "b")


def test_printing_what_a_plugin_gets_shows_no_secret() -> None:
    secret = "sk_live_abcdef"
    given = SignInput(
        base="https://a.example.com/x",
        query=(("q", secret),),
        headers={"h": secret},
        values={"v": secret},
        raw=secret.encode(),
        text=secret.encode(),
        fields=("amount",),
        key=secret.encode(),
        extra={"e": secret},
        nonce=secret,
    )
    state = TokenState(1.0, secret, secret, 2.0, 3.0, {"c": secret}, {"c": secret}, {"c": secret})
    request = TokenRequest("https://a.example.com/token", form={"s": secret}, headers={"h": secret})
    for shown in (repr(given), repr(state), repr(request)):
        assert secret not in shown
    assert "amount" in repr(given)


def test_a_token_request_has_one_body() -> None:
    with pytest.raises(PluginFault, match="not both"):
        TokenRequest("https://a.example.com", form={}, json={})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (10000, "10000"),
        (True, "true"),
        (Decimal("10.0"), "10"),
        (Decimal("0.50"), "0.5"),
        (2**70, str(2**70)),
    ],
)
def test_spell_writes_a_value_as_it_stands_on_the_wire(value: Any, text: str) -> None:
    assert spell(value) == text


@pytest.mark.parametrize("value", [None, [], {}, b"x", 1.5])
def test_spell_refuses_what_is_no_scalar(value: Any) -> None:
    with pytest.raises(PluginFault, match=type(value).__name__):
        spell(value)


def test_an_unknown_name_answers_with_the_known_ones(tmp_path: Path) -> None:
    registry = load_plugins(plugins(tmp_path, mac=MAC + "\n\nalias = bar_mac\n", tokens=TOKENS))
    with pytest.raises(PluginError, match=r'^unknown signer "bar_mca" \(did you mean "bar_mac"\? known: bar_mac\)$'):
        registry.signer("bar_mca")
    with pytest.raises(PluginError, match=r'^unknown refresher "bar_mac" \(known: two_ways\)$'):
        registry.refresher("bar_mac")


def test_a_name_that_is_taken_is_refused_with_both_files(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r'^signer "bar_mac" is declared in .*first\.py and again in .*second\.py$'):
        load_plugins(plugins(tmp_path, first=MAC, second=MAC))
    with pytest.raises(PluginError, match="part of the library"):
        load_plugins(plugins(tmp_path, first=SLOTS.replace("or_else", "base64"), second=""), reserved=LIBRARY)


def test_signers_and_functions_may_share_a_name() -> None:
    registry = Registry()
    registry.add(Declaration("signer", "acme"), lambda _: "s", "a.py")
    registry.add(Declaration("function", "acme"), lambda x: x, "a.py")
    assert (set(registry.signers), set(registry.functions), set(registry.refreshers)) == ({"acme"}, {"acme"}, set())


def starred(*texts: str) -> str:
    return "".join(texts)


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [("bad-name", len, "snake_case"), ("Bad", len, "snake_case"), ("stars", starred, "no \\*args")],
)
def test_a_bad_declaration_is_refused_with_its_file(name: str, call: Any, message: str) -> None:
    with pytest.raises(PluginError, match=rf"^a\.py: function .*{message}"):
        Registry().add(Declaration("function", name), call, "a.py")


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import socket, json",
        "import engine.errors",
        "import engine.plugins",
        "from engine import plugins",
        "from engine.plugins import Registry",
        "from engine.plugins import load_plugins as signer",
        "from engine.plugins import *",
        "from engine.runtime.encode import query_pairs",
        "from . import other",
        "from .other import x",
        "import urllib",
        "import urllib.request",
        "from urllib import request",
        "from random import random",
        "from decimal import setcontext",
        "import time",
        "x = open('/etc/passwd')",
        "x = eval('1')",
        "x = __import__('os')",
        "x = getattr(1, 'real')",
        "x = __builtins__",
        "x = (1).__class__",
        "from datetime import datetime\nx = datetime.now()",
        "from datetime import date\nx = date.today",
        "def f():\n    import os",
        "count = 0\ndef f():\n    global count",
        "print('x')",
    ],
)
def test_a_plugin_that_is_not_pure_is_refused_before_it_runs(tmp_path: Path, line: str) -> None:
    evidence = tmp_path / "ran"
    source = f"import pathlib\npathlib.Path({str(evidence)!r}).touch()\n" if line == "import os" else ""
    lines = line.count("\n") + 1
    with pytest.raises(PluginError, match=rf"one\.py:({'|'.join(map(str, range(1, lines + 3)))}): .*") as refusal:
        loaded(tmp_path, source + line + "\n")
    assert "a plugin" in str(refusal.value) or "engine.plugins" in str(refusal.value)
    assert not evidence.exists()


def test_the_first_impurity_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"one\.py:3: a plugin must not import subprocess; it may import engine\.plugins, "
    ):
        loaded(tmp_path, "import json\n\nimport subprocess\nimport os\n")
    with pytest.raises(
        PluginError, match=r'one\.py:1: unknown name of engine\.plugins "singer" \(did you mean "signer"\?'
    ):
        loaded(tmp_path, "from engine.plugins import singer\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def x(:\n", r"one\.py:1: "),
        ("x = 1 / 0\n", r"one\.py: ZeroDivisionError at .*one\.py:1$"),
        ("x = '\x00'\n", r"one\.py"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_an_error_with_its_place(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        loaded(tmp_path, source)


def test_each_file_is_a_module_of_its_own_and_only_its_own_functions_count(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first = plugins(tmp_path / "a", same=MAC, _private="import os\n")
    second = plugins(tmp_path / "b", same=MAC.replace("bar_mac", "other"))
    registry = load_plugins(first, second)
    assert set(registry.signers) == {"bar_mac", "other"}


def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such directory"):
        load_plugins(tmp_path / "gone")


def test_every_author_name_exists_and_says_what_it_is() -> None:
    import engine.plugins as surface

    assert all(getattr(surface, name).__doc__ for name in AUTHOR_NAMES)


def test_a_marked_function_still_works_as_itself(tmp_path: Path) -> None:
    """A plugin's own tests call it directly."""
    from engine.plugins import signer

    @signer("mine")
    def mine(given: SignInput) -> str:
        return hmac.new(given.key, given.raw, hashlib.sha1).hexdigest()

    assert mine(SignInput(key=b"k", raw=b"r")) == hmac.new(b"k", b"r", hashlib.sha1).hexdigest()
