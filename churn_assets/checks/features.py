"""Invariants of user_features, blocking: its rows are the grid's, and figures are counted once more from user_daily."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.invariants import as_the_grid
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.product import Product
from churn_assets.product.measures import TOTAL_EVENTS
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import quoted

MOST_RECOUNTED = 6
WEIGHT = "(1 + hash(user_id) % 1000)::BIGINT"
"""Each user's rows count a number of times of their own, so that one user's figure in another's row shows in the sum."""


def recounted(product: Product) -> dict[str, tuple[str, int]]:
    """Feature -> what it sums of user_daily, and over how many days: days observed and active, and sums of whole numbers."""
    columns = product.feature_columns
    observed = max((c for c in columns if c.operation == "observed"), key=lambda c: c.window_days)
    active = min((c for c in columns if c.operation == "days" and c.of == (TOTAL_EVENTS,)), key=lambda c: c.window_days)
    found = {observed.name: ("1", observed.window_days), active.name: ("is_active::INT", active.window_days)}
    sums = [c for c in columns if c.operation == "sum" and c.type == "integer"]
    for number, measure in enumerate(dict.fromkeys(c.of[0] for c in sums)):
        of_measure = [c for c in sums if c.of[0] == measure]
        one = of_measure[-1 - number % len(of_measure)]
        found[one.name] = (f"coalesce({quoted(measure)}, 0)", one.window_days)
    return dict(list(found.items())[:MOST_RECOUNTED])


def features_invariants(settings: Settings) -> list[Check]:
    features = recounted(settings.declaration)
    return [
        as_the_grid("user_features"),
        Check(
            table="user_features",
            name="recounted",
            description=f"{', '.join(features)} are those of user_daily: summed over users, each with a weight of its own.",
            blocking=True,
            judge=lambda stored, days: _recounted(stored, days, features),
            reads=("user_daily",),
        ),
    ]


def _recounted(stored: Stored, days: DayRange, features: Mapping[str, tuple[str, int]]) -> Mapping[date, Verdict]:
    # Whoever was there on a day is there on every later one: a window's sum is the sum of its days' sums.
    reach = max(width for _, width in features.values()) - 1
    published = ", ".join(f"sum({feature} * {WEIGHT})::BIGINT AS {feature}" for feature in features)
    by_day = ", ".join(f"sum({what} * {WEIGHT})::BIGINT AS {feature}" for feature, (what, _) in features.items())
    counted = ", ".join(
        f"coalesce(sum(daily.{feature}) FILTER (daily.day > days.day - {width}), 0)::BIGINT AS {feature}"
        for feature, (_, width) in features.items()
    )
    both = ", ".join(
        f"coalesce(published.{name}, 0) AS {name}_published, counted.{name} AS {name}_counted" for name in features
    )
    query = f"""{EVERY_DAY},
    published AS (SELECT as_of_date AS day, {published} FROM churn.user_features WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    daily AS (SELECT as_of_date AS day, {by_day} FROM churn.user_daily
        WHERE as_of_date BETWEEN $first::DATE - {reach} AND $last GROUP BY 1),
    counted AS (SELECT days.day AS day, {counted} FROM days LEFT JOIN daily ON daily.day BETWEEN days.day - {reach} AND days.day GROUP BY 1)
    SELECT day, {both} FROM counted LEFT JOIN published USING (day)"""
    return {
        day: Verdict(all(f[f"{name}_published"] == f[f"{name}_counted"] for name in features), f)
        for day, f in stored.by_day(query, days).items()
    }
