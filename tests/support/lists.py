"""A provider with one list, which it gives page by page in each of the ways that the language knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from engine.model import Answer
from engine.runtime.pages import Seal
from tests.support.scene import Scene
from tests.support.specs import action, fields, text
from tests.support.upstream import Reply, Seen, answer

LIMIT = {"into": "query.limit", "default": 3, "max": 50}
KINDS: dict[str, dict[str, Any]] = {
    "cursor": {"kind": "cursor", "into": "query.at", "limit": LIMIT, "next": "body.next", "items": "body.rows"},
    "page": {"kind": "page", "into": "query.page", "limit": LIMIT, "items": "body.rows"},
    "offset": {"kind": "offset", "into": "query.at", "limit": LIMIT, "items": "body.rows"},
    "url": {"kind": "url", "limit": LIMIT, "next": "body.url", "items": "body.rows"},
}
MOST_CALLS = 200


def listing(kind: str, more: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """The action `list`; a None in `more` takes a key of `pagination` away."""
    paging = {key: value for key, value in {**KINDS[kind], **(more or {})}.items() if value is not None}
    return action(
        "list",
        **{
            "inputSchema": fields(word=text()),
            "request": {"method": "GET", "path": "/list", "query": {"word": "{{ input.word }}"}},
            "output": {"rows": "body.rows"},
            "pagination": paging,
            **parts,
        },
    )


@dataclass
class Shelf:
    """The provider. `more` also says whether anything follows, as some do."""

    rows: list[Any] = field(default_factory=list)
    more: bool = False

    def __call__(self, seen: Seen) -> Reply:
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        size = int(query.get("limit", "3"))
        start = (int(query["page"]) - 1) * size if "page" in query else int(query.get("at", "0"))
        end = start + size
        body: dict[str, Any] = {"rows": self.rows[start:end]}
        if self.more:
            body["more"] = end < len(self.rows)
        if end < len(self.rows):
            body |= {"next": str(end), "url": f"/list?at={end}&limit={size}"}
        return answer(body)


async def walk(scene: Scene, given: dict[str, Any] | None = None) -> list[list[Any]]:
    """The rows of each page from the first to the last, the cursor alone beside the input from the second on."""
    pages: list[list[Any]] = []
    asked = dict(given or {})
    for _ in range(MOST_CALLS):
        done = await scene.call("list", asked)
        assert done.error is None, done.error
        pages.append(done.data["rows"])
        if "nextCursor" not in done.data:
            return pages
        asked = {"cursor": done.data["nextCursor"], **{k: v for k, v in (given or {}).items() if k != "limit"}}
    raise AssertionError("the list has no end")


def rows(count: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(count)]


def refused(done: Answer, name: str = "cursor") -> None:
    """The input's field is at fault, and says so."""
    assert done.error is not None, done.data
    assert done.error.code == "INVALID_INPUT"
    assert [issue["path"] for issue in done.error.details["issues"]] == [[name]]
    assert not done.error.retryable


def seal_of(scene: Scene, kind: str, **given_input: Any) -> Seal:
    return Seal.of(scene.engine.store.vault, scene.connection, "list", kind, given_input)
