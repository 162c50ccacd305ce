"""A version of the code that makes a table, taken from the code itself so that nobody can forget to raise it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from churn_assets import transforms
from churn_assets.contracts import Contract

COMPUTING_PACKAGES = ("churn_assets.transforms", "churn_assets.landing", "churn_assets.evaluation")
"""Where results are decided. Contracts enter by their types; what only moves rows around does not count."""


def code_version(modules: Iterable[str], parameters: Iterable[Any], tables: Iterable[Contract]) -> str:
    """Twelve hexadecimal digits over the code of the computing ones among `modules` and what they import (comments and
    docstrings apart), the step's parameters and the types of its tables.
    """
    behind = modules_behind(modules)
    told = [_code(module) for module in behind] + [repr(value) for module in behind for value in _constants(module)]
    told += [repr(parameter) for parameter in parameters]
    told += [
        repr([(c.name, c.kind.name, c.nullable, c.minimum, c.maximum, c.provenance) for c in table.columns])
        for table in tables
    ]
    return hashlib.blake2b("\n".join(told).encode(), digest_size=6).hexdigest()


def transform_modules(compute: Callable[..., Any]) -> set[str]:
    """The modules of the transforms that a step's `compute` calls by name, as in `transforms.user_daily(...)`."""
    called = set(compute.__code__.co_names) & set(transforms.__all__)
    return {str(getattr(transforms, name).__module__) for name in called}


def modules_behind(modules: Iterable[str]) -> list[str]:
    """The computing modules among `modules`, and those that they import, directly or not."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if module.startswith(COMPUTING_PACKAGES):
            found.add(module)
        waiting += [name for name in _imports(module) if name.startswith(COMPUTING_PACKAGES)]
    return sorted(found)


@lru_cache
def _tree(module: str) -> ast.Module:
    path = importlib.import_module(module).__file__
    return ast.parse(Path(path).read_text(encoding="utf-8")) if path else ast.Module(body=[], type_ignores=[])


@lru_cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that `module` imports, `from package import module` included."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package := node.module):
            given = [f"{package}.{alias.name}" for alias in node.names]
            names |= {name if _is_module(name) else package for name in given}
    return tuple(name for name in sorted(names) if _is_module(name))


@lru_cache
def _is_module(name: str) -> bool:
    if not name.startswith("churn_assets."):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # a name within a module


def _constants(module: str) -> Iterator[Any]:
    """Values of the contracts' constants (`UNKNOWN_PLAN`, ...) that `module` imports: they end up in rows too."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("churn_assets.contracts."):
            declared = importlib.import_module(str(node.module))
            yield from (getattr(declared, alias.name) for alias in node.names if alias.name.isupper())


@lru_cache
def _code(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)
