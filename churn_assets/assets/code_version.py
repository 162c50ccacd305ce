"""A version of the code that makes a table, taken from the code itself so that nobody can forget to raise it."""

from __future__ import annotations

import ast
import hashlib
import importlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from churn_assets.contracts import Contract

COMPUTING_PACKAGES = ("churn_assets.transforms", "churn_assets.landing")
"""Where results are decided. Contracts enter by their types; what only moves rows around does not count."""


def code_version(compute: Callable[..., Any], parameters: Iterable[Any], tables: Iterable[Contract]) -> str:
    """Twelve hexadecimal digits over the transform's code (comments and docstrings apart), its parameters and the types
    of its tables.
    """
    told = [_code(module) for module in _modules_behind(compute.__module__)]
    told += [repr(parameter) for parameter in parameters]
    told += [
        repr([(c.name, c.kind.name, c.nullable, c.minimum, c.maximum, c.provenance) for c in table.columns])
        for table in tables
    ]
    return hashlib.blake2b("\n".join(told).encode(), digest_size=6).hexdigest()


def _modules_behind(module: str) -> list[str]:
    """The computing modules that `module` imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for name in _imports(waiting.pop()):
            if name.startswith(COMPUTING_PACKAGES) and name not in found:
                found.add(name)
                waiting.append(name)
    return sorted(found)


@lru_cache
def _tree(module: str) -> ast.Module:
    path = importlib.import_module(module).__file__
    return ast.parse(Path(path).read_text(encoding="utf-8")) if path else ast.Module(body=[], type_ignores=[])


def _imports(module: str) -> Iterable[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if _is_module(node.module, alias.name))


def _is_module(package: str, name: str) -> bool:
    if not package.startswith(COMPUTING_PACKAGES):
        return False
    path = importlib.import_module(package).__file__
    return bool(path) and Path(str(path)).name == "__init__.py" and (Path(str(path)).parent / f"{name}.py").exists()


@lru_cache
def _code(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)
