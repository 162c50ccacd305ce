"""A version of the code that makes a table, taken from the code itself so that nobody can forget to raise it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from churn_assets import transforms
from churn_assets.assets.fingerprint import Fingerprint
from churn_assets.calendar import Window
from churn_assets.contracts import Column, Contract
from churn_assets.warehouse.selection import Selection

COMPUTING_PACKAGES = (
    "churn_assets.transforms",
    "churn_assets.landing",
    "churn_assets.models",
    "churn_assets.evaluation",
)
"""Where results are decided. Contracts enter by their types; what only moves rows around does not count."""


def code_version(modules: Iterable[str], parameters: Iterable[Any], tables: Iterable[Contract]) -> str:
    """Twelve hexadecimal digits over the code of the computing ones among `modules` and what they import (comments and
    docstrings apart), the step's parameters and the types of its tables.
    """
    types = [repr([_facts(column) for column in table.columns]) for table in tables]
    return digest(*code_of(modules), *map(Fingerprint(COMPUTING_PACKAGES).of, parameters), *types)


def code_and_reads(
    compute: Callable[..., Any],
    combine: Mapping[str, Any],
    parameters: tuple[Any, ...],
    reads: Mapping[str, Window],
    parts: Mapping[str, Selection],
    *,
    declared_apart: bool,
) -> str:
    """Digest of all that makes a step's tables but their types: code, parameters, what is read and in which windows.

    `declared_apart`: and but what is declared of columns, which also decides which columns are read and what `compute` holds.
    """
    functions, modules = described(compute, dict(combine), held=not declared_apart)
    if declared_apart:
        parts = {name: replace(part, columns=None) for name, part in parts.items()}
    data, _ = described(parameters, dict(reads), dict(parts))
    return digest(*code_of(modules), *functions, *data)


def meanings_of(declared: Mapping[str, Any]) -> dict[str, str]:
    """A digest of what is declared of each column."""
    return {name: digest(*described(entry)[0]) for name, entry in declared.items()}


def digest(*parts: str) -> str:
    """Twelve hexadecimal digits over texts; where one ends and the next begins counts."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()


def code_of(modules: Iterable[str]) -> list[str]:
    """Source of the computing ones among `modules` and of what they import, and the values of the constants they use."""
    behind = modules_behind(modules)
    return [_code(module) for module in behind] + [text for module in behind for text in _constants(module)]


def column_versions(contract: Contract, common: str, declared: Mapping[str, str]) -> dict[str, str]:
    """A version of each column: of what is common to them, its own type and limits, and what is declared of it."""
    return {c.name: digest(common, repr(_facts(c)), declared.get(c.name, "")) for c in contract.columns}


def _facts(column: Column) -> tuple[Any, ...]:
    return (column.name, column.kind.name, column.nullable, column.minimum, column.maximum, column.provenance)


def described(*functions: Any, held: bool = True) -> tuple[list[str], set[str]]:
    """What functions are, and the computing modules whose code they use: transforms by name, as in `transforms.user_daily(...)`,
    and any other. Without `held`, but for the collections they hold.
    """
    fingerprint = Fingerprint(COMPUTING_PACKAGES, held=held)
    texts = [fingerprint.of(function) for function in functions]
    called = fingerprint.names & set(transforms.__all__)
    return texts, fingerprint.modules | {str(getattr(transforms, name).__module__) for name in called}


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
def _nodes(module: str) -> tuple[ast.AST, ...]:
    """All that its source consists of."""
    return tuple(ast.walk(_tree(module)))


@lru_cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that `module` imports, `from package import module` included."""
    names: set[str] = set()
    for node in _nodes(module):
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


@lru_cache
def _constants(module: str) -> tuple[str, ...]:
    """The constants of contracts and products (`SEGMENTS`, ...) that `module` imports: they end up in rows too."""
    return tuple(Fingerprint(COMPUTING_PACKAGES).of(value) for value in _imported_constants(module))


def _imported_constants(module: str) -> Iterator[Any]:
    for node in _nodes(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            ("churn_assets.contracts.", "churn_assets.product.")
        ):
            declared = importlib.import_module(str(node.module))
            yield from (getattr(declared, alias.name) for alias in node.names if alias.name.isupper())


@lru_cache
def _code(module: str) -> str:
    for node in _nodes(module):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(_tree(module))
