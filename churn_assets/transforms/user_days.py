"""clean_users and clean_events -> user_day_grid, user_daily, unmatched_events. Local to a user and a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SESSION_GAP = np.timedelta64(30 * 60 * 1_000_000, "us")
"""A longer pause between two events begins a new session (Google Analytics' customary half hour)."""
ONE_DAY = np.timedelta64(1, "D")
FAR_FUTURE = np.datetime64("9999-12-31", "D")
ATTRIBUTES = ["plan", "is_paid", "country", "marketing_source"]
COUNTED_TYPES = {
    "total_logins": "login",
    "total_quiz_attempts": "quiz_attempt",
    "total_enrollments": "course_enroll",
    "payment_success_count": "payment_success",
    "payment_failed_count": "payment_failed",
    "support_ticket_count": "support_ticket",
}
ACTIVITY_COLUMNS = ["event_id", "event_time", "event_type", "course_id", "watch_minutes", "quiz_score", "amount"]
DAILY_EVENT_COLUMNS = ("user_id", "event_date", *ACTIVITY_COLUMNS)
"""What user_daily needs of clean_events."""
Days = npt.NDArray[np.datetime64]
Positions = npt.NDArray[np.int64]


def user_day_grid(clean_users: pd.DataFrame, *, first_day: date, last_day: date, lateness_days: int) -> pd.DataFrame:
    """Every user x every day of [first_day, last_day] on or after signup, attributes as of that day.

    Needs every user version landed up to last_day + lateness_days. The version that counts is the last landed on or
    before the day; a user's first version counts from signup_date on if it landed within lateness_days of it.
    """
    versions = _versions(clean_users, lateness_days)
    start = np.maximum(_days(versions["counts_from"]), np.datetime64(first_day, "D"))
    start = np.maximum(start, _days(versions["signup_date"]))
    stop = np.minimum(_days(versions["counts_until"]), np.datetime64(last_day, "D") + ONE_DAY)
    lasts = np.maximum((stop - start).astype("int64"), 0)
    row = np.repeat(np.arange(len(versions)), lasts)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(lasts) - lasts, lasts)
    as_of_date = start[row] + offset
    rows = versions.take(row)
    signup_date = _days(rows["signup_date"])
    return pd.DataFrame(
        {
            "user_id": rows["user_id"].array,
            "as_of_date": as_of_date.astype("datetime64[us]"),
            "signup_date": signup_date.astype("datetime64[us]"),
            **{name: rows[name].array for name in ATTRIBUTES},
            "days_since_signup": (as_of_date - signup_date).astype("int64"),
        },
        copy=False,
    )


def user_daily(user_day_grid: pd.DataFrame, clean_events: pd.DataFrame) -> pd.DataFrame:
    """The grid with each day's activity, zeros explicit; rows and their order are the grid's.

    Needs the events whose event_date is a day of the grid, landed up to lateness_days after it. Events that no grid
    row takes are left out here; `unmatched_events` says which.
    """
    grid = user_day_grid.reset_index(drop=True)
    taken_by = _grid_rows_of(grid, clean_events)
    events = clean_events[ACTIVITY_COLUMNS].take(np.flatnonzero(taken_by >= 0))
    row = taken_by[taken_by >= 0]
    # One fixed order, so that sums of floats do not depend on how the events were stored.
    tie = pd.factorize(events["event_id"], sort=True)[0] if events["event_id"].dtype != "int64" else events["event_id"]
    order = np.lexsort((np.asarray(tie), events["event_time"].to_numpy(), row))
    events, row = events.take(order), row[order]

    def per_row(which: Any = None, weights: Any = None) -> npt.NDArray[Any]:
        at = row if which is None else row[which]
        return np.bincount(at, weights=weights, minlength=len(grid))

    event_type = pd.Categorical(events["event_type"])
    is_type = {name: np.asarray(event_type == name) for name in COUNTED_TYPES.values()}
    quiz, paid = is_type["quiz_attempt"], is_type["payment_success"]
    attempts = per_row(quiz)
    score_sum = per_row(quiz, events["quiz_score"].to_numpy()[quiz])
    total_events = per_row()
    activity = {
        "total_events": total_events,
        "total_logins": per_row(is_type["login"]),
        "total_watch_minutes": per_row(None, events["watch_minutes"].to_numpy()),
        "total_quiz_attempts": attempts,
        "distinct_courses": _distinct_per_row(row, pd.Categorical(events["course_id"]).codes, len(grid)),
        "avg_quiz_score": np.divide(score_sum, attempts, out=np.full(len(grid), np.nan), where=attempts > 0),
        "total_enrollments": per_row(is_type["course_enroll"]),
        "payment_success_count": per_row(paid),
        "payment_failed_count": per_row(is_type["payment_failed"]),
        "payment_amount": per_row(paid, np.nan_to_num(events["amount"].to_numpy()[paid])),
        "support_ticket_count": per_row(is_type["support_ticket"]),
        "total_sessions": per_row(_begins_session(row, events["event_time"].to_numpy())),
        "is_active": total_events > 0,
    }
    return grid.assign(**activity)


def unmatched_events(
    clean_events: pd.DataFrame,
    clean_users: pd.DataFrame,
    *,
    first_day: date,
    last_day: date,
    lateness_days: int,
    signup_lookahead_days: int = 0,
) -> pd.DataFrame:
    """Events of the event days [first_day, last_day] for which the grid has no row, with the reason.

    Needs those days' events and every user version landed up to last_day + the larger of lateness_days and
    signup_lookahead_days; the latter only tells a user who signs up later from one nobody knows. Decided from the users,
    not from the grid, so that the conservation check compares two independent computations.
    """
    ahead = np.timedelta64(max(lateness_days, signup_lookahead_days), "D")
    versions = _versions(clean_users, lateness_days)
    first = versions[~versions["user_id"].duplicated()]
    at = pd.Index(first["user_id"]).get_indexer(pd.Index(clean_events["user_id"]))
    known = at >= 0
    day = _days(clean_events["event_date"])
    landed, signup, counts_from = (
        np.where(known, _days(first[name])[at], FAR_FUTURE) if len(first) else np.full(len(day), FAR_FUTURE)
        for name in ("landed", "signup_date", "counts_from")
    )
    # A version landed after the day's window has closed is unknown to that day, however much was loaded. One landed
    # after its lateness takes no event of the day, since it counts from its landing.
    known = known & (landed <= day + ahead)
    too_early = known & (day < signup)
    matched = known & (day >= signup) & (day >= counts_from)
    asked = (day >= np.datetime64(first_day, "D")) & (day <= np.datetime64(last_day, "D"))
    unmatched = np.flatnonzero(asked & ~matched)
    codes: Any = np.where(too_early[unmatched], 1, 0)
    reason = pd.Categorical.from_codes(codes, categories=pd.Index(["unknown_user", "before_signup"]))
    return clean_events.take(unmatched).assign(reason=reason).reset_index(drop=True)


def _versions(clean_users: pd.DataFrame, lateness_days: int) -> pd.DataFrame:
    """User versions in landing order with the days [counts_from, counts_until) on which each is the one that counts.

    Days are datetime64[D]; signup_date is the user's first version's.
    """
    users = clean_users.reset_index(drop=True)
    user = pd.factorize(users["user_id"])[0]
    landed = _days(users["landing_date"])
    order = np.lexsort((landed, user))
    users, user, landed = users.take(order), user[order], landed[order]
    is_first = np.ones(len(users), dtype=bool)
    is_first[1:] = user[1:] != user[:-1]
    first_of = np.maximum.accumulate(np.where(is_first, np.arange(len(users)), 0))
    signup = _days(users["signup_date"])[first_of]
    known_in_time = is_first & (landed <= signup + np.timedelta64(lateness_days, "D"))
    counts_from = np.where(known_in_time, np.minimum(signup, landed), landed)
    counts_until = np.full(len(users), FAR_FUTURE)
    counts_until[:-1] = np.where(is_first[1:], FAR_FUTURE, landed[1:])
    return pd.DataFrame(
        {
            "user_id": users["user_id"].array,
            "landed": landed.astype("datetime64[s]"),
            "signup_date": signup.astype("datetime64[s]"),
            "counts_from": counts_from.astype("datetime64[s]"),
            "counts_until": counts_until.astype("datetime64[s]"),
            **{name: users[name].array for name in ATTRIBUTES},
        },
        copy=False,
    )


def _days(instants: pd.Series[Any]) -> Days:
    return instants.to_numpy().astype("datetime64[D]")


def _grid_rows_of(grid: pd.DataFrame, events: pd.DataFrame) -> Positions:
    """For each event the position of the grid row of its user and day, -1 where there is none."""
    if not len(grid):
        return np.full(len(events), -1)
    users = pd.Index(grid["user_id"].unique())
    days = _days(grid["as_of_date"]).astype("int64")
    first, span = int(days.min()), int(days.max() - days.min()) + 1
    cell_row = np.full(len(users) * span, -1)
    cell_row[users.get_indexer(pd.Index(grid["user_id"])) * span + (days - first)] = np.arange(len(grid))
    user = users.get_indexer(pd.Index(events["user_id"]))
    day = _days(events["event_date"]).astype("int64") - first
    inside = (user >= 0) & (day >= 0) & (day < span)
    return np.where(inside, cell_row[np.where(inside, user * span + day, 0)], -1)


def _distinct_per_row(row: Positions, code: npt.NDArray[Any], rows: int) -> npt.NDArray[np.int64]:
    given = code >= 0
    pairs = pd.unique(row[given] * (int(code.max(initial=0)) + 1) + code[given].astype("int64"))
    return np.bincount(pairs // (int(code.max(initial=0)) + 1), minlength=rows)


def _begins_session(row: Positions, event_time: Days) -> npt.NDArray[np.bool_]:
    """Which events begin a session; events must be in order of row and time."""
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = (row[1:] != row[:-1]) | (event_time[1:] - event_time[:-1] > SESSION_GAP)
    return begins
