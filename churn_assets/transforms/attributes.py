"""Attributes of users: what lies outside their limits is none, and what a missing one is, their declaration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.product import Attribute
from churn_assets.transforms.parsing import Bools
from churn_assets.transforms.typed_values import emptied, holds, with_missing


def outside_limits(values: Any, entry: Attribute) -> Bools:
    """Which values lie outside the limits; null does not."""
    if entry.limits is None:
        return np.zeros(len(values), dtype=bool)
    numbers = pd.Series(values)
    outside = (numbers < entry.limits[0]) | (numbers > entry.limits[1])
    return np.asarray(outside.fillna(False), dtype=bool)


def within_limits(values: Any, entry: Attribute) -> Any:
    """The values with null where they lie outside the limits."""
    return emptied(values, outside_limits(values, entry))


def filled(values: Any, is_null: Bools, entry: Attribute, above: Mapping[str, Any]) -> Any:
    """The values with what a missing one is in the places `is_null`. `above` are the attributes declared before it, filled."""
    if entry.missing_if:
        meets = np.logical_and.reduce([holds(above[condition.key], condition) for condition in entry.missing_if])
        return np.where(is_null, meets, values.to_numpy(dtype=bool, na_value=False))
    return values if entry.missing is None else with_missing(values, is_null, entry.missing)
