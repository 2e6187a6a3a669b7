"""What may be seen by nobody: secrets by value, fields by name or schema, messages of others.

Three doors: `Masker` knows the secrets of one connection and finds them in any text, however encoded;
`mask_fields` masks by the names of keys and by what schemas say; `clean_message` makes a foreign text showable.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from operator import is_
from typing import Any, Final
from urllib.parse import quote

import orjson

STARS: Final = "***"
DOTS: Final = "•••"
MIN_SECRET: Final = 8
"""Shorter secrets would hit innocent texts by chance; they are masked by field only."""

_LONGEST_PIECE = 4000
_MAX_DEPTH = 200


# ---------------------------------------------------------------- secrets by value


_RUN = re.compile("[A-Za-z0-9]+")


class _Form:
    """One text to be found: a secret itself, or what base64 makes of its inner bytes.

    `core` is the longest run of letters and digits. No encoding changes these, so a text without it is clean,
    and most texts are told clean by that alone. The pattern, one group of spellings per character, is made
    when it is first needed; RE2 runs it in linear time, whatever a tenant chose as secret.
    """

    __slots__ = ("_compiled", "core", "form")

    def __init__(self, form: str) -> None:
        self.form = form
        self.core = max(_RUN.findall(form), key=len, default="")
        self._compiled: Any = None

    def mask(self, text: str) -> str:
        if self.core not in text:
            return text
        if self._compiled is None:
            import re2  # most texts hold no secret

            options = re2.Options()
            options.max_mem = 64 << 20
            options.log_errors = False  # it would write the pattern, which is the secret, to stderr
            options.longest_match = True
            self._compiled = re2.compile("".join(map(_spellings, self.form)), options)
        return str(self._compiled.sub(STARS, text))


class Masker:
    """Masks the secrets of one connection (each of 8 characters or more) wherever they stand.

    Found are: the raw text, percent- and form-encoded, JSON-escaped, these nested in each other once, and base64
    at its three alignments in both alphabets. Texts without a secret are returned as they are, the same object.
    """

    __slots__ = ("_cores", "_forms", "_raw_cores")

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {piece for secret in secrets for piece in _pieces(_whole(secret).strip())}
        forms = {form for secret in known for form in (secret, *_base64_cores(secret.encode()))}
        self._forms = tuple(_Form(form) for form in sorted(forms, key=lambda form: (-len(form), form)))
        self._cores = tuple(dict.fromkeys(form.core for form in self._forms))
        self._raw_cores = tuple(core.encode() for core in self._cores)

    def text(self, text: str) -> str:
        """The text with `***` for each secret."""
        return self._mask(text) if self._is_in(text) else text

    def _is_in(self, text: str) -> bool:
        for core in self._cores:  # noqa: SIM110 - `any` costs twice, and every call comes by here
            if core in text:
                return True
        return False

    def data(self, tree: Any) -> Any:
        """The tree with every text, key and number masked; the same object where nothing was found."""
        if isinstance(tree, str):
            return self.text(tree)
        return self._walk(tree, 0) if self._suspects(tree) else tree

    def may_hold(self, written: bytes) -> bool:
        """False when this JSON text surely holds no secret. True asks for `data` of its value, before it is written:

        masking the text itself could cut an escape or a number in two.
        """
        if written.isascii():  # a text is searched for less than bytes, but not where characters grow wide
            return self._is_in(written.decode())
        for core in self._raw_cores:  # noqa: SIM110 - `any` costs twice, and every call comes by here
            if core in written:
                return True
        return False

    def _suspects(self, tree: Any) -> bool:
        if not self._forms:
            return False
        try:
            written = orjson.dumps(tree, default=str, option=orjson.OPT_NON_STR_KEYS)
        except TypeError:  # an integer beyond 64 bits, half of a surrogate pair, deep nesting
            return self._suspects_slowly(tree)
        return self.may_hold(written)

    def _suspects_slowly(self, tree: Any) -> bool:
        try:
            written = repr(tree)
        except (RecursionError, ValueError):  # too deep, or an integer of more digits than Python writes
            return True
        return any(core in written for core in self._cores)

    def _mask(self, text: str) -> str:
        masked = _whole(text)
        while True:  # each round is shorter: a mask may stand where it makes a new hit (a secret of stars)
            before = masked
            for form in self._forms:
                masked = form.mask(masked)
            if masked == before:
                return masked

    def _walk(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, Decimal, float)):
            return value if self._is_clean(value) else STARS
        if depth > _MAX_DEPTH:
            return STARS
        if isinstance(value, Mapping):
            return {self._walk(key, depth + 1): self._walk(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._walk(item, depth + 1) for item in value]
        return value if self._is_clean(value) else STARS

    def _is_clean(self, value: Any) -> bool:
        try:
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        except ValueError:  # an integer of more digits than Python writes
            return False
        return self.text(text) == text


def _pieces(secret: str) -> Iterable[str]:
    """The secret in even parts that a pattern can be made of; none where it is too short to be looked for."""
    if len(secret) < MIN_SECRET:
        return ()
    size = math.ceil(len(secret) / math.ceil(len(secret) / _LONGEST_PIECE))
    return (secret[at : at + size] for at in range(0, len(secret), size))


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which no encoding can carry."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _base64_cores(secret: bytes) -> Iterable[str]:
    """The characters that depend on nothing but the secret, when 0, 1 or 2 bytes stand before it in its group."""
    for ahead in range(3):
        text = base64.b64encode(b"\0" * ahead + secret).decode()
        yield text[-(-8 * ahead // 6) : 8 * (ahead + len(secret)) // 6]


def _spellings(char: str) -> str:
    """A pattern of all the ways in which encodings write one character."""
    if char.isascii() and char.isalnum():
        return char
    escaped = {json.dumps(char)[1:-1], json.dumps(char, ensure_ascii=False)[1:-1], _unicode_escape(char), "\\" + char}
    escaped |= {json.dumps(text, ensure_ascii=False)[1:-1] for text in escaped}  # JSON written into JSON
    plain = {char, *escaped, *{"+": "-", "/": "_", " ": "+"}.get(char, "")}
    once = {quote(text, safe="") for text in plain} | {quote(text, safe="\\") for text in plain}
    twice = {quote(text, safe="") for text in once}
    return "(?:" + "|".join(_folded(text) for text in sorted(plain | once | twice)) + ")"


def _unicode_escape(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def _folded(text: str) -> str:
    """Hex digits of an escape match in both cases; a character alone matches only itself."""
    pattern = "".join(f"\\x{{{ord(char):x}}}" for char in text)
    return f"(?i:{pattern})" if len(text) > 1 else pattern


# ---------------------------------------------------------------- fields by name and schema


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = _words_of(
    "password passwd pwd passphrase passcode secret token jwt bearer authorization cookie credential otp pin cvv cvc "
    "apikey accesskey secretkey privatekey signingkey encryptionkey sharedkey consumerkey masterkey authkey wskey "
    "sessionkey sessionid authcode authorizationcode verificationcode codeverifier cardnumber cardno"
)
_SECRET_ENDS = ("password", "passwd", "secret", "token", "apikey")
_PERSONS = _words_of(
    "receiver recipient sender to from customer buyer contact person owner holder payer payee guest shipper consignee "
    "consignor user member employee attendee invitee organizer subscriber cardholder passenger patient student"
)
_NAME_OF = _PERSONS | _words_of(
    "first last middle full given family sur maiden nick legal pick pickup return delivery billing shipping"
)
_PERSONAL_WORDS = _words_of(
    "phone mobile tel telephone msisdn whatsapp fax email address addr street hamlet line1 line2 housenumber passport "
    "ssn cccd cmnd idnumber idcard identitynumber nationalid citizenid personalid birth birthday birthdate dob gender "
    "ip iban accountnumber bankaccount latitude longitude"
) | {word + "name" for word in _NAME_OF}
_PERSONAL_ENDS = ("phone", "mobile", "email", "address", "fullname", "firstname", "lastname")
_ABOUT_SECRETS = _words_of("type at in expiry expires expired count")
_ABOUT_PERSONS = _words_of(
    "id type kind count status state code country verified valid format template setting option mode required enabled "
    "source label version"
)
_MAX_SEEN = 1024
_SCALARS: Final = frozenset((str, int, bool, float, Decimal, type(None)))

_OPEN = "open"  # a schema says `x-sensitive: false`


class Sensitive:
    """What one level of a value may show: compiled from schemas, filled up by the names of keys as they come."""

    __slots__ = ("items", "kind", "open", "others", "person", "properties", "seen")

    def __init__(self, *, person: bool = False) -> None:
        self.kind: str | None = None  # STARS, DOTS or _OPEN
        self.person = person  # a person's object: its `name` is personal
        self.properties: dict[str, Sensitive] = {}
        self.others: Sensitive | None = None
        self.items: Sensitive | None = None
        self.seen: dict[str, tuple[str | None, Sensitive]] = {}
        self.open: set[str] = set()  # the keys of `seen` that hide nothing by their name

    def of_key(self, key: str) -> tuple[str | None, Sensitive]:
        """The mask for this key's value (None: look inside) and what its inside may show."""
        judged = self.seen.get(key)
        if judged is None:
            judged = self._judge(key)
            if len(self.seen) >= _MAX_SEEN:  # keys may come from outside, without end
                self.seen.clear()
                self.open.clear()
            self.seen[key] = judged
            if judged[0] is None:
                self.open.add(key)
        return judged

    def of_item(self) -> Sensitive:
        return self.items or (_OF_PERSON if self.person else NO_SCHEMA)

    def _judge(self, key: str) -> tuple[str | None, Sensitive]:
        said = self.properties.get(key, self.others)
        words = _words(key)
        inside = said or (_OF_PERSON if _is_person(words) else NO_SCHEMA)
        if said and said.kind in (STARS, DOTS):
            return said.kind, inside
        named = _kind(words) or (DOTS if self.person and words == ["name"] else None)
        return (None if named == DOTS and said and said.kind == _OPEN else named), inside


NO_SCHEMA: Final = Sensitive()
_OF_PERSON: Final = Sensitive(person=True)


def sensitive_fields(*schemas: Mapping[str, Any]) -> Sensitive:
    """What values of these JSON Schemas may show.

    `writeOnly: true` marks secrets, `x-sensitive: true` personal data; `x-sensitive: false` lets a personal-looking
    name be shown. Followed are properties, items, additionalProperties, patternProperties, the combining keywords
    and references inside the schema.
    """
    root = Sensitive()
    for schema in schemas:
        _Reading(schema).add(schema, root)
    return root


def mask_fields(value: Any, sensitive: Sensitive = NO_SCHEMA) -> Any:
    """The value with `***` for secrets and `•••` for personal data; the same object where nothing is hidden.

    Null, booleans and empty texts stay.
    """
    if sensitive.kind in (STARS, DOTS):
        return _blot(value, sensitive.kind)
    return _show_object(value, sensitive, 1) if isinstance(value, dict) else _show(value, sensitive, 0)


def _show(value: Any, sensitive: Sensitive, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return STARS
    if isinstance(value, dict):
        return _show_object(value, sensitive, depth + 1)
    if isinstance(value, list):
        inside = sensitive.of_item()
        if inside.kind in (STARS, DOTS):
            return [_blot(item, inside.kind) for item in value]
        shown = [_show(item, inside, depth + 1) if isinstance(item, (dict, list)) else item for item in value]
        return value if all(map(is_, shown, value)) else shown
    return value


def _show_object(value: dict[str, Any], sensitive: Sensitive, depth: int) -> dict[str, Any]:
    if sensitive.open.issuperset(value) and _SCALARS.issuperset(map(type, value.values())):
        return value  # most objects of most log rows
    shown, seen = value, sensitive.seen
    for key, item in value.items():
        kind, inside = seen.get(key) or sensitive.of_key(key)
        if kind is not None:
            masked = _blot(item, kind)
        elif type(item) in _SCALARS:
            continue
        else:
            masked = _show(item, inside, depth)
        if masked is not item:
            shown = value.copy() if shown is value else shown
            shown[key] = masked
    return shown


def _blot(value: Any, kind: str | None, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return value
    if kind == STARS or depth > _MAX_DEPTH:
        return STARS
    if isinstance(value, dict):
        return {key: _blot(item, kind, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_blot(item, kind, depth + 1) for item in value]
    return DOTS


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(key)]


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def _is_person(words: list[str]) -> bool:
    if not words:
        return False
    last = _singular(words[-1])
    return last in _PERSONS and (len(words) == 1 or last not in ("to", "from"))


def _kind(words: list[str]) -> str | None:
    if _says(words, _SECRET_WORDS, _SECRET_ENDS, _ABOUT_SECRETS):
        return STARS
    return DOTS if _says(words, _PERSONAL_WORDS, _PERSONAL_ENDS, _ABOUT_PERSONS) else None


def _says(words: list[str], known: frozenset[str], ends: tuple[str, ...], about: frozenset[str]) -> bool:
    """Up to three words side by side, written together, are known; `phoneType` is only *about* a phone."""
    for start in range(len(words)):
        for stop in range(start + 1, min(start + 3, len(words)) + 1):
            joined = "".join(words[start:stop])
            hit = joined in known or _singular(joined) in known or _singular(joined).endswith(ends)
            if hit and (stop == len(words) or _singular(words[-1]) not in about):
                return True
    return False


class _Reading:
    """One schema being read. A part that is met again gives the same node, so references may run in circles."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._nodes: dict[tuple[int, bool], Sensitive] = {}
        self._met: set[tuple[int, int]] = set()

    def add(self, schema: Any, node: Sensitive) -> None:
        """Add what `schema` says to `node`."""
        if not isinstance(schema, Mapping) or (id(schema), id(node)) in self._met:
            return
        self._met.add((id(schema), id(node)))
        if schema.get("writeOnly") is True:
            node.kind = STARS
        elif node.kind != STARS and isinstance(schema.get("x-sensitive"), bool):
            node.kind = DOTS if schema["x-sensitive"] else node.kind or _OPEN
        self._add_parts(schema, node)
        for keyword in ("allOf", "anyOf", "oneOf"):
            for one in schema.get(keyword) or ():
                self.add(one, node)
        for keyword in ("if", "then", "else"):
            self.add(schema.get(keyword), node)
        self.add(_referred(schema.get("$ref"), self._root), node)

    def _add_parts(self, schema: Mapping[str, Any], node: Sensitive) -> None:
        for key, part in _mapping(schema.get("properties")).items():
            node.properties[key] = self._part(part, node.properties.get(key), person=_is_person(_words(key)))
        for part in (schema.get("additionalProperties"), *_mapping(schema.get("patternProperties")).values()):
            if isinstance(part, Mapping):
                node.others = self._part(part, node.others, person=False)
        if isinstance(schema.get("items"), Mapping):
            node.items = self._part(schema["items"], node.items, person=node.person)

    def _part(self, schema: Any, known: Sensitive | None, *, person: bool) -> Sensitive:
        key = (id(schema), person)
        if known is None and key in self._nodes:
            return self._nodes[key]
        node = known or self._nodes.setdefault(key, Sensitive(person=person))
        self.add(schema, node)
        return node


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _referred(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
    return found


# ---------------------------------------------------------------- messages of others

_BLANKS = dict.fromkeys((*range(0x09, 0x0E), 0x85, 0x2028, 0x2029), " ")
_CONTROLS: Mapping[int, str | None] = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), None),
    **dict.fromkeys((0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF), None),
    **dict.fromkeys(range(0xD800, 0xE000), None),
    **_BLANKS,
}


def clean_message(text: str, masker: Masker, limit: int = 500) -> str:
    """A provider's text as it may be shown: masked, without control and direction characters, `limit` long at most."""
    cleaned = masker.text(masker.text(text).translate(_CONTROLS)).strip()
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
