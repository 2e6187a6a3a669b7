"""Plugins: the few lines of Python that data cannot say. A plugin imports this module's author names and nothing else
of the engine:

    from engine.plugins import PluginFault, SignInput, signer, spell

    @signer("acme_mac")
    def acme_mac(given: SignInput) -> str:
        text = "|".join(spell(given.values[name]) for name in given.fields)
        return hmac.new(given.key, text.encode(), hashlib.sha256).hexdigest()

A plugin is pure: no clock, network, file, random or state. `load_plugins` holds it to that before running it: it may
import only the modules of `ALLOWED_MODULES`, and names such as `open`, `eval` or `datetime.now` are refused with file
and line. That keeps mistakes out; it is no prison for hostile code, which has no business in `plugins/`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, Literal, Protocol, TypeVar

from engine.diagnostics import unknown
from engine.errors import EngineError
from engine.frozen import frozen
from engine.library.function import Function, LibraryError, null_out, scalar_text

AUTHOR_NAMES = frozenset(
    {"PluginFault", "SignInput", "TokenRequest", "TokenState", "function", "refresher", "signer", "spell"}
)
ALLOWED_MODULES = frozenset(
    {
        "__future__", "base64", "binascii", "collections", "collections.abc", "dataclasses", "datetime", "decimal",
        "enum", "functools", "hashlib", "hmac", "itertools", "json", "math", "re", "string", "struct", "typing",
        "urllib.parse",
    }
)  # fmt: skip
REFUSED_NAMES = frozenset(
    {
        "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "getattr", "globals", "input", "locals",
        "open", "print", "setattr", "vars",
    }
)  # fmt: skip
REFUSED_ATTRIBUTES = frozenset({"file_digest", "getcontext", "now", "setcontext", "today", "utcnow"})

Kind = Literal["signer", "refresher", "function"]
_MARK = "__plugin_declarations__"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Call = TypeVar("_Call", bound=Callable[..., Any])


class PluginError(EngineError):
    """A plugin can't be loaded, found or run. Names file and line, never a value."""


class PluginFault(Exception):
    """What a plugin raises when it can't do its work. The message is shown: it names fields, never values."""


@frozen
class SignInput:
    """What a signer sees of a message, outgoing (as rendered, after `apply`) or incoming.

    `base`: URL without query. `query`: decoded pairs. `values`: the body as data, types kept; `raw`: its bytes.
    `text`, `fields`, `key`, `extra`: of the `sign` or `verify` block, rendered. `epoch`: seconds; `nonce`: 32 hex
    characters; both of this attempt. Printing it shows no secret.
    """

    method: str = "POST"
    base: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: bytes = field(default=b"", repr=False)
    text: bytes = field(default=b"", repr=False)
    fields: tuple[str, ...] = ()
    key: bytes = field(default=b"", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    epoch: float = 0.0
    nonce: str = field(default="", repr=False)


@frozen
class TokenState:
    """What a refresher sees: the tokens it has (times in epoch seconds), config, and the secrets named in `needs`."""

    epoch: float
    access: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    refresh_expires_at: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    app: Mapping[str, Any] = field(default_factory=dict, repr=False)


@frozen
class TokenRequest:
    """The token call that a refresher chose; at most one of `form` and `json`. `url` must lie inside `hosts`."""

    url: str
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"

    def __post_init__(self) -> None:
        if self.form is not None and self.json is not None:
            raise PluginFault("a token request has a form or a json body, not both")


Signer = Callable[[SignInput], str]
Refresher = Callable[[TokenState], TokenRequest | None]
"""Null: nothing can be refreshed, the tenant must connect again."""


@frozen
class Declaration:
    """What a decorator writes on a function."""

    kind: Kind
    name: str
    nullable: bool = False


def signer(name: str) -> Callable[[_Call], _Call]:
    """`(SignInput) -> str`: the signature's text. The engine puts it in its place and does every comparison."""
    return _declare(Declaration("signer", name))


def refresher(name: str) -> Callable[[_Call], _Call]:
    """`(TokenState) -> TokenRequest | None`: chooses and builds a token call. The engine sends it."""
    return _declare(Declaration("refresher", name))


def function(name: str, *, nullable: bool = False) -> Callable[[_Call], _Call]:
    """A pure addition to the function library: `(x, *positional, **options)`; null in, null out unless `nullable`.

    Parameters after the first are positional, keyword-only ones are options.
    """
    return _declare(Declaration("function", name, nullable))


def spell(value: Any) -> str:
    """The text of a scalar as it stands on the wire: `true`, `10000`, `0.5`. Null, lists, objects: `PluginFault`."""
    if isinstance(value, (str, bool, int, Decimal)):
        text = scalar_text(value)
        if text is not None:
            return text
    raise PluginFault(f"text or a number is needed, not {type(value).__name__}")


def _declare(declaration: Declaration) -> Callable[[_Call], _Call]:
    def mark(call: _Call) -> _Call:
        setattr(call, _MARK, (*getattr(call, _MARK, ()), declaration))
        return call

    return mark


class Registry:
    """The plugins that specs may name. An unknown name answers with the known ones."""

    def __init__(self) -> None:
        self._calls: dict[Kind, dict[str, Callable[..., Any]]] = {"signer": {}, "refresher": {}, "function": {}}
        self._functions: dict[str, Function] = {}
        self._files: dict[tuple[Kind, str], str] = {}

    @property
    def signers(self) -> Mapping[str, Signer]:
        return MappingProxyType(self._calls["signer"])

    @property
    def refreshers(self) -> Mapping[str, Refresher]:
        return MappingProxyType(self._calls["refresher"])

    @property
    def functions(self) -> Mapping[str, Function]:
        """Ready for the function library."""
        return MappingProxyType(self._functions)

    def signer(self, name: str) -> Signer:
        return self._find("signer", name)

    def refresher(self, name: str) -> Refresher:
        return self._find("refresher", name)

    def add(self, declaration: Declaration, call: Callable[..., Any], file: str) -> None:
        """Raises `PluginError` for a name that is taken (naming both files), a bad name or bad parameters."""
        kind, name = declaration.kind, declaration.name
        if not _NAME.fullmatch(name):
            raise PluginError(f"{file}: {kind} {name!r} must be named in snake_case")
        if name in self._calls[kind]:
            raise PluginError(f'{kind} "{name}" is declared in {self._files[kind, name]} and again in {file}')
        guarded = _Guarded(declaration, call)
        if kind == "function":
            self._functions[name] = _library_function(declaration, call, guarded, file)
        self._calls[kind][name] = guarded
        self._files[kind, name] = file

    def _find(self, kind: Kind, name: str) -> Callable[..., Any]:
        if name not in self._calls[kind]:
            message, hint = unknown(kind, name, self._calls[kind])
            raise PluginError(f"{message} ({hint})")
        return self._calls[kind][name]


class _Guarded:
    """A plugin's function; what goes wrong in it becomes a `PluginError` (`LibraryError`) without values."""

    __slots__ = ("_call", "_declaration", "_error")

    def __init__(self, declaration: Declaration, call: Callable[..., Any]) -> None:
        self._declaration = declaration
        self._call = call
        self._error = LibraryError if declaration.kind == "function" else PluginError

    def __call__(self, *args: Any, **options: Any) -> Any:
        kind, label = self._declaration.kind, f'{self._declaration.kind} "{self._declaration.name}"'
        try:
            result = self._call(*args, **options)
        except PluginFault as fault:
            raise self._error(f"{label}: {fault}") from None
        except Exception as error:  # noqa: BLE001  foreign code: whatever it raises may quote a value
            raise self._error(f"{label}: {type(error).__name__}{_where(error)}") from None
        if not isinstance(result, _RESULTS[kind]):
            raise self._error(f"{label}: must not return {type(result).__name__}")
        return result


def _library_function(declaration: Declaration, call: Callable[..., Any], guarded: _Guarded, file: str) -> Function:
    parameters = list(inspect.signature(call).parameters.values())
    places = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    if not places or any(p.kind in {p.VAR_POSITIONAL, p.VAR_KEYWORD} for p in parameters):
        raise PluginError(f'{file}: function "{declaration.name}" needs a first parameter, and no *args or **kwargs')
    return Function(
        name=declaration.name,
        call=guarded if declaration.nullable else _null_out(guarded),
        positional=tuple(p.name for p in places[1:]),
        options=tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
        nullable=declaration.nullable,
        required=sum(p.default is p.empty for p in places[1:]),
    )


def _null_out(call: _Guarded) -> Callable[..., Any]:
    @null_out
    def guarded(x: Any, *args: Any, **options: Any) -> Any:
        return call(x, *args, **options)

    return guarded


_RESULTS: Mapping[Kind, Any] = {"signer": str, "refresher": (TokenRequest, type(None)), "function": object}


def load_plugins(*directories: Path, reserved: Collection[str] = ()) -> Registry:
    """Every `*.py` of the directories (but not `_*.py`), checked and run, each as a module of its own.

    `reserved`: names of library functions, which a plugin may not take. Raises `PluginError`: no such directory, a
    file that is not pure or can't be run, a name declared twice.
    """
    return run_plugins(read_plugins(*directories), reserved)


def read_plugins(*directories: Path) -> Mapping[Path, bytes]:
    """The plugins of the directories as they stand there now, neither checked nor run."""
    found: dict[Path, bytes] = {}
    for directory in directories:
        if not directory.is_dir():
            raise PluginError(f"no such directory of plugins: {directory}")
        for path in sorted(directory.glob("[!_]*.py")):
            try:
                found[path] = path.read_bytes()
            except OSError as error:
                raise _unreadable(path, error) from None
    return found


class Checked(Protocol):
    """Remembers which sources are pure: to find that out takes longer than to run them."""

    def knows(self, source: bytes) -> bool: ...

    def note(self, source: bytes) -> None: ...


def run_plugins(
    sources: Mapping[Path, bytes], reserved: Collection[str] = (), checked: Checked | None = None
) -> Registry:
    """What these plugins declare, as `load_plugins` has it."""
    registry = Registry()
    for path, source in sources.items():
        for declaration, call in _declared(_run(path, source, checked)):
            if declaration.kind == "function" and declaration.name in reserved:
                raise PluginError(f'{path}: function "{declaration.name}" is part of the library already')
            registry.add(declaration, call, str(path))
    return registry


def _unreadable(path: Path, error: Exception) -> PluginError:
    return PluginError(f"{path}: can't be read as Python ({type(error).__name__})")


def _declared(module: ModuleType) -> Iterator[tuple[Declaration, Callable[..., Any]]]:
    calls = [value for value in vars(module).values() if isinstance(value, FunctionType)]
    for call in dict.fromkeys(calls):  # a second name for the same function declares nothing
        for declaration in getattr(call, _MARK, ()):
            yield declaration, call


def _run(path: Path, source: bytes, checked: Checked | None) -> ModuleType:
    if checked is None or not checked.knows(source):
        _check(path, source)
        if checked is not None:
            checked.note(source)
    module = ModuleType(f"integration_plugin_{path.stem}_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102  checked above, and ours
    except Exception as error:  # foreign code: a plugin's top level may raise anything
        del sys.modules[module.__name__]
        raise PluginError(f"{path}: {type(error).__name__}{_where(error)}") from error
    return module


def _check(path: Path, source: bytes) -> None:
    """Raises `PluginError` for what is not pure."""
    try:
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise PluginError(f"{path}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise _unreadable(path, error) from None
    for line, reason in impurities(tree):
        raise PluginError(f"{path}:{line}: {reason}")


def impurities(tree: ast.AST) -> list[tuple[int, str]]:
    """`(line, reason)` for everything in a plugin's source that it may not use, from top to bottom."""
    return sorted(
        (getattr(node, "lineno", 1), reason)
        for node in ast.walk(tree)
        for reason in _CHECKS.get(type(node), _none)(node)
    )


def _none(_: Any) -> list[str]:
    return []


def _imports(node: ast.Import) -> list[str]:
    return [_no_import(alias.name) for alias in node.names if alias.name not in ALLOWED_MODULES]


def _imports_from(node: ast.ImportFrom) -> list[str]:
    module = "." * node.level + (node.module or "")
    names = [alias.name for alias in node.names]
    if module == "engine.plugins":
        found = [unknown("name of engine.plugins", name, AUTHOR_NAMES) for name in names if name not in AUTHOR_NAMES]
        return [f"{message} ({hint})" for message, hint in found]
    if module in ALLOWED_MODULES:
        return [f"a plugin must not use {name}" for name in names if name in REFUSED_ATTRIBUTES]
    return [_no_import(module)] if any(f"{module}.{name}" not in ALLOWED_MODULES for name in names) else []


def _no_import(module: str) -> str:
    return f"a plugin must not import {module}; it may import engine.plugins, {', '.join(sorted(ALLOWED_MODULES))}"


def _names(node: ast.Name) -> list[str]:
    return [f"a plugin must not use {node.id}"] if node.id in REFUSED_NAMES or _is_dunder(node.id) else []


def _attributes(node: ast.Attribute) -> list[str]:
    refused = node.attr in REFUSED_ATTRIBUTES or _is_dunder(node.attr)
    return [f"a plugin must not use .{node.attr}"] if refused else []


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in {"__name__", "__doc__"}


def _state(node: ast.Global) -> list[str]:
    return [f"a plugin keeps no state: {', '.join(node.names)}"]


_CHECKS: Mapping[type[ast.AST], Callable[[Any], list[str]]] = {
    ast.Import: _imports,
    ast.ImportFrom: _imports_from,
    ast.Name: _names,
    ast.Attribute: _attributes,
    ast.Global: _state,
}


def _where(error: BaseException) -> str:
    """` at file:line`, the innermost line of the plugin itself."""
    trace, found = error.__traceback__, ""
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_globals.get("__name__", "").startswith("integration_plugin_"):
            found = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
