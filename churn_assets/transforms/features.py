"""user_day_grid, user_daily, clean_events -> user_features: each user as of the end of a day. Local to a user.

What the features are, and their windows, is declared in contracts/features.py; here is how they are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.features import (
    DAILY_AVERAGES,
    LAST_SEEN,
    LOOKBACK_DAYS,
    SEGMENT_DAYS,
    SEGMENTS,
    SUMS,
    WINDOWS,
)
from churn_assets.transforms.days import day_number, day_numbers
from churn_assets.transforms.trailing import Matrix, Positions, UserDays

MONTH = max(WINDOWS)
BACK = MONTH - 1
ATTRIBUTES = ("plan", "is_paid", "country", "marketing_source", "days_since_signup")
ATTRIBUTE_COLUMNS = ("user_id", "as_of_date", *ATTRIBUTES)
"""What user_features needs of the days themselves, of user_day_grid."""
MONTH_COLUMNS = ("user_id", "as_of_date", "avg_quiz_score", *SUMS)
"""What it needs of user_daily in the longest of WINDOWS."""
LOOKBACK_COLUMNS = ("user_id", "as_of_date", *LAST_SEEN.values())
"""What it needs of user_daily in LOOKBACK_DAYS."""
COURSE_COLUMNS = ("user_id", "event_date", "course_id")
"""What it needs of clean_events."""
Values = npt.NDArray[Any]


def user_features(
    user_day_grid: pd.DataFrame,
    *,
    presence: pd.DataFrame,
    month: pd.DataFrame,
    lookback: pd.DataFrame,
    clean_events: pd.DataFrame,
    first_day: date,
    last_day: date,
    published: Iterable[date],
) -> pd.DataFrame:
    """Features of every grid row of [first_day, last_day]; rows and their order are the grid's.

    `presence` has user_id and as_of_date of the grid from first_day - 29 on, `month` and `lookback` the active rows of
    user_daily from first_day - 29 and - 89 on, clean_events those that landed from first_day - 29 on. `published` are the
    days of which user_daily is known: of others nothing was observed, which is not the same as nothing happened.
    """
    grid = user_day_grid
    at = UserDays(pd.Index(grid["user_id"].unique()), day_number(first_day), day_number(last_day))
    today = day_numbers(grid["as_of_date"])
    row = (today - at.first) * len(at.users) + at.position_of(grid["user_id"])

    def of_rows(cells: Matrix) -> Values:
        return cells.ravel()[row]

    known = np.isin(np.arange(at.first - BACK, at.last + 1), [day_number(day) for day in published])
    user, day, kept = _placed(at, presence, "as_of_date", BACK)
    there = at.matrix(user, day, 1, BACK, np.int16) * known[:, None].astype(np.int16)
    features: dict[str, Any] = {name: grid[name].array for name in ("user_id", "as_of_date", *ATTRIBUTES)}
    for width, total in at.window_sums(there, WINDOWS):
        features[f"days_observed_{width}d"] = of_rows(total).astype("int64")

    user, day, kept = _placed(at, month, "as_of_date", BACK)
    daily = {name: month[name].to_numpy()[kept] for name in MONTH_COLUMNS[2:]}
    active = at.matrix(user, day, daily["total_events"] > 0, BACK, np.int16)
    for width, total in at.window_sums(active, {*WINDOWS, SEGMENT_DAYS}):
        features[f"active_days_{width}d"] = of_rows(total).astype("int64")
    for name, values in daily.items():
        if name != "avg_quiz_score":
            for width, total in at.window_sums(at.matrix(user, day, values, BACK, values.dtype), WINDOWS):
                features[f"{name}_{width}d"] = of_rows(total)
    attempts = daily["total_quiz_attempts"]
    scores = np.where(attempts > 0, daily["avg_quiz_score"] * attempts, 0.0)
    for width, total in at.window_sums(at.matrix(user, day, scores, BACK, np.float64), WINDOWS):
        mean = _ratio(of_rows(total), features[f"total_quiz_attempts_{width}d"])
        # Multiplied, added and divided again, a hundred may come out a hair above a hundred.
        features[f"quiz_avg_score_{width}d"] = np.clip(mean, 0, 100)

    features["course_diversity_30d"] = of_rows(_courses(at, clean_events, active))
    features |= _since(at, lookback, row)
    features |= _derived(features, today)
    return pd.DataFrame(features, copy=False).drop(columns=f"active_days_{SEGMENT_DAYS}d")


def _placed(at: UserDays, frame: pd.DataFrame, day_column: str, back: int) -> tuple[Positions, Positions, Any]:
    """User positions and day numbers of the rows within reach, and which rows these are."""
    user, day = at.position_of(frame["user_id"]), day_numbers(frame[day_column])
    within = at.within(user, day, back)
    if within.all():
        return user, day, slice(None)
    kept = np.flatnonzero(within)
    return user[kept], day[kept], kept


def _courses(at: UserDays, clean_events: pd.DataFrame, active: Matrix) -> Matrix:
    """Different courses of a month. An event counts where its user-day does: that of an unobserved day does not."""
    user, day, kept = _placed(at, clean_events, "event_date", BACK)
    code = pd.Categorical(clean_events["course_id"]).codes[kept].astype("int64")
    counts = np.flatnonzero((code >= 0) & (active[day - (at.first - BACK), user] > 0))
    return at.different(user[counts], day[counts], code[counts], MONTH)


def _since(at: UserDays, lookback: pd.DataFrame, row: Positions) -> dict[str, Any]:
    user, day, kept = _placed(at, lookback, "as_of_date", LOOKBACK_DAYS - 1)
    if (day[1:] < day[:-1]).any():
        order = np.argsort(day, kind="stable")
        user, day, kept = user[order], day[order], np.arange(len(lookback))[kept][order]
    found = {}
    for what, column in LAST_SEEN.items():
        since = at.days_since(user, day, lookback[column].to_numpy()[kept] > 0).ravel()[row]
        out_of_sight = since >= LOOKBACK_DAYS
        found[f"days_since_last_{what}"] = pd.arrays.IntegerArray(np.where(out_of_sight, 0, since), out_of_sight)
    return found


def _derived(features: Mapping[str, Any], today: Positions) -> dict[str, Any]:
    """Features that are made of other features of the same row."""
    derived: dict[str, Any] = {}
    for width in WINDOWS:
        for name, column in DAILY_AVERAGES.items():
            derived[f"{name}_{width}d"] = features[f"{column}_{width}d"] / features[f"days_observed_{width}d"]
    failed, paid = features["payment_failed_count_30d"], features["payment_success_count_30d"]
    weekday = (today + 3) % 7 + 1  # 1 January 1970 was a Thursday
    segment: Any = np.searchsorted(list(SEGMENTS.values()), features[f"active_days_{SEGMENT_DAYS}d"], side="right") - 1
    return derived | {
        "payment_fail_rate_30d": _ratio(failed, failed + paid),
        "avg_watch_per_login_30d": _ratio(features["total_watch_minutes_30d"], features["total_logins_30d"]),
        "activity_trend_7d_30d": _ratio(derived["avg_daily_events_7d"], derived["avg_daily_events_30d"]),
        "day_of_week": weekday,
        "is_weekend": weekday >= 6,
        "activity_segment": pd.Categorical.from_codes(segment, categories=pd.Index(list(SEGMENTS))),
    }


def _ratio(part: Values, whole: Values) -> Values:
    """NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
