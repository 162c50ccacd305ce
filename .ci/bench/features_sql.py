"""The opponent of the features benchmark: one day of user_features from the same warehouse, in the fastest DuckDB SQL we found.

It skips what only the product needs (gate, content hash, ledger), not what the table holds. For a single day aggregates over
FILTERed windows beat window functions, which compute every day to keep one.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import duckdb

from churn_assets.product.columns import LOOKBACK_DAYS, SEGMENT_DAYS, WINDOWS

THREADS = 2
LATENESS_DAYS = 3

SUMS = {
    "total_events": "count",
    "total_logins": "count",
    "total_watch_minutes": "minutes",
    "total_quiz_attempts": "count",
    "total_enrollments": "count",
    "payment_success_count": "count",
    "payment_failed_count": "count",
    "payment_amount": "source currency",
    "support_ticket_count": "count",
    "total_sessions": "count",
}
"""Measure -> its unit."""
DAILY_AVERAGES = {
    "avg_daily_events": "total_events",
    "avg_daily_watch_minutes": "total_watch_minutes",
    "avg_daily_sessions": "total_sessions",
}
LAST_SEEN = {
    "activity": "total_events",
    "login": "total_logins",
    "video": "total_watch_minutes",
    "quiz": "total_quiz_attempts",
    "payment": "payment_success_count",
}


def build(warehouse: Path, day: date) -> None:
    """user_features of one day, of a warehouse that has none."""
    with duckdb.connect(str(warehouse), config={"threads": THREADS}) as connection:
        connection.execute(statement(day)).fetchall()


def statement(day: date) -> str:
    """Creates churn.user_features with the rows of `day`."""
    d = f"DATE '{day}'"
    month, segment = max(WINDOWS), "coalesce(active_days_28d, 0)"

    def since(days: int) -> str:
        return f"as_of_date > {d} - {days}"

    observed = ", ".join(f"count(*) FILTER ({since(w)}) AS days_observed_{w}d" for w in WINDOWS)
    summed = [f"sum(if({since(w)}, {name}, 0)) AS {name}_{w}d" for w in WINDOWS for name in SUMS]
    summed += [f"sum(if({since(w)}, 1, 0)) AS active_days_{w}d" for w in (*WINDOWS, SEGMENT_DAYS)]
    summed += [f"sum(if({since(w)}, avg_quiz_score * total_quiz_attempts, 0)) AS points_{w}d" for w in WINDOWS]
    last = ", ".join(f"{d} - max(as_of_date) FILTER ({column} > 0) AS {what}" for what, column in LAST_SEEN.items())
    columns = [
        "grid.user_id",
        f"{d} AS as_of_date",
        "plan",
        "is_paid",
        "country",
        "marketing_source",
        "days_since_signup",
    ]
    columns += [f"isodow({d}) AS day_of_week", f"isodow({d}) > 5 AS is_weekend"]
    for w in WINDOWS:
        columns += [
            f"coalesce({name}_{w}d, 0){'::BIGINT' if unit == 'count' else ''} AS {name}_{w}d"
            for name, unit in SUMS.items()
        ]
        columns += [f"coalesce(active_days_{w}d, 0) AS active_days_{w}d", f"days_observed_{w}d"]
        columns += [
            f"coalesce({column}_{w}d, 0) / days_observed_{w}d AS {name}_{w}d" for name, column in DAILY_AVERAGES.items()
        ]
        columns += [
            f"CASE WHEN total_quiz_attempts_{w}d > 0 THEN least(points_{w}d / total_quiz_attempts_{w}d, 100) END AS quiz_avg_score_{w}d"
        ]
    columns += [
        "payment_failed_count_30d / nullif(payment_failed_count_30d + payment_success_count_30d, 0) AS payment_fail_rate_30d",
        "total_watch_minutes_30d / nullif(total_logins_30d, 0) AS avg_watch_per_login_30d",
        "coalesce(course_diversity_30d, 0) AS course_diversity_30d",
        "(coalesce(total_events_7d, 0) / days_observed_7d) / nullif(total_events_30d / days_observed_30d, 0) AS activity_trend_7d_30d",
        *(f"{what}::BIGINT AS days_since_last_{what}" for what in LAST_SEEN),
        f"""CASE WHEN {segment} = 0 THEN 'inactive' WHEN {segment} < 7 THEN 'infrequent' WHEN {segment} < 14 THEN 'casual'
            WHEN {segment} < 21 THEN 'regular' ELSE 'core' END AS activity_segment""",
    ]
    return f"""CREATE TABLE churn.user_features AS
    WITH grid AS (FROM churn.user_day_grid WHERE as_of_date = {d}),
    presence AS (SELECT user_id, {observed} FROM churn.user_day_grid WHERE {since(month)} AND as_of_date <= {d} GROUP BY 1),
    sums AS (SELECT user_id, {", ".join(summed)} FROM churn.user_daily
        WHERE is_active AND {since(month)} AND as_of_date <= {d} GROUP BY 1),
    last AS (SELECT user_id, {last} FROM churn.user_daily WHERE is_active AND {since(LOOKBACK_DAYS)} AND as_of_date <= {d} GROUP BY 1),
    courses AS (SELECT user_id, count(DISTINCT course_id) AS course_diversity_30d FROM churn.clean_events
        WHERE landing_date BETWEEN {d} - {month - 1} AND {d} + {LATENESS_DAYS} AND event_date BETWEEN {d} - {month - 1} AND {d}
        GROUP BY 1)
    SELECT {", ".join(columns)}
    FROM grid LEFT JOIN presence USING (user_id) LEFT JOIN sums USING (user_id) LEFT JOIN last USING (user_id) LEFT JOIN courses USING (user_id)"""


if __name__ == "__main__":
    build(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))
