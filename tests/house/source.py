"""The project's own source, as the tests of this folder read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("engine", "plugins", "tools", "bench", "infra", "tests")


def python_files(*folders: str) -> list[Path]:
    """Python files of these top-level folders (default: all of ours), relative to the root, sorted."""
    found = (file for folder in folders or _OURS for file in (ROOT / folder).rglob("*.py"))
    return sorted(file.relative_to(ROOT) for file in found if not {"__pycache__", "node_modules"} & set(file.parts))


@cache
def text(file: Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(text(file), filename=str(file))


def imports(file: Path, *, at_load: bool = False) -> Iterator[tuple[str, int]]:
    """Imported module names with their lines; `at_load`: only those that run when the module is loaded."""
    for node in _loaded(tree(file)) if at_load else ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not typing_only and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _loaded(child)
