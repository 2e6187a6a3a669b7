"""Single words that are somebody's data, and may be anything else in other places: `slow` as a name, and as a code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote, quote_plus

from engine.library.text import unaccent

SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    unaccent,
)
"""How a value stands in URLs and in JSON, and what systems without accents make of it."""

_SHORTEST_PART = 4
_WORD = re.compile(r"[^\W\d_]+")
_FIELD = r"(?P<key>[\w.-]+)(?P<between>\\?\"\s*:\s*\\?\"|=\"?|>)(?P<value>{})(?=\\?\"|[<&]|$)"
_AFTER_SPACE = r"(?:(?<=[\s+])|(?<=%20))(?:{0})(?![\w@-]|\.\w)"
_BEFORE_SPACE = r"(?<![\w@.%-])(?:{0})(?=[\s+]|%20)"


class Word(Protocol):
    """A value with its fake."""

    @property
    def fake(self) -> str: ...

    def is_in(self, key: str) -> bool:
        """Whether a field of this name means the same."""


class Words:
    """All of them in one call. `parts`: what people are called in sentences, with fakes; `vocabulary`: of the spec.

    Letters count as they are, large or small.
    """

    def __init__(self, words: Mapping[str, Word], parts: Mapping[str, str], vocabulary: frozenset[str]) -> None:
        pairs = [(spell(value), word, spell(word.fake)) for value, word in words.items() for spell in SPELLINGS]
        self._words = {**{spelled: word for spelled, word, _ in pairs}, **words}
        own = {value: word.fake for value, word in words.items()}
        self._fakes = {**{spelled: fake for spelled, _, fake in pairs}, **own}
        common = {word.casefold() for text in vocabulary for word in _WORD.findall(text)} if parts else set()
        names = {part: fake for part, fake in parts.items() if _is_name(part) and part.casefold() not in common}
        self._names = {spell(part): spell(fake) for part, fake in names.items() for spell in SPELLINGS}
        self._field = _pattern(self._words, _FIELD)
        self._in_sentence = _pattern(self._names, f"{_AFTER_SPACE}|{_BEFORE_SPACE}")
        self._anywhere = _pattern(self._words, r"(?<!\w)(?:{})(?!\w)")

    def whole(self, text: str, key: str) -> str | None:
        """What is in the place of a text that is one of the words; None for any other text."""
        if text not in self._words:
            return None
        return self._fakes[text] if self._words[text].is_in(key) else text

    def inside(self, text: str) -> str:
        """The text with fakes in the fields that are written in it, and for names in sentences."""
        if self._field is not None:
            text = self._field.sub(self._of_field, text)
        return self._in_sentence.sub(lambda found: self._names[found[0]], text) if self._in_sentence else text

    def everywhere(self, text: str) -> str:
        """The text with fakes wherever the words stand, whatever they mean there."""
        return self._anywhere.sub(lambda found: self._fakes[found[0]], text) if self._anywhere else text

    def _of_field(self, found: re.Match[str]) -> str:
        whole = self.whole(found["value"], found["key"])
        return f"{found['key']}{found['between']}{whole}"


def _is_name(part: str) -> bool:
    return len(part) >= _SHORTEST_PART and part[0].isupper() and part.isalpha()


def _pattern(texts: Mapping[str, object], shape: str) -> re.Pattern[str] | None:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(shape.format("|".join(map(re.escape, longest_first)))) if texts else None
