"""What a value or a function is, as text: the same in every process, another as soon as it may compute something else.

Functions are described by their bytecode and by what they name and hold; data by their values; anything else by its type and
its own attributes. Addresses, line numbers and docstrings do not enter.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

PACKAGE = "churn_assets"
SCALARS = (type(None), bool, int, float, complex, str, bytes, date, time, timedelta, Decimal, Fraction, PurePath)
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class Fingerprint:
    """Describes values. `modules` collects the computing modules whose functions it met: whoever asks hashes their source.
    `names` collects what functions refer to by name.
    """

    def __init__(self, computing: tuple[str, ...], *, held: bool = True) -> None:
        """`held`: with the data that functions hold in closures and arguments; without, only with what is no collection."""
        self.modules: set[str] = set()
        self.names: set[str] = set()
        self._computing = computing
        self._held = held
        self._within: set[int] = set()

    def of(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{_name(type(value))}.{value.name}"
        if isinstance(value, SCALARS):
            return f"{type(value).__name__}:{value!r}"
        if id(value) in self._within:
            return "itself"
        self._within.add(id(value))
        try:
            return self._of(value)
        finally:
            self._within.discard(id(value))

    def _of(self, value: Any) -> str:
        ways: tuple[tuple[Any, Callable[[Any], str]], ...] = (
            (CodeType, self._code),
            (FunctionType, self._function),
            (MethodType, self._method),
            (functools.partial, self._partial),
            ((type, BuiltinFunctionType), self._named),
            (ModuleType, self._module),
            ((list, tuple, set, frozenset, Mapping), self._collection),
            (re.Pattern, lambda pattern: f"pattern({pattern.pattern!r}, {pattern.flags})"),
            (tzinfo, lambda zone: f"{_name(type(zone))}({zone})"),
        )
        for kinds, describe in ways:
            if isinstance(value, kinds):
                return describe(value)
        return f"{_name(type(value))}({', '.join(f'{name}={self.of(item)}' for name, item in self._attributes(value))})"

    def _method(self, method: MethodType) -> str:
        return f"{self.of(method.__func__)} of {self._holds(method.__self__)}"

    def _partial(self, partial: functools.partial[Any]) -> str:
        held = [*map(self._holds, partial.args), *(f"{name}={self._holds(v)}" for name, v in partial.keywords.items())]
        return f"{self.of(partial.func)}({', '.join(held)})"

    def _named(self, value: Any) -> str:
        self._meet(value.__module__ or "")
        return _name(value)

    def _module(self, module: ModuleType) -> str:
        if not hasattr(module, "__path__"):  # A package stands for whatever is called by name in it.
            self._meet(module.__name__)
        return module.__name__

    def _collection(self, values: Any) -> str:
        is_mapping = isinstance(values, Mapping)
        items = [f"{self.of(one)}: {self.of(values[one])}" if is_mapping else self.of(one) for one in values]
        if isinstance(values, (set, frozenset)):
            items.sort()
        return f"{type(values).__name__}({', '.join(items)})"

    def _attributes(self, value: Any) -> Iterable[tuple[str, Any]]:
        if callable(value):
            yield "call", type(value).__call__
            if not self._held:
                return
        if names := getattr(type(value), "described_by", ()):
            yield from ((name, getattr(value, name)) for name in names)
        elif dataclasses.is_dataclass(value):
            yield from ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        elif fields := getattr(type(value), "model_fields", None):
            yield from ((name, getattr(value, name)) for name in fields)
        elif hasattr(value, "tolist"):
            yield "values", value.tolist()
        else:
            yield from sorted(getattr(value, "__dict__", {}).items())

    def _holds(self, value: Any) -> str:
        """What a function keeps: code and single values always, collections and objects only if data that is held counts."""
        return self.of(value) if self._held or callable(value) or isinstance(value, (*SCALARS, Enum)) else ""

    def _function(self, function: FunctionType) -> str:
        module = function.__module__ or ""
        if self._meet(module):
            return _name(function)
        if not module.startswith(PACKAGE) and function.__code__.co_filename.startswith(LIBRARIES):
            return _name(function)
        named = {name for code in _nested(function.__code__) for name in code.co_names}
        self.names |= named
        known = [(name, function.__globals__[name]) for name in sorted(named) if name in function.__globals__]
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
        parts = [
            self._code(function.__code__, function.__doc__),
            *(f"{name}={self.of(value)}" for name, value in known),
            *map(self._holds, cells),
            *map(self._holds, defaults),
        ]
        return f"function({'; '.join(parts)})"

    def _code(self, code: CodeType, docstring: str | None = None) -> str:
        constants = [constant for constant in code.co_consts if docstring is None or constant != docstring]
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return f"code({code.co_code.hex()}, {names!r}, {', '.join(map(self.of, constants))})"

    def _meet(self, module: str) -> bool:
        is_computing = module.startswith(self._computing)
        if is_computing:
            self.modules.add(module)
        return is_computing


def _nested(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"
