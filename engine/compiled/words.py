"""Where the words of an expression stand, so that a finding points at exactly the wrong one.

The parsers of templates and queries keep no positions. Both languages are compiled from left to right, so the place
of a name is that of the first such word behind the names already met. This runs only when a fault was found.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.frozen import frozen

Span = tuple[int, int]


@frozen
class Word:
    """One token: what it says (a quoted one without quotes), and where it begins and ends in the scalar."""

    text: str
    start: int
    end: int


class Words:
    """The words of one expression, and how far it has been compiled."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._at = 0

    def find(self, text: str) -> Span | None:
        """The next such word; None, and no step further, when there is none."""
        for i in range(self._at, len(self._words)):
            word = self._words[i]
            if word.text == text:
                self._at = i + 1
                return word.start, word.end
        return None

    def path(self, steps: Sequence[str | int]) -> list[Span]:
        """The places of the steps of a path such as `a.b.c`; fewer when it is spelt in another way."""
        found: list[Span] = []
        for step in steps:
            span = self.find(str(step))
            if span is None:
                break
            found.append(span)
        return found
