"""Functions that measures name as `module:function`, from the deployment's folder or an installed package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from churn_assets.product.product import Function


def module_path(reference: str, folder: Path | None) -> Path:
    """Where the module of a function stands if it is one of the deployment's own."""
    steps = reference.partition(":")[0].split(".")
    return (folder or Path()).joinpath(*steps).with_suffix(".py")


def find_function(reference: str, folder: Path | None) -> Function:
    """The function. Raises ValueError with the clause that says why there is none.

    A module of the folder is read anew each time, under a name of its own: two deployments may have one of the same name.
    """
    module_name, _, name = reference.partition(":")
    path = module_path(reference, folder)
    try:
        module = _run(path, module_name) if path.is_file() else importlib.import_module(module_name)
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
    return found


def _run(path: Path, name: str) -> ModuleType:
    # Compiled here and not by the import system, whose bytecode cache may take a file changed within a second for the old one.
    source = path.read_bytes()
    module = ModuleType(f"churn_product_{name.replace('.', '_')}_{hash((path, source)) & 0xFFFFFFFF:08x}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and inspect look their module up
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the deployment's own code
    return module
