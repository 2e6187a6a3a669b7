"""`a / 1000 | fixed(2)` is `a / (1000 | fixed(2))`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.words import Word
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Expression

_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%", "~"})
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_ENDS = frozenset({",", ":", "==", "!=", "<", ">", "<=", ">=", "and", "or", "not", "in", "is", "if", "|"})
"""What begins a new operand, or has no operator before it that a filter could be meant to cover."""


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions:
            for operator, bar, name in _loose_filters(expression):
                yield subject.at(
                    template.path,
                    f"| {name.text} is applied to what stands between {operator.text} and it, not to the whole",
                    hint="put parentheses around what it is meant for",
                    offset=bar.start,
                    length=name.end - bar.start,
                )


def _loose_filters(expression: Expression) -> Iterator[tuple[Word, Word, Word]]:
    """Each filter behind an operator, within the same parentheses: the operator, the bar and the filter's name.

    Where the operand stands in parentheses of its own (`a ~ (b ~ c) | hex`) its author has seen it.
    """
    levels: list[Word | None] = [None]
    opened: list[Word | None] = []
    in_parentheses: Word | None = None
    words = expression.words
    for number, word in enumerate(words):
        if word.text in _OPEN and _is_sign(word):
            levels.append(None)
            opened.append(words[number - 1] if number else None)
        elif word.text in _CLOSE and _is_sign(word):
            levels.pop()
            in_parentheses = opened.pop()
            continue
        elif word.text == "|" and _is_sign(word):
            operator = levels[-1]
            if operator is not None and operator is not in_parentheses:
                yield operator, word, words[number + 1]
            levels[-1] = None
        elif word.text == "else" or (word.text in _OPERATORS and _is_sign(word) and _is_binary(words, number)):
            levels[-1] = word
        elif word.text in _ENDS and _is_sign(word):
            levels[-1] = None
        in_parentheses = None


def _is_sign(word: Word) -> bool:
    """Is it no text in quotes?"""
    return word.end - word.start == len(word.text)


def _is_binary(words: tuple[Word, ...], number: int) -> bool:
    """`-1` is a number and no operation."""
    before = words[number - 1] if number else None
    return before is not None and before.text not in (*_OPERATORS, *_ENDS, *_OPEN, "else")


RULE = Rule("TPL001", "A filter behind an operator is applied to the last operand only.", "error", check)
