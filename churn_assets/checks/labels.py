"""Invariants of churn_labels, blocking: computed once more from user_daily and the ledger, by another route than the transform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.warehouse.ledger import LEDGER_TABLE


def labels_invariants() -> list[Check]:
    return [
        Check(
            table="churn_labels",
            name="complete",
            description="Each day has exactly one label row for each grid row.",
            blocking=True,
            judge=_complete,
            reads=("user_day_grid",),
        ),
        Check(
            table="churn_labels",
            name="observed",
            description="No label where a day of its horizon is not published or in an outage of everybody; and none "
            "censored as horizon_incomplete or missing_day where each is.",
            blocking=True,
            judge=_observed,
            reads=("user_daily",),
        ),
        Check(
            table="churn_labels",
            name="recounted",
            description="future_active_days and is_at_risk are what user_daily says, counted user by user.",
            blocking=True,
            judge=_recounted,
            reads=("user_daily",),
        ),
    ]


def _complete(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    told AS (SELECT user_id, as_of_date FROM churn.churn_labels WHERE as_of_date BETWEEN $first AND $last),
    grid AS (SELECT user_id, as_of_date FROM churn.user_day_grid WHERE as_of_date BETWEEN $first AND $last),
    labels AS (SELECT as_of_date AS day, count(*) AS n FROM told GROUP BY 1),
    users AS (SELECT as_of_date AS day, count(*) AS n FROM grid GROUP BY 1),
    without AS (SELECT as_of_date AS day, count(*) AS n FROM grid ANTI JOIN told USING (user_id, as_of_date) GROUP BY 1)
    SELECT day, coalesce(labels.n, 0) AS rows, coalesce(users.n, 0) AS grid_rows, coalesce(without.n, 0) AS grid_rows_without_label
    FROM days LEFT JOIN labels USING (day) LEFT JOIN users USING (day) LEFT JOIN without USING (day)"""
    return {
        day: Verdict(f["rows"] == f["grid_rows"] and f["grid_rows_without_label"] == 0, f)
        for day, f in stored.by_day(query, days).items()
    }


def _observed(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    rules = stored.settings.labels
    horizon, churned = rules.horizon_days, rules.churned_column
    everybodys = [outage for outage in rules.outages if outage.course_id is None]
    hidden = " OR ".join(
        f"(day + {horizon:d} >= DATE '{outage.first}' AND day + 1 <= DATE '{outage.last or date.max}')"
        for outage in everybodys
    )
    query = f"""{EVERY_DAY},
    published AS (SELECT partition_date AS day FROM {LEDGER_TABLE} WHERE table_name = 'user_daily'),
    seen AS (SELECT day, (SELECT count(*) FROM published p WHERE p.day BETWEEN days.day + 1 AND days.day + {horizon:d}) AS days_seen,
        {hidden or "false"} AS is_hidden FROM days),
    told AS (SELECT as_of_date AS day, count(*) FILTER ({churned} IS NOT NULL OR future_active_days IS NOT NULL) AS labels,
        count(*) FILTER (censor_reason IN ('horizon_incomplete', 'missing_day')) AS unseen
        FROM churn.churn_labels WHERE as_of_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, days_seen, is_hidden, coalesce(labels, 0) AS labels, coalesce(unseen, 0) AS censored_as_not_in
    FROM seen LEFT JOIN told USING (day)"""

    def holds(f: Mapping[str, int]) -> bool:
        is_in = f["days_seen"] == horizon
        return (f["labels"] == 0 or (is_in and not f["is_hidden"])) and (f["censored_as_not_in"] == 0 or not is_in)

    return {day: Verdict(holds(f), f) for day, f in stored.by_day(query, days).items()}


def _recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    # Active days so far, told at both ends of the horizon: their difference is what lies between. Nobody leaves the grid.
    rules = stored.settings.labels
    back, ahead = rules.at_risk_days - 1, rules.horizon_days
    is_active = " OR ".join(f"{name} > 0" for name in rules.activity)
    query = f"""{EVERY_DAY},
    daily AS (
        SELECT user_id, as_of_date, count(*) FILTER ({is_active}) OVER so_far AS active_days,
            max(as_of_date) FILTER ({is_active}) OVER so_far AS last_active
        FROM churn.user_daily WHERE as_of_date BETWEEN $first::DATE - {back} AND $last::DATE + {ahead}
        WINDOW so_far AS (PARTITION BY user_id ORDER BY as_of_date)
    ),
    told AS (
        SELECT l.as_of_date AS day, count(*) AS rows, count(l.future_active_days) AS labels,
            count(*) FILTER (l.future_active_days IS NOT NULL
                AND l.future_active_days IS DISTINCT FROM later.active_days - now.active_days) AS miscounted,
            count(*) FILTER (coalesce(l.is_at_risk, false) IS DISTINCT FROM coalesce(now.last_active >= l.as_of_date - {back}, false)) AS misjudged
        FROM churn.churn_labels l LEFT JOIN daily now USING (user_id, as_of_date)
        LEFT JOIN daily later ON later.user_id = l.user_id AND later.as_of_date = l.as_of_date + {ahead}
        WHERE l.as_of_date BETWEEN $first AND $last GROUP BY 1
    )
    SELECT day, coalesce(rows, 0) AS rows, coalesce(labels, 0) AS labels, coalesce(miscounted, 0) AS labels_miscounted,
        coalesce(misjudged, 0) AS at_risk_misjudged
    FROM days LEFT JOIN told USING (day)"""
    return {
        day: Verdict(f["labels_miscounted"] == 0 and f["at_risk_misjudged"] == 0, f)
        for day, f in stored.by_day(query, days).items()
    }
