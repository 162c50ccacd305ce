"""Invariants of the metrics tables, blocking: counted once more from user_daily, by another route than the transforms took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.contracts.metrics import MONTH_DAYS, WEEK_DAYS


def metrics_invariants() -> list[Check]:
    return [
        Check(
            table="growth_daily",
            name="states_partition_users",
            description="New, retained, resurrected and dormant users are the day's user base; the first three its mau.",
            blocking=True,
            judge=_states_partition_users,
            reads=("user_day_grid",),
        ),
        Check(
            table="growth_daily",
            name="recounted",
            description="dau, wau, mau and new users are those of user_daily; retained + churned = mau of 30 days before.",
            blocking=True,
            judge=_recounted,
            reads=("user_daily",),
        ),
        Check(
            table="retention_cohorts",
            name="recounted",
            description="A closed week's cohorts have as many users as its Sunday's grid and as many active as its "
            "user_daily; nothing is said of a week that is not closed, and of other days than Mondays.",
            blocking=True,
            judge=_cohorts_recounted,
            reads=("user_daily", "user_day_grid"),
        ),
    ]


def _states_partition_users(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    grid AS (SELECT as_of_date AS day, count(*) AS n FROM churn.user_day_grid WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    published AS (SELECT as_of_date AS day, count(*) AS rows, sum(users)::BIGINT AS users, sum(mau)::BIGINT AS mau,
        sum(new_users + retained_users + resurrected_users)::BIGINT AS active,
        sum(new_users + retained_users + resurrected_users + dormant_users)::BIGINT AS in_a_state
        FROM churn.growth_daily WHERE as_of_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(rows, 0) AS rows, coalesce(grid.n, 0) AS grid_rows, coalesce(users, 0) AS users,
        coalesce(in_a_state, users, 0) AS users_in_a_state, coalesce(mau, 0) AS mau, coalesce(active, mau, 0) AS users_in_active_states
    FROM days LEFT JOIN published USING (day) LEFT JOIN grid USING (day)"""
    return {
        day: Verdict(
            f["rows"] == 1
            and f["grid_rows"] == f["users"] == f["users_in_a_state"]
            and f["mau"] == f["users_in_active_states"],
            f,
        )
        for day, f in stored.by_day(query, days).items()
    }


def _recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    # An active day keeps a user among the active of w days until w - 1 days later, or until the user's next one takes
    # over: +1 and -1 at the ends of these spans, summed up, are wau and mau without comparing any two days.
    counts = {"dau": (1, 0), "wau": (WEEK_DAYS, 0), "mau": (MONTH_DAYS, 0), "mau_before": (MONTH_DAYS, MONTH_DAYS)}
    spans = "\n".join(
        f"UNION ALL SELECT '{name}', as_of_date + {later}, least(as_of_date + {width}, next) + {later} FROM active"
        for name, (width, later) in counts.items()
    )
    totals = ", ".join(f"sum(n) FILTER (figure = '{name}') AS {name}" for name in (*counts, "new_users"))
    published = ("dau", "wau", "mau", "new_users")
    query = f"""{EVERY_DAY},
    active AS (
        SELECT user_id, as_of_date, signup_date,
            coalesce(lead(as_of_date) OVER (PARTITION BY user_id ORDER BY as_of_date), DATE '9999-01-01') AS next
        FROM churn.user_daily WHERE is_active AND as_of_date BETWEEN $first::DATE - {2 * MONTH_DAYS - 1} AND $last
    ),
    spans(figure, since, until) AS (
        SELECT 'new_users', min(as_of_date), any_value(signup_date) + {MONTH_DAYS} FROM active
        WHERE as_of_date < signup_date + {MONTH_DAYS} GROUP BY user_id
        {spans}
    ),
    steps AS (SELECT figure, greatest(since, $first) AS day, 1 AS n FROM spans WHERE until > $first
        UNION ALL SELECT figure, until, -1 FROM spans WHERE until > $first),
    stepped AS (SELECT day, {totals} FROM steps WHERE day <= $last GROUP BY 1),
    counted AS (SELECT day, {
        ", ".join(f"coalesce(sum({name}) OVER (ORDER BY day), 0)::BIGINT AS {name}" for name in (*counts, "new_users"))
    }
        FROM days LEFT JOIN stepped USING (day))
    SELECT counted.day, {
        ", ".join(f"c.{name} AS {name}_published, counted.{name} AS {name}_counted" for name in published)
    },
        c.retained_users + c.churned_users AS active_before_published, counted.mau_before AS active_before_counted
    FROM counted LEFT JOIN churn.growth_daily c ON c.as_of_date = counted.day ORDER BY 1"""
    pairs = (*published, "active_before")
    # Null is what the transform may not know; whether it may be null is the contract's business.
    optional = {"new_users", "active_before"}
    return {
        day: Verdict(
            all(
                (f[f"{name}_published"] is None and name in optional) or f[f"{name}_published"] == f[f"{name}_counted"]
                for name in pairs
            ),
            {name: "unknown" if figure is None else figure for name, figure in f.items()},
        )
        for day, f in stored.by_day(query, days).items()
    }


def _cohorts_recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    ahead = WEEK_DAYS - 1
    query = f"""{EVERY_DAY},
    published AS (SELECT as_of_date AS day, count(*) AS cohorts, count(users) AS known, sum(users)::BIGINT AS users, sum(active)::BIGINT AS active
        FROM churn.retention_cohorts WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    grid AS (SELECT as_of_date - {ahead} AS day, count(*) AS users, count(DISTINCT date_trunc('week', signup_date)) AS cohorts
        FROM churn.user_day_grid WHERE as_of_date BETWEEN $first::DATE + {ahead} AND $last::DATE + {ahead} GROUP BY 1),
    active AS (SELECT date_trunc('week', as_of_date)::DATE AS day, count(DISTINCT user_id) AS users
        FROM churn.user_daily WHERE is_active AND as_of_date BETWEEN $first AND $last::DATE + {ahead} GROUP BY 1)
    SELECT day, coalesce(published.cohorts, 0) AS cohorts_published, coalesce(published.known, 0) AS cohorts_known,
        coalesce(grid.cohorts, 0) AS cohorts_counted,
        coalesce(published.users, 0) AS users_published, coalesce(grid.users, 0) AS users_counted,
        coalesce(published.active, 0) AS active_published, coalesce(active.users, 0) AS active_counted
    FROM days LEFT JOIN published USING (day) LEFT JOIN grid USING (day) LEFT JOIN active USING (day)"""
    known = set(stored.published("user_daily")) & set(stored.published("user_day_grid"))

    def agrees(day: date, f: Mapping[str, int]) -> bool:
        if day.weekday() != 0:
            return f["cohorts_published"] == 0
        if not known.issuperset(day + timedelta(days=n) for n in range(WEEK_DAYS)):
            return f["cohorts_known"] == 0
        return (
            f["cohorts_published"] == f["cohorts_known"] == f["cohorts_counted"]
            and f["users_published"] == f["users_counted"]
            and f["active_published"] == f["active_counted"]
        )

    return {day: Verdict(agrees(day, f), f) for day, f in stored.by_day(query, days).items()}
