"""Takes secrets, ids and personal data out of a recorded call: each value has one fake, wherever it stands.

What is taken out: every credential, token and free setting of the account; what schemas mark (`writeOnly`,
`x-sensitive`); what is called like a secret, a person's data or an id; what looks like a phone number, an e-mail
address, a UUID, a JWT or a long number. What the spec itself says (codes, enums, table keys) is vocabulary and stays,
unless it is a credential. Times and amounts stay, and what is a fake already.

A value is replaced wherever it stands, also inside texts. Not so a single short word ("slow" as a name): it may be
anything elsewhere, so it is replaced only as the whole value of a field that means the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any

from engine.cases.fakes import EMAIL, FAKE_FAMILY, Kind, fake, is_fake, words_of
from engine.cases.kinds import is_amount, is_id, is_of_answer, leaves, named, personal, shapes, text_of
from engine.cases.words import SPELLINGS, Words
from engine.frozen import slotted
from engine.library import exact
from engine.redact import DOTS, NO_SCHEMA, STARS, Masker, Sensitive

_SHORTEST_INSIDE = 4  # of a value that is looked for inside longer texts
_SURELY_ITSELF = 12  # characters of a value that needs no edges of words around it
_KINDS_OF_TOKENS = frozenset({"bearer", "basic", "access_token", "refresh_token", "id_token"})
"""What answers about tokens say of their kind, in fields that are called like secrets."""
_WORD_KINDS = frozenset({"name", "address", "personal value"})
_QUOTED = re.compile(r"'([^']*)'|`\"?([^`\"]*)\"?`")


@slotted
class Replaced:
    """One value with its fake. `place` is where it was first found."""

    kind: Kind
    place: str
    key: str
    value: str = field(repr=False)
    fake: str = ""
    keeps_form: bool = False
    names: set[tuple[str, ...]] = field(default_factory=set)
    """Of all fields in which it was found, in words."""

    @property
    def is_word(self) -> bool:
        """It may mean something else in other places."""
        return self.kind in _WORD_KINDS and self.value.isalpha() and len(self.value) < _SURELY_ITSELF

    def is_in(self, key: str) -> bool:
        """Whether a field of this name means the same."""
        return tuple(words_of(key)) in self.names or (named(key) == self.kind and not is_of_answer(key))


class Scrub:
    """Learn all values first (`learn…`), then `clean` trees and texts. `vocabulary`: texts that stay."""

    def __init__(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._known: dict[str, Replaced] = {}
        self._fixed: dict[str, str] = {}
        self._fakes: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._secrets: re.Pattern[str] | None = None
        self._words = Words({}, {}, vocabulary)
        self._is_ready = False

    # ------------------------------------------------------------ learning

    def learn_secrets(self, tree: Any, place: str) -> None:
        """Every text and number inside is a credential."""
        for key, text, where in leaves(tree, place, place.rpartition(".")[2]):
            self._take("credential", key, text, where)

    def learn_setting(self, name: str, value: Any, place: str) -> None:
        """A setting that the tenant was free to choose names the account, unless it is as short as a currency."""
        for key, text, where in leaves(value, place, name):
            kind = personal(key, text)
            names_it = kind is not None or len(text) >= _SHORTEST_INSIDE
            if names_it and self._vocabulary.isdisjoint((text, *_vendors_hosts(text))):
                self._take(kind or "account setting", key, text, where)

    def learn(self, tree: Any, place: str, sensitive: Sensitive = NO_SCHEMA, key: str = "") -> None:
        """What is secret, personal or an id in here, by schema, by name and by shape."""
        if isinstance(tree, Mapping):
            for name, item in tree.items():
                self._learn_named(str(name), item, f"{place}.{name}", sensitive)
        elif isinstance(tree, list):
            for i, item in enumerate(tree):
                self.learn(item, f"{place}[{i}]", sensitive.of_item(), key)
        elif (text := text_of(tree)) and text not in self._vocabulary:
            self._learn_leaf(key, text, place, is_text=isinstance(tree, str))

    def replace(self, value: str, instead: str) -> None:
        """A value whose replacement follows from another one."""
        self._fixed[value] = instead
        self._is_ready = False

    def _learn_named(self, name: str, item: Any, place: str, sensitive: Sensitive) -> None:
        mask, inside = sensitive.of_key(name)
        if mask == STARS:
            self.learn_secrets(item, place)
        elif mask == DOTS and not is_amount(name):
            for key, text, where in leaves(item, place, name):
                if text not in self._vocabulary:
                    self._take(personal(key, text) or "personal value", key, text, where)
        else:
            self.learn(item, place, inside, name)

    def _learn_leaf(self, key: str, text: str, place: str, *, is_text: bool) -> None:
        if is_id(key, text):
            self._take("id", key, text, place)
        elif is_text and (inner := _json(text)) is not None:
            self.learn(inner, place, key=key)
        else:
            for kind, part in shapes(key, text):
                self._take(kind, key, part, place)

    def _take(self, kind: Kind, key: str, text: str, place: str) -> None:
        if text not in self._known and not is_fake(kind, text) and text.lower() not in _KINDS_OF_TOKENS:
            self._known[text] = Replaced(kind, place, key, text)
            self._is_ready = False
        if text in self._known:
            self._known[text].names.add(tuple(words_of(key)))

    # ------------------------------------------------------------ replacing

    @property
    def replaced(self) -> list[Replaced]:
        """Everything that is replaced, in the order in which it was found."""
        return list(self._known.values())

    def counts(self) -> Mapping[str, int]:
        """How many values of each kind are replaced."""
        return Counter(one.kind for one in self._known.values())

    def without(self, one: Replaced) -> Scrub:
        """The same, but for this value: to learn whether the case needs it as it is."""
        self._ready()
        other = Scrub(self._vocabulary)
        other._known = {text: known for text, known in self._known.items() if known is not one}
        other._fixed = self._fixed
        return other

    def keep_form(self, text: str) -> bool:
        """Fakes of the values' own form for those that stand in this text; False where there is nothing to do."""
        self._ready()
        again = [one for one in self._known.values() if one.fake in text and not one.keeps_form]
        for one in again:
            one.keeps_form, one.fake = True, ""
        self._is_ready = self._is_ready and not again
        return bool(again)

    def clean(self, tree: Any, key: str = "") -> Any:
        """A copy with a fake for each value, alone or inside a text, also in keys."""
        if isinstance(tree, str):
            return self.text(tree, key)
        if isinstance(tree, Mapping):
            return {self.text(str(name)): self.clean(item, str(name)) for name, item in tree.items()}
        if isinstance(tree, list):
            return [self.clean(item, key) for item in tree]
        if isinstance(tree, int | Decimal) and not isinstance(tree, bool):
            return self._number(tree)
        return tree

    def clean_like(self, tree: Any, made: Any, key: str = "") -> Any:
        """`clean`, but a text that fits `made` when words are replaced in it too is that: an output may show a value

        under a name that does not tell what it is.
        """
        if isinstance(tree, Mapping) and isinstance(made, Mapping):
            named_now = {str(name): self.text(str(name)) for name in tree}
            return {now: self.clean_like(tree[name], made.get(now), name) for name, now in named_now.items()}
        if isinstance(tree, list) and isinstance(made, list):
            others = [*made, *[None] * len(tree)]
            return [self.clean_like(item, other, key) for item, other in zip(tree, others, strict=False)]
        cleaned = self.clean(tree, key)
        fits = isinstance(tree, str) and isinstance(made, str) and self._words.everywhere(self._inside(tree)) == made
        return made if fits else cleaned

    def text(self, text: str, key: str = "") -> str:
        """The text as the value of a field of this name."""
        self._ready()
        if text in self._vocabulary and text not in self._known and text not in self._fixed:
            return text
        word = self._words.whole(text, key)
        return word if word is not None else self._words.inside(self._inside(text))

    def _inside(self, text: str) -> str:
        if text in self._fakes:
            return self._fakes[text]
        return self._pattern.sub(self._instead, text) if self._pattern is not None else text

    def guard(self, spec_text: str) -> Masker:
        """Finds what is left of any value, however encoded; what the spec says itself is no secret of the account."""
        known = [one for one in self._known.values() if not one.is_word]
        return Masker([one.value for one in known if one.kind == "credential" or one.value not in spec_text])

    def _instead(self, found: re.Match[str]) -> str:
        made = self._fakes.get(found[0]) or self._fakes.get(found[0].casefold())
        if made is not None:
            return made
        # An e-mail address that stays is no place to look for values, but `https://me:secret@host.com` looks like one.
        return self._secrets.sub(self._instead, found[0]) if self._secrets is not None else found[0]

    def _number(self, number: int | Decimal) -> int | Decimal:
        self._ready()
        made = self._fakes.get(exact.plain(number))
        try:
            return number if made is None else exact.settled(Decimal(made))
        except (ArithmeticError, ValueError):
            return number

    def _ready(self) -> None:
        """Chooses the fakes that are missing, and makes one pattern of all values."""
        if self._is_ready:
            return
        self._choose()
        known = self._known.values()
        pairs = {**{one.value: one.fake for one in known if not one.is_word}, **self._fixed}
        self._fakes = _spelled(pairs)
        credentials = _spelled({one.value: one.fake for one in known if one.kind == "credential"})
        inside = sorted((text for text in self._fakes if len(text) >= _SHORTEST_INSIDE), key=len, reverse=True)
        before = [text for text in inside if text in credentials or "@" in text]
        rest = [text for text in inside if text not in credentials and "@" not in text]
        shapes = [*map(_bounded, before), EMAIL.pattern, *map(_bounded, rest)]
        secrets = [_bounded(text) for text in before if text in credentials]
        self._pattern = re.compile("|".join(shapes), re.IGNORECASE) if inside else None
        self._secrets = re.compile("|".join(secrets), re.IGNORECASE) if secrets else None
        for value in inside:
            self._fakes.setdefault(value.casefold(), self._fakes[value])
        self._words = Words({one.value: one for one in known if one.is_word}, self._parts_of_names(), self._vocabulary)
        self._is_ready = True

    def _parts_of_names(self) -> Mapping[str, str]:
        """People are also called by a part of their name."""
        found: dict[str, str] = {}
        for one in self._known.values():
            words = one.value.split() if one.kind == "name" else []
            if len(words) == 1 and one.is_word:
                found[words[0]] = one.fake
            elif len(words) > 1:
                found.setdefault(words[0], FAKE_FAMILY)
                found.setdefault(words[-1], "Name")
        return found

    def _choose(self) -> None:
        taken = {one.fake for one in self._known.values()} | self._known.keys()
        numbers: Counter[str] = Counter()
        for one in self._known.values():
            while not one.fake:
                numbers[one.kind] += 1
                made = fake(one.kind, one.value, one.key, numbers[one.kind], keeps_form=one.keeps_form)
                # Of a form that allows few values (a digit or two), in the end two may share one.
                if made not in taken or numbers[one.kind] > 2 * len(self._known):
                    one.fake = made if made != one.value else f"fake-{numbers[one.kind]:04d}"
                    taken.add(made)


def _spelled(pairs: Mapping[str, str]) -> dict[str, str]:
    """These, and as they stand in URLs, in JSON and without accents."""
    found = dict(pairs)
    for value, made in pairs.items():
        for spelled in SPELLINGS:
            found.setdefault(spelled(value), spelled(made))
    return found


def _vendors_hosts(url: str) -> tuple[str, ...]:
    """How a spec would name the host of this URL, unless its first name is an account's."""
    host = url.partition("://")[2].partition("/")[0]
    first, _, domain = host.partition(".")
    return (host, f"*.{domain}") if first in ("www", "api") else (host,)


def vocabulary(spec: Any) -> frozenset[str]:
    """All keys and texts of a spec, and what its queries and templates quote."""
    found = set(_keys(spec))
    for _, text, _ in leaves(spec, "", ""):
        found.add(text)
        found.update(part for pair in _QUOTED.findall(text) for part in pair if part)
    return frozenset(found)


def _keys(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            yield str(key)
            yield from _keys(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _keys(item)


def _json(text: str) -> Any:
    if text[:1] not in ("{", "["):
        return None
    try:
        return exact.loads(text)
    except ValueError:
        return None


def _bounded(text: str) -> str:
    """A short value counts only where it stands as a word of its own."""
    pattern = re.escape(text)
    if len(text) >= _SURELY_ITSELF:
        return pattern
    before = r"(?<![A-Za-z0-9])" if text[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if text[-1].isalnum() else ""
    return before + pattern + after
