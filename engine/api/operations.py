"""What an operation of the API is: one object that the router runs and the OpenAPI document describes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, Final, Literal

from engine.api.bodies import NO_QUERY
from engine.api.fields import Shape
from engine.api.site import Site
from engine.api.wire import Call, Reply
from engine.compiled.schema import Schema
from engine.errors import HTTP_STATUS, HttpCode
from engine.frozen import frozen
from engine.identity.caller import Right

Run = Callable[[Site, Call], Awaitable[Reply]]
Access = Literal["open", "token", "tenant", "provider", "browser"]
BRINGS: Final[tuple[Access, ...]] = ("provider", "browser")
"""Who has no token, and whose message the route gets whole: it proves itself."""
EXECUTES: Final[tuple[Right, ...]] = ("execute",)
READS: Final[tuple[Right, ...]] = ("execute", "connections")
WRITES: Final[tuple[Right, ...]] = ("connections",)
WATCHES: Final[tuple[Right, ...]] = ("administer",)
_LONGEST_ID: Final = 200
"""Characters of a path's placeholder: no id or key is as long, and no store must be asked for one that is longer."""


@frozen
class Body:
    """The JSON body of a request: `schema` checks it, `name` is its component in the document."""

    name: str
    schema: Schema
    required: bool = True


@frozen
class Operation:
    """`access`: needs nothing, the service token, the token and a tenant; or it is for providers, or for browsers that
    come from one: their messages prove themselves, and the route gets the whole message as body. `rights`: the caller
    needs one of them; `READS`, `WRITES` and `WATCHES` where none are named. `failures` beside the standing ones.
    """

    operation_id: str
    method: str
    path: str
    run: Run
    summary: str
    answer: Shape
    access: Access = "tenant"
    rights: tuple[Right, ...] = ()
    query: Schema = NO_QUERY
    body: Body | None = None
    failures: tuple[HttpCode, ...] = ()
    headers: tuple[Shape, ...] = ()
    answer_headers: Mapping[str, Shape] = field(default_factory=dict)
    answer_type: str = "application/json"
    examples: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rights:
            usual = WATCHES if self.access != "tenant" else READS if self.method == "GET" else WRITES
            object.__setattr__(self, "rights", usual)

    @property
    def failure_codes(self) -> list[HttpCode]:
        """Every way in which it can fail, by rising status."""
        codes: list[HttpCode] = ["INTERNAL_SERVER_ERROR", *self.failures]
        if self.access in ("token", "tenant"):
            codes += ["UNAUTHORIZED", "FORBIDDEN"]
        if self.access in BRINGS:
            codes.append("PAYLOAD_TOO_LARGE")
        if self.access == "tenant":
            codes += ["BAD_REQUEST", "SERVICE_UNAVAILABLE"]
        if self.body is not None:
            codes += ["BAD_REQUEST", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]
        return sorted(set(codes), key=HTTP_STATUS.__getitem__)


@frozen
class Found:
    """The operations at a path, by method, and what its placeholders hold."""

    methods: Mapping[str, Operation]
    params: Mapping[str, str]

    @property
    def allow(self) -> str:
        """Value of the `Allow` header."""
        names = {*self.methods, *({"HEAD"} if "GET" in self.methods else ())}
        return ", ".join(sorted(names))


class Routes:
    """Finds operations by path. Paths without placeholders are looked up, the others matched in order."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        self._plain = {path: Found(methods, {}) for path, methods in by_path.items() if "{" not in path}
        self._patterns = [(_pattern(path), methods) for path, methods in by_path.items() if "{" in path]

    def find(self, path: str) -> Found | None:
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        for pattern, methods in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return Found(methods, match.groupdict())
        return None


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", path)
    held = f"[^/]{{1,{_LONGEST_ID}}}"
    return re.compile("".join(f"(?P<{p}>{held})" if i % 2 else re.escape(p) for i, p in enumerate(pieces)))
