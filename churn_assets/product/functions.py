"""Functions that measures name as `module:function`, from the deployment's folder or an installed package."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class DeclaredFunction:
    """A function that a measure names. What it computes is in its whole module: in helpers, classes, tables of prices.

    So its version is of the module's source and not of what the function holds, whose texts need not show what they hold.
    """

    described_by: ClassVar[tuple[str, ...]] = ("name", "source")
    """What a code version looks at."""
    name: str
    source: str
    """Of the module, without comments, docstrings and layout; empty where an installed one has no source."""
    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def module_path(reference: str, folder: Path | None) -> Path:
    """Where the module of a function stands if it is one of the deployment's own."""
    steps = reference.partition(":")[0].split(".")
    return (folder or Path()).joinpath(*steps).with_suffix(".py")


def find_function(reference: str, folder: Path | None) -> DeclaredFunction:
    """The function. Raises ValueError with the clause that says why there is none.

    A module of the folder is read anew each time, under a name of its own: two deployments may have one of the same name.
    """
    module_name, _, name = reference.partition(":")
    path = module_path(reference, folder)
    try:
        is_own = path.is_file()
        module = _run(path, module_name) if is_own else importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (
            f"{path} is no file" if error.name and module_name.startswith(error.name) else f"it imports '{error.name}'"
        )
        raise ValueError(f"python '{reference}' cannot be imported, because {missing}; put that right") from error
    except Exception as error:
        raise ValueError(
            f"python '{reference}' cannot be imported ({type(error).__name__}: {error}); correct it"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"python '{reference}' is no function of that module; name a function of a frame of events")
    source = path.read_bytes() if is_own else _installed_source(module)
    return DeclaredFunction(reference, _without_words(source), found)


def _installed_source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return ""  # compiled: of such a module only the name is known


def _without_words(source: str | bytes) -> str:
    """Source without what people alone read."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _run(path: Path, name: str) -> ModuleType:
    # Compiled here and not by the import system, whose bytecode cache may take a file changed within a second for the old one.
    source = path.read_bytes()
    module = ModuleType(f"churn_product_{name.replace('.', '_')}_{hash((path, source)) & 0xFFFFFFFF:08x}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and inspect look their module up
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the deployment's own code
    return module
