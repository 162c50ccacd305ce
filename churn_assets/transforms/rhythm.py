"""The habit of each user as of each day: gaps between the days on which a measure was above 0, and today's silence beside them.

All figures rest on whole numbers that are exact however many days are loaded: a day's figures are a matter of its own history alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_assets.product.windows import RHYTHM
from churn_assets.transforms.days import NEVER
from churn_assets.transforms.trailing import Flags, Matrix, Positions, UserDays

Values = npt.NDArray[Any]

MOST_CELLS = 16_000_000
"""Of the table of a user's gaps by length that is in memory at once."""


def rhythm(at: UserDays, user: Positions, day: Positions, history: int) -> Mapping[str, Matrix]:
    """Figure -> [days, user] as float64, NaN where it is not known. `user` and `day` are the active days, in any order; those
    outside [first - history + 1, last] count for nothing.
    """
    found = {figure: np.full((at.days, len(at.users)), np.nan) for figure in RHYTHM}
    within = at.within(user, day, history - 1)
    user, day = user[within], day[within]
    # As one number, which sorts several times faster than two.
    span, start = at.days + history, at.first - history
    user, day = np.divmod(np.sort(user * span + (day - start)), span)
    day += start
    users, at_once = len(at.users), max(1, MOST_CELLS // history)
    for low in range(0, users, at_once):
        high = min(low + at_once, users)
        begin, end = np.searchsorted(user, [low, high])
        habits = _Habits(user[begin:end] - low, day[begin:end], high - low, history, (at.first, at.last))
        for number, today in enumerate(range(at.first, at.last + 1)):
            habits.move_to(today)
            for figure, values in habits.figures(today).items():
                found[figure][number, low:high] = values
    return found


@dataclass(frozen=True)
class _ByDay:
    """Active days in order of days: the user, and the days to the user's next active day (0: none)."""

    user: Positions
    day: Positions
    ahead: Positions

    def on(self, day: int) -> slice:
        return slice(*np.searchsorted(self.day, [day, day + 1]))


class _Habits:
    """Of some users, the active days of the last `history` days as of a day that only moves on."""

    def __init__(self, user: Positions, day: Positions, users: int, history: int, days: tuple[int, int]) -> None:
        """As of the first of `days`. Rows must be in order of users, then days; none may be too long ago on the first of them."""
        self.day, last = days
        self.history = history
        ahead = np.zeros(len(user), dtype=np.int64)
        same = np.flatnonzero(user[1:] == user[:-1])
        ahead[same] = day[same + 1] - day[same]
        moving = np.flatnonzero((day > self.day) | (day <= last - history))
        moving = moving[np.argsort(day[moving], kind="stable")]
        self.rows = _ByDay(user[moving], day[moving], ahead[moving])
        self.gaps = np.zeros((users, history), dtype=np.int32)
        """How many of a user's gaps are so many days long."""
        self.number, self.squares, self.longer, self.longest = np.zeros((4, users), dtype=np.int64)
        self.first, self.last = np.full((2, users), NEVER)
        self.widest = 0
        """No gap was longer until now."""
        self.median = np.full(users, np.nan)
        self._begin(user, day, ahead)

    def move_to(self, today: int) -> None:
        if today > self.day:
            left = self._leave(today - self.history)
            self._pass(today)
            self._judge(np.union1d(left, self._arrive(today)))
        self.day = today

    def _begin(self, user: Positions, day: Positions, ahead: Positions) -> None:
        past = day <= self.day
        user, day, ahead = user[past], day[past], ahead[past]
        self.last[user] = day  # In order of days, so that the last one stays; and the first, backwards.
        self.first[user[::-1]] = day[::-1]
        ended = np.flatnonzero((ahead > 0) & (day + ahead <= self.day))
        user, gap = user[ended], ahead[ended]
        self._count(user, gap, 1)
        self.longer += np.bincount(user[gap > self.day - self.last[user]], minlength=len(self.longer))
        self._judge(np.flatnonzero(self.number))

    def _leave(self, day: int) -> Positions:
        """Active days of `day` are too long ago from now on. Gives the users whose gaps changed."""
        rows = self.rows.on(day)
        user, ahead = self.rows.user[rows], self.rows.ahead[rows]
        # A next day that is today's is not in yet: the gap up to it would be as long as the whole history.
        has_next = (ahead > 0) & (ahead < self.history)
        alone = user[~has_next]
        self.first[alone] = self.last[alone] = NEVER
        user, ahead = user[has_next], ahead[has_next]
        self.first[user] = day + ahead
        self._count(user, ahead, -1)
        self.longer[user] -= ahead > self.day - self.last[user]
        return user

    def _pass(self, today: int) -> None:
        """One more day of silence: gaps of just that length are no longer than it."""
        silence = today - self.last
        silent = np.flatnonzero((self.last != NEVER) & (silence < self.history))
        self.longer[silent] -= self.gaps[silent, silence[silent]]

    def _arrive(self, today: int) -> Positions:
        """Those who are active today. Gives them, whose gaps changed or began."""
        user = self.rows.user[self.rows.on(today)]
        known = user[self.last[user] != NEVER]
        self._count(known, today - self.last[known], 1)
        new = user[self.last[user] == NEVER]
        self.first[new] = today
        self.last[user] = today
        self.longer[user] = self.number[user]
        return user

    def _count(self, user: Positions, gap: Positions, times: int) -> None:
        self.widest = max(self.widest, int(gap.max(initial=0)))
        np.add.at(self.gaps, (user, gap), times)
        np.add.at(self.number, user, times)
        np.add.at(self.squares, user, times * gap * gap)

    def _judge(self, user: Positions) -> None:
        """What only the order of the gaps says, of users whose gaps changed."""
        counted = np.cumsum(self.gaps[user, : self.widest + 1], axis=1, dtype=np.int32)
        number = self.number[user]
        lower, upper = ((counted <= rank[:, None]).sum(axis=1) for rank in ((number - 1) // 2, number // 2))
        self.median[user] = np.where(number > 0, (lower + upper) / 2, np.nan)
        self.longest[user] = np.where(number > 0, (counted < number[:, None]).sum(axis=1), 0)

    def figures(self, today: int) -> dict[str, Values]:
        is_known, has_gaps = self.last != NEVER, self.number > 0
        silence, total = today - self.last, self.last - self.first
        deviation = np.sqrt(self.number * self.squares - total * total)
        return {
            "gap_mean": _over(total, self.number, has_gaps),
            "gap_median": self.median,
            "gap_longest": np.where(has_gaps, self.longest, np.nan),
            "gap_deviation": _over(deviation, self.number, has_gaps),
            "silence_to_mean_gap": _over(silence * self.number, total, has_gaps),
            "silence_to_longest_gap": _over(silence, self.longest, has_gaps),
            "longer_gaps_share": _over(self.longer, self.number, has_gaps),
            "active_share": _over(self.number + 1, today - self.first + 1, is_known),
        }


def _over(part: Values, whole: Values, known: Flags) -> Values:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=known)
