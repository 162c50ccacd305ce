"""Trailing windows over user-days, as matrices shaped [day, user]: sums, days since the last, different values.

What a day gets depends on its own window alone: sums of floats are taken from the newest day to the oldest, so that they are
the same to the last bit however many days were loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.transforms.days import NEVER

Matrix = npt.NDArray[Any]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Windowed = tuple[int, Matrix, Flags]


@dataclass(frozen=True)
class UserDays:
    """Where the user-days of [first, last] lie in a matrix of these users, and those of up to `back` days before them."""

    users: pd.Index[Any]
    first: int
    last: int
    """Days counted from 1970."""

    @property
    def days(self) -> int:
        return self.last - self.first + 1

    def position_of(self, user_id: pd.Series[Any]) -> Positions:
        """Column of each user, -1 of others."""
        return self.users.get_indexer(pd.Index(user_id))

    def within(self, user: Positions, day: Positions, back: int) -> Flags:
        return (user >= 0) & (day >= self.first - back) & (day <= self.last)

    def matrix(self, user: Positions, day: Positions, values: Any, back: int, dtype: Any) -> Matrix:
        """[back + days, user]: the values where they belong, 0 elsewhere. A user has at most one of a day."""
        cells = np.zeros((back + self.days, len(self.users)), dtype=dtype)
        cells[day - (self.first - back), user] = values
        return cells

    def window_sums(self, cells: Matrix, widths: Collection[int]) -> Iterator[tuple[int, Matrix]]:
        """(width, [days, user]) for each width in rising order; the matrix is good until the next is asked for.

        `cells` reach as many days back as the widest window, less one.
        """
        back = len(cells) - self.days
        total = np.zeros((self.days, len(self.users)), dtype=cells.dtype)
        for age in range(max(widths)):
            total += cells[back - age : back - age + self.days]
            if age + 1 in widths:
                yield age + 1, total

    def days_since(self, user: Positions, day: Positions, has: Flags) -> Matrix:
        """[days, user]: days since the last user-day, up to that day, that `has` one. Rows must be in order of days."""
        user, day = user[has], day[has]
        bounds = np.searchsorted(day, np.arange(self.first, self.last + 2))
        last = np.full(len(self.users), NEVER)
        # In order of days, so that of a user's several the last one stays.
        last[user[: bounds[0]]] = day[: bounds[0]]
        since = np.empty((self.days, len(self.users)), dtype=np.int64)
        for number in range(self.days):
            last[user[bounds[number] : bounds[number + 1]]] = self.first + number
            since[number] = self.first + number - last
        return since

    def different(self, user: Positions, day: Positions, code: Positions, width: int) -> Matrix:
        """[days, user]: how many different codes each window of `width` days holds."""
        span = self.days + width
        codes = int(code.max(initial=0)) + 1
        seen = np.sort((user * codes + code) * span + (day - (self.first - width)))
        # Sorting is several times faster than np.unique, which hashes.
        pair, at = np.divmod(seen[np.flatnonzero(np.diff(seen, prepend=-1))], span)
        # A code is in the windows of `width` days, or until the next day that has it takes over: each window counts it once.
        until = at + width
        same = np.flatnonzero(pair[1:] == pair[:-1])
        until[same] = np.minimum(until[same], at[same + 1])
        begins, ends = np.maximum(at - width, 0), np.clip(until - width, 0, self.days)
        size, shape = (self.days + 1) * len(self.users), (self.days + 1, len(self.users))
        steps = np.bincount(begins * len(self.users) + pair // codes, minlength=size)
        steps -= np.bincount(ends * len(self.users) + pair // codes, minlength=size)
        return np.cumsum(steps.reshape(shape), axis=0)[:-1]

    def window_extremes(
        self, cells: Matrix, has: Matrix, widths: Collection[int], *, least: bool
    ) -> Iterator[Windowed]:
        """(width, values, which are known) for each width in rising order: the least or greatest value that a window `has`."""
        return self._picked(cells, has, widths, (lambda new, old: new < old) if least else (lambda new, old: new > old))

    def window_lasts(self, cells: Matrix, has: Matrix, widths: Collection[int]) -> Iterator[Windowed]:
        """(width, values, which are known) for each width in rising order: the value of the newest day that `has` one."""
        return self._picked(cells, has, widths, lambda new, old: np.zeros(old.shape, dtype=bool))

    def _picked(
        self, cells: Matrix, has: Matrix, widths: Collection[int], is_better: Callable[[Matrix, Matrix], Flags]
    ) -> Iterator[Windowed]:
        back = len(cells) - self.days
        values = np.zeros((self.days, len(self.users)), dtype=cells.dtype)
        known = np.zeros(values.shape, dtype=bool)
        for age in range(max(widths)):
            older = slice(back - age, back - age + self.days)
            taken = has[older] & (~known | is_better(cells[older], values))
            values[taken] = cells[older][taken]
            known |= has[older]
            if age + 1 in widths:
                yield age + 1, values, known
