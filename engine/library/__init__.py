"""The pure functions of the language: filters in templates, functions in queries, one meaning.

Values are plain JSON (`str int Decimal bool None list dict`; `bytes` only out of `digest`). Null in, null out.
What can't be done raises `LibraryError`, which names the function and the kind of value, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.library import encode, lists, numbers, pairs, tables, text, times
from engine.library.absent import ABSENT
from engine.library.function import Function, LibraryError
from engine.library.tables import Table

__all__ = ["ABSENT", "LIBRARY", "Function", "LibraryError", "Table"]

_PAIRS = ("only", "skip", "sort", "encode", "blank", "between", "join", "unique")

_ROWS = (
    # lists and objects
    Function("find", lists.find, ("key", "value"), nullable=True, required=2),
    Function("entries", lists.entries, nullable=True),
    Function("list", lists.as_list, nullable=True),
    Function("lookup", tables.lookup, ("table",), required=1),
    Function("intersect", lists.intersect, ("y",), required=1),
    Function("messages", lists.messages, nullable=True),
    # numbers
    Function("add", numbers.add, ("y",), required=1),
    Function("sub", numbers.sub, ("y",), required=1),
    Function("mul", numbers.mul, ("y",), required=1),
    Function("div", numbers.div, ("y",), required=1),
    Function("decimal", numbers.decimal),
    Function("fixed", numbers.fixed, ("n",), required=1),
    Function("integer", numbers.integer),
    Function("nonzero", numbers.nonzero, nullable=True),
    # times
    Function("time", times.time, ("format", "zone"), required=1),
    Function("from_time", times.from_time, ("format", "zone")),
    Function("plus", times.plus, ("n", "unit"), required=2),
    Function("seconds_until", times.seconds_until, wants_now=True),
    Function("seconds_between", times.seconds_between, ("y",), required=1),
    # encodings
    Function("digest", encode.digest, ("algorithm",), required=1),
    Function("hex", encode.hex_text),
    Function("base64", encode.base64),
    Function("html", encode.html),
    Function("percent", encode.percent),
    Function("json", encode.json),
    Function("parse_json", encode.parse_json),
    Function("jwt_expiry", encode.jwt_expiry, nullable=True),
    # pairs
    Function("pairs", pairs.pairs, options=_PAIRS),
    Function("kv", pairs.kv, ("name", "which"), required=1),
    Function("link", pairs.link, ("rel",), required=1),
    # texts
    Function("text", text.text),
    Function("recode", tables.recode, ("table",), required=1),
    Function("lower", text.lower),
    Function("upper", text.upper),
    Function("unaccent", text.unaccent),
    Function("keep", text.keep, ("allowed",), required=1),
    Function("truncate_bytes", text.truncate_bytes, ("n",), required=1),
    Function("squash", text.squash),
    Function("before", text.before, ("mark",), required=1),
    Function("after", text.after, ("mark",), required=1),
    Function("last_segment", text.last_segment),
)

LIBRARY: Mapping[str, Function] = MappingProxyType({row.name: row for row in _ROWS})
"""All functions by the name that a spec calls them by."""
