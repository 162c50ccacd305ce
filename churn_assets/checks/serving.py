"""The check of served_consistency, which warns: what a service gave out is what the tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import EVERY_DAY, WHY, Check, Stored, Verdict
from churn_assets.errors import first_few
from churn_assets.settings import Settings

NAMED = 3


def serving_checks(settings: Settings) -> list[Check]:
    if not settings.serving.is_on:
        return []
    return [
        Check(
            table="served_consistency",
            name="as_in_tables",
            description="Every sampled vector that a service gave out has the values of user_features.",
            blocking=False,
            judge=_as_in_tables,
        )
    ]


def _as_in_tables(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    found AS (SELECT as_of_date AS day, max(vectors) AS vectors, sum(mismatched)::BIGINT AS mismatched, sum(missing)::BIGINT AS missing,
        sum(errors)::BIGINT AS errors,
        string_agg(feature, '|' ORDER BY mismatched + missing + errors DESC, feature) FILTER (mismatched + missing + errors > 0) AS features
        FROM churn.served_consistency WHERE as_of_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(vectors, 0) AS vectors, coalesce(mismatched, 0) AS mismatched, coalesce(missing, 0) AS missing,
        coalesce(errors, 0) AS errors, coalesce(features, '') AS features
    FROM days LEFT JOIN found USING (day)"""
    return {day: _verdict(figures) for day, figures in stored.by_day(query, days).items()}


def _verdict(figures: Mapping[str, int | str]) -> Verdict:
    names = [name for name in str(figures["features"]).split("|") if name]
    if not names:
        return Verdict(True, {"vectors": figures["vectors"]})
    why = f"{first_few(names, NAMED, 'more features')}: what was given out is not what the table holds"
    return Verdict(False, {WHY: why, **{name: figure for name, figure in figures.items() if name != "features"}})
