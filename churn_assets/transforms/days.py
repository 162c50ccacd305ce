"""Days as numbers, counted from 1970: what arrays of days are indexed, compared and subtracted by."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

NEVER = -(10**6)
"""A day number long before any other: of a user who has not had one."""


def day_numbers(days: pd.Series[Any]) -> npt.NDArray[np.int64]:
    return days.to_numpy().astype("datetime64[D]").astype("int64")


def day_number(day: date) -> int:
    return int(np.datetime64(day, "D").astype("int64"))
