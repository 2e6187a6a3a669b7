"""Reads the expressions that authors write every day. What it does not read is for Jinja2, whose grammar it follows.

Whatever this gives is what Jinja2 would give (tests hold the two side by side); where it gives None nothing is said:
Jinja2 reads the text then, or says what is wrong with it. So there is one grammar, and most processes never load
Jinja2, which takes longer than anything else that a call imports.
"""

from __future__ import annotations

import re
from typing import Final

from engine.compiled import nodes
from engine.compiled.nodes import Expr

_WORD: Final = re.compile(
    r"""[ \t\n]*(?:([A-Za-z_][A-Za-z0-9_]*)|((?:0|[1-9][0-9]{0,17})(?![\w.]))|('[^'\\\r\n]*'|"[^"\\\r\n]*")"""
    r"|(==|!=|<=|>=|[-+*/~()\[\],|.<>=]))"
)
_MOST_WORDS: Final = 64  # so no tree is deeper than Jinja2 may make one
_DEEPEST: Final = 16  # brackets within brackets
_CONSTANTS: Final = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None}
_RESERVED: Final = frozenset({"and", "else", "if", "in", "is", "not", "or"})
_COMPARED: Final = {"==": "eq", "!=": "ne", "<": "lt", "<=": "lteq", ">": "gt", ">=": "gteq"}
_END: Final = ""


class _Unread(Exception):
    """This text is for Jinja2."""


def read(text: str) -> Expr | None:
    """The tree of an expression; None where Jinja2 must read it."""
    try:
        reader = _Reader(_words(text.rstrip(" \t\n")))
        tree = reader.conditional()
        return tree if reader.word == _END else None
    except _Unread:
        return None


def _words(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None or len(found) == _MOST_WORDS:
            raise _Unread
        found.append(word[word.lastindex or 0])
        at = word.end()
    return [*found, _END]


class _Reader:
    """One text. Each method reads what its name says, and what binds more tightly, from the next word on."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0
        self.word = words[0]

    def _next(self) -> str:
        """The word, which is read then."""
        word = self.word
        if word == _END:
            raise _Unread
        self._at += 1
        self.word = self._words[self._at]
        return word

    def _skip(self, word: str) -> bool:
        if self.word != word:
            return False
        self._next()
        return True

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise _Unread

    def conditional(self) -> Expr:
        made = self._either()
        while self._skip("if"):
            test = self._either()
            made = nodes.CondExpr(test, made, self.conditional() if self._skip("else") else None)
        return made

    def _either(self) -> Expr:
        made = self._both()
        while self._skip("or"):
            made = nodes.Or(made, self._both())
        return made

    def _both(self) -> Expr:
        made = self._negation()
        while self._skip("and"):
            made = nodes.And(made, self._negation())
        return made

    def _negation(self) -> Expr:
        return nodes.Not(self._negation()) if self._skip("not") else self._comparison()

    def _comparison(self) -> Expr:
        made, compared = self._sum(), []
        while (sign := self.word) in _COMPARED:
            self._next()
            compared.append(nodes.Operand(_COMPARED[sign], self._sum()))
        if self.word in ("in", "not"):
            raise _Unread
        return nodes.Compare(made, compared) if compared else made

    def _sum(self) -> Expr:
        made = self._joined()
        while (sign := self.word) in ("+", "-"):
            self._next()
            made = (nodes.Add if sign == "+" else nodes.Sub)(made, self._joined())
        return made

    def _joined(self) -> Expr:
        pieces = [self._product()]
        while self._skip("~"):
            pieces.append(self._product())
        return pieces[0] if len(pieces) == 1 else nodes.Concat(pieces)

    def _product(self) -> Expr:
        made = self._signed(filtered=True)
        while (sign := self.word) in ("*", "/"):
            self._next()
            if self.word == sign:  # ** and //
                raise _Unread
            made = (nodes.Mul if sign == "*" else nodes.Div)(made, self._signed(filtered=True))
        return made

    def _signed(self, *, filtered: bool) -> Expr:
        made = self._below(nodes.Neg(self._signed(filtered=False)) if self._skip("-") else self._value())
        while filtered and self.word in ("|", "is"):
            made = self._filter(made) if self._next() == "|" else self._test(made)
        return made

    def _value(self) -> Expr:
        word = self._next()
        if word in _CONSTANTS:
            return nodes.Const(_CONSTANTS[word])
        if word in _RESERVED:
            raise _Unread
        if word == "(":
            return self._inside()
        if word == "[":
            return nodes.List(self._listed("]"))
        if word[0] in "'\"":
            if self.word[:1] in ("'", '"'):  # texts side by side
                raise _Unread
            return nodes.Const(word[1:-1])
        if word.isdigit():
            return nodes.Const(int(word))
        return nodes.Name(_name(word), "load")

    def _inside(self) -> Expr:
        """Up to the bracket that closes."""
        self._deeper()
        made = self.conditional()
        self._depth -= 1
        self._expect(")")
        return made

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unread

    def _listed(self, end: str) -> list[Expr]:
        """Up to the bracket that closes; a comma may stand before it."""
        self._deeper()
        items: list[Expr] = []
        while self.word != end:
            items.append(self.conditional())
            if not self._skip(","):
                break
        self._depth -= 1
        self._expect(end)
        return items

    def _below(self, made: Expr) -> Expr:
        while self.word in (".", "["):
            if self._next() == ".":
                made = self._key_of(made)
            else:
                self._deeper()
                made = nodes.Getitem(made, self.conditional(), "load")
                self._depth -= 1
                self._expect("]")
        if self.word == "(":
            raise _Unread
        return made

    def _key_of(self, made: Expr) -> Expr:
        word = self._next()
        if word.isdigit():
            return nodes.Getitem(made, nodes.Const(int(word)), "load")
        return nodes.Getattr(made, _name(word), "load")

    def _filter(self, made: Expr) -> Expr:
        name, args, named = self._called()
        return nodes.Filter(made, name, args, named, None, None)

    def _test(self, made: Expr) -> Expr:
        is_not = self._skip("not")
        name, args, named = self._called()
        if self.word not in _AFTER_A_TEST:  # Jinja2 takes most of what may follow for an argument
            raise _Unread
        test = nodes.Test(made, name, args, named, None, None)
        return nodes.Not(test) if is_not else test

    def _called(self) -> tuple[str, list[Expr], list[nodes.Keyword]]:
        name = _name(self._next())
        args, named = self._arguments() if self._skip("(") else ([], [])
        if self.word in (".", "("):
            raise _Unread
        return name, args, named

    def _arguments(self) -> tuple[list[Expr], list[nodes.Keyword]]:
        self._deeper()
        args: list[Expr] = []
        named: list[nodes.Keyword] = []
        while self.word != ")":
            if self._words[self._at + 1 : self._at + 2] == ["="]:
                key = _name(self._next())
                self._next()
                named.append(nodes.Keyword(key, self.conditional()))
            elif named:
                raise _Unread
            else:
                args.append(self.conditional())
            if not self._skip(","):
                break
        self._depth -= 1
        self._expect(")")
        return args, named


_AFTER_A_TEST: Final = frozenset({_END, "else", "or", "and", ")", "]", ",", "|"})


def _name(word: str) -> str:
    if not word.isidentifier():
        raise _Unread
    return word
