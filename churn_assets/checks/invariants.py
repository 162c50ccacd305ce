"""Invariants on stored data, all blocking: both conservations, a complete grid, no row out of its time.

Each is computed in SQL from the stored tables, by another route than the transforms took.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.settings import Settings, SourceName


def invariants(settings: Settings) -> list[Check]:
    return [
        *map(_reconciled, settings.landed_sources),
        *([_users_of_events()] if settings.users_are == "from_events" else []),
        Check(
            table="user_day_grid",
            name="complete",
            description="Each day has exactly one row for each user who counts on it: signed up, and known in time.",
            blocking=True,
            judge=_complete,
            reads=("clean_users",),
        ),
        Check(
            table="user_daily",
            name="conserved",
            description="Admitted events of the day = sum of total_events + unmatched events; rows = grid rows.",
            blocking=True,
            judge=_conserved,
            reads=("clean_events", "unmatched_events", "user_day_grid"),
        ),
        Check(
            table="user_daily",
            name="in_time_order",
            description="No row before its user's signup, no activity of another day, no event landed too late for it.",
            blocking=True,
            judge=_in_time_order,
            reads=("clean_events",),
        ),
    ]


def as_the_grid(table: str) -> Check:
    """Of a table with a row for each user-day: those of the grid, each once."""
    query = f"""{EVERY_DAY},
    published AS (SELECT user_id, as_of_date FROM churn.{table} WHERE as_of_date BETWEEN $first AND $last),
    grid AS (SELECT user_id, as_of_date FROM churn.user_day_grid WHERE as_of_date BETWEEN $first AND $last),
    rows AS (SELECT as_of_date AS day, count(*) AS n FROM published GROUP BY 1),
    users AS (SELECT as_of_date AS day, count(*) AS n FROM grid GROUP BY 1),
    without AS (SELECT as_of_date AS day, count(*) AS n FROM grid ANTI JOIN published USING (user_id, as_of_date) GROUP BY 1)
    SELECT day, coalesce(rows.n, 0) AS rows, coalesce(users.n, 0) AS grid_rows, coalesce(without.n, 0) AS grid_rows_without_one
    FROM days LEFT JOIN rows USING (day) LEFT JOIN users USING (day) LEFT JOIN without USING (day)"""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        return {
            day: Verdict(f["rows"] == f["grid_rows"] and f["grid_rows_without_one"] == 0, f)
            for day, f in stored.by_day(query, days).items()
        }

    return Check(
        table=table,
        name="complete",
        description="Each row of the day's grid has exactly one row here, and no other user has.",
        blocking=True,
        judge=judge,
        reads=("user_day_grid",),
    )


def _reconciled(source: SourceName) -> Check:
    # Per file: what the reader counted, what is stored as read, and where those rows are stored now.
    query = f"""{EVERY_DAY},
    files AS (SELECT landing_date, source_file, rows_read FROM churn.{source}_files WHERE landing_date BETWEEN $first AND $last),
    raw AS (SELECT landing_date, source_file, count(*) AS n FROM churn.raw_{source} WHERE landing_date BETWEEN $first AND $last GROUP BY ALL),
    accepted AS (SELECT landing_date, source_file, count(*) AS n FROM churn.clean_{source} WHERE landing_date BETWEEN $first AND $last GROUP BY ALL),
    quarantined AS (SELECT landing_date, source_file, count(*) AS n FROM churn.quarantined_{source} WHERE landing_date BETWEEN $first AND $last GROUP BY ALL),
    published AS (SELECT * FROM churn.{source}_reconciliation WHERE landing_date BETWEEN $first AND $last),
    file AS (
        SELECT coalesce(f.landing_date, r.landing_date, a.landing_date, q.landing_date, t.landing_date) AS day,
            coalesce(f.rows_read, -1) AS rows_read, coalesce(r.n, 0) AS stored, coalesce(a.n, 0) AS accepted, coalesce(q.n, 0) AS quarantined,
            coalesce(t.rows_duplicate, 0) AS duplicates, coalesce(t.rows_unchanged, 0) AS unchanged
        FROM files f FULL JOIN raw r USING (landing_date, source_file) FULL JOIN accepted a USING (landing_date, source_file)
        FULL JOIN quarantined q USING (landing_date, source_file) FULL JOIN published t USING (landing_date, source_file)
    )
    SELECT day, count(file.day) AS files,
        coalesce(sum(rows_read), 0)::BIGINT AS rows_read, coalesce(sum(accepted), 0)::BIGINT AS rows_accepted,
        coalesce(sum(duplicates), 0)::BIGINT AS rows_duplicate, coalesce(sum(unchanged), 0)::BIGINT AS rows_unchanged,
        coalesce(sum(quarantined), 0)::BIGINT AS rows_quarantined,
        count(*) FILTER (rows_read <> stored OR rows_read <> accepted + duplicates + unchanged + quarantined) AS files_not_adding_up
    FROM days LEFT JOIN file USING (day) GROUP BY day"""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        found, is_quiet = stored.by_day(query, days), stored.settings.source(source).quiet_days == "empty"
        return {
            day: Verdict((is_quiet or figures["files"] > 0) and figures["files_not_adding_up"] == 0, figures)
            for day, figures in found.items()
        }

    return Check(
        table=f"clean_{source}",
        name="reconciled",
        description="For each landed file: rows read = accepted + duplicates + unchanged + quarantined, counted where they are stored.",
        blocking=True,
        judge=judge,
        reads=(f"raw_{source}", f"{source}_files", f"quarantined_{source}", f"{source}_reconciliation"),
    )


def _users_of_events() -> Check:
    query = f"""{EVERY_DAY},
    seen AS (SELECT DISTINCT landing_date AS day, user_id, event_date AS valid_from FROM churn.clean_events
        WHERE landing_date BETWEEN $first AND $last),
    made AS (SELECT landing_date AS day, user_id, valid_from FROM churn.clean_users WHERE landing_date BETWEEN $first AND $last),
    seen_of AS (SELECT day, count(*) AS n FROM seen GROUP BY 1),
    made_of AS (SELECT day, count(*) AS n FROM made GROUP BY 1),
    without AS (SELECT day, count(*) AS n FROM seen ANTI JOIN made USING (day, user_id, valid_from) GROUP BY 1)
    SELECT day, coalesce(seen_of.n, 0) AS user_days_with_events, coalesce(made_of.n, 0) AS rows, coalesce(without.n, 0) AS user_days_without_row
    FROM days LEFT JOIN seen_of USING (day) LEFT JOIN made_of USING (day) LEFT JOIN without USING (day)"""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        return {
            day: Verdict(f["user_days_with_events"] == f["rows"] and f["user_days_without_row"] == 0, f)
            for day, f in stored.by_day(query, days).items()
        }

    return Check(
        table="clean_users",
        name="complete",
        description="Each user and day of the accepted events that landed has exactly one row, and no other has.",
        blocking=True,
        judge=judge,
        reads=("clean_events",),
    )


def _since(settings: Settings) -> str:
    """SQL for the day from which a user counts, from all rows of the user in clean_users."""
    late = settings.lateness_days
    if settings.users_are == "from_events":
        return "min(valid_from)"
    if settings.users_are == "dated":
        return f"""greatest(min(CASE WHEN landing_date <= valid_from + {late:d} THEN valid_from ELSE landing_date END),
            first(signup_date ORDER BY landing_date, valid_from))"""
    return f"""CASE WHEN min(landing_date) <= arg_min(signup_date, landing_date) + {late:d}
            THEN arg_min(signup_date, landing_date)
            ELSE greatest(min(landing_date), arg_min(signup_date, landing_date)) END"""


def _complete(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    eligible = f"""eligible AS (
        SELECT user_id, {_since(stored.settings)} AS since
        FROM churn.clean_users GROUP BY user_id
    )"""
    counts = f"""{EVERY_DAY}, {eligible},
    arrivals AS (SELECT greatest(since, $first) AS day, count(*) AS n FROM eligible WHERE since <= $last GROUP BY 1),
    grid AS (
        SELECT as_of_date AS day, count(*) AS n, count(e.user_id) FILTER (e.since <= as_of_date) AS entitled
        FROM churn.user_day_grid g LEFT JOIN eligible e USING (user_id)
        WHERE as_of_date BETWEEN $first AND $last GROUP BY 1
    )
    SELECT day, coalesce(sum(arrivals.n) OVER (ORDER BY day), 0)::BIGINT AS users_eligible,
        coalesce(grid.n, 0) AS rows, coalesce(grid.entitled, 0) AS rows_of_eligible_users
    FROM days LEFT JOIN arrivals USING (day) LEFT JOIN grid USING (day)"""
    return {
        day: Verdict(f["users_eligible"] == f["rows"] == f["rows_of_eligible_users"], f)
        for day, f in stored.by_day(counts, days).items()
    }


def _conserved(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    admitted AS ({admitted(stored)}),
    daily AS (SELECT as_of_date AS day, count(*) AS rows, sum(total_events)::BIGINT AS matched FROM churn.user_daily
        WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    grid AS (SELECT as_of_date AS day, count(*) AS rows FROM churn.user_day_grid WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    unmatched AS (SELECT event_date AS day, count(*) AS n FROM churn.unmatched_events WHERE event_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(admitted.n, 0) AS admitted, coalesce(matched, 0) AS matched, coalesce(unmatched.n, 0) AS unmatched,
        coalesce(daily.rows, 0) AS rows, coalesce(grid.rows, 0) AS grid_rows
    FROM days LEFT JOIN admitted USING (day) LEFT JOIN daily USING (day) LEFT JOIN grid USING (day) LEFT JOIN unmatched USING (day)"""
    return {
        day: Verdict(f["admitted"] == f["matched"] + f["unmatched"] and f["rows"] == f["grid_rows"], f)
        for day, f in stored.by_day(query, days).items()
    }


def _in_time_order(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    late = stored.settings.lateness_days
    query = f"""{EVERY_DAY},
    daily AS (SELECT as_of_date AS day, count(*) FILTER (as_of_date < signup_date) AS before_signup,
        count(*) FILTER (days_since_signup <> as_of_date - signup_date) AS wrong_tenure
        FROM churn.user_daily WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    events AS (SELECT event_date AS day, count(*) FILTER (landing_date NOT BETWEEN event_date AND event_date + {late:d}) AS out_of_time
        FROM churn.clean_events WHERE event_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(before_signup, 0) AS rows_before_signup, coalesce(wrong_tenure, 0) AS rows_of_wrong_tenure,
        coalesce(out_of_time, 0) AS events_out_of_time
    FROM days LEFT JOIN daily USING (day) LEFT JOIN events USING (day)"""
    return {day: Verdict(not any(f.values()), f) for day, f in stored.by_day(query, days).items()}


def admitted(stored: Stored) -> str:
    """Admitted events per event day, from the landing days that may hold them."""
    late = stored.settings.lateness_days
    return f"""SELECT event_date AS day, count(*) AS n FROM churn.clean_events
        WHERE event_date BETWEEN $first AND $last AND landing_date BETWEEN event_date AND event_date + {late:d} GROUP BY 1"""
