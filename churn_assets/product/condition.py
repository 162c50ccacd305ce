"""A condition on a row: `where = { device = ["ios", "android"], offline = { not = true } }`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from churn_assets.product.fields import Scalar


@dataclass(frozen=True)
class Condition:
    """A row counts if `key` has one of `values`, or if `negated` has none of them. Null has none of them."""

    key: str
    values: tuple[Scalar, ...]
    negated: bool = False

    @classmethod
    def read(cls, key: str, declared: Any) -> Condition:
        """A condition as TOML writes it: a value, a list of values, or either of them under `not`."""
        negated = isinstance(declared, Mapping)
        if isinstance(declared, Mapping) and set(declared) != {"not"}:
            raise ValueError(f"on '{key}' must be a value, a list of values, or {{ not = ... }}")
        given = declared["not"] if isinstance(declared, Mapping) else declared
        values = tuple(given) if isinstance(given, list | tuple) else (given,)
        if not values or not all(isinstance(value, bool | int | float | str) for value in values):
            raise ValueError(f"on '{key}' must compare with texts, numbers, true or false")
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise ValueError(f"on '{key}' compares with a number that no value equals; take a finite one")
        return cls(key, values, negated)

    @property
    def declared(self) -> Any:
        """What `read` makes this condition from."""
        values: Any = self.values[0] if len(self.values) == 1 else list(self.values)
        return {"not": values} if self.negated else values


def _conditions(where: Any) -> Any:
    if isinstance(where, tuple) and all(isinstance(condition, Condition) for condition in where):
        return where
    if not isinstance(where, Mapping):
        raise ValueError("must be a table such as { device = ['ios', 'android'] }")
    return tuple(Condition.read(str(key), declared) for key, declared in _flat(where))


def _flat(where: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Keys as TOML nests them (`extra.device = "ios"` is a table in a table) as paths."""
    found: list[tuple[str, Any]] = []
    for key, declared in where.items():
        is_table = isinstance(declared, Mapping) and set(declared) != {"not"}
        path = f"{above}.{key}" if above else str(key)
        found += _flat(declared, path) if is_table and declared else [(path, declared)]
    return found


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_conditions)]
