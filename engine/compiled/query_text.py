"""Queries as the jmespath library parses them, held to what this language takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from engine.compiled.fault import Fault
from engine.compiled.misnomers import query_hint
from engine.compiled.words import Word
from engine.library import exact

Node: TypeAlias = Mapping[str, Any]

_DEEPEST = 64
_MOST_KEPT = 1024
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`((?:[^`\\]|\\.)*)`""", re.DOTALL)
_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


@lru_cache(maxsize=_MOST_KEPT)
def parse(text: str) -> Node:
    """Raises `Fault` for what is no query. A text may serve several places: no node is ever changed."""
    import jmespath.exceptions  # many a process meets plain paths only, which need no parser
    import jmespath.parser

    _check_literals(text)
    try:
        parsed: Node = jmespath.parser.Parser().parse(text).parsed
    except jmespath.exceptions.EmptyExpressionError:
        raise Fault("EXPR011", "a query is missing here") from None
    except jmespath.exceptions.LexerError as error:
        at = min(error.lexer_position, len(text) - 1)
        hint = query_hint(text, at)
        raise Fault("EXPR011", "can't read the query: this character can't stand here", hint, at) from None
    except jmespath.exceptions.ParseError as error:
        at = error.lex_position if error.token_value else len(text)
        found = f"at {str(error.token_value)[:40]!r}" if error.token_value else "at its end"
        hint, length = query_hint(text, at or 0), len(str(error.token_value or 1))
        raise Fault("EXPR011", f"can't read the query {found}", hint, at or 0, length) from None
    except RecursionError:
        raise _too_deep(text) from None
    except ValueError:  # an index with thousands of digits
        raise Fault("EXPR011", "the query holds a number that can't be read", "", 0, len(text)) from None
    _check_depth(parsed, text)
    return parsed


def _check_literals(text: str) -> None:
    """What stands in backticks is JSON. The library takes more than that, and reads fractions as floats."""
    if "`" not in text:
        return
    for hit in _QUOTED.finditer(text):
        literal = hit[1]
        if literal is None:
            continue
        try:
            value = exact.loads(literal.replace("\\`", "`"))
        except ValueError:
            message, hint = "what stands in backticks must be JSON", "write a text as 'text', a number as `5`"
            raise Fault("EXPR011", message, hint, hit.start(), len(hit[0])) from None
        if not _is_kept(value):
            raise Fault("EXPR008", "a number has more digits than can be kept", "", hit.start(), len(hit[0]))


def _is_kept(value: Any) -> bool:
    if isinstance(value, Decimal):
        return Decimal(repr(float(value))) == value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_kept(child) for child in children)


def _check_depth(node: Node, text: str) -> None:
    level: list[Any] = [node]
    for _ in range(_DEEPEST):
        level = [child for item in level for child in item["children"] if isinstance(child, Mapping)]
        if not level:
            return
    raise _too_deep(text)


def _too_deep(text: str) -> Fault:
    return Fault("EXPR007", f"the query is nested more than {_DEEPEST} deep", "", 0, len(text))


def words_of(text: str) -> list[Word]:
    """Its tokens. (The library's own `end` is wrong for what is quoted.)"""
    import jmespath.lexer

    found = []
    for token in jmespath.lexer.Lexer().tokenize(text):
        quoted = _QUOTED.match(text, token["start"])
        found.append(Word(str(token["value"]), token["start"], quoted.end() if quoted else token["end"]))
    return found


def plain_path(text: str) -> tuple[str, ...] | None:
    """`a.b.c` as its keys, when the query is nothing but that."""
    return tuple(text.split(".")) if _PLAIN_PATH.fullmatch(text) else None
