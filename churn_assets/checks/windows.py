"""Warnings about what a partition was made from: drift of a source's columns, and days missing from a window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from churn_assets.calendar import DayRange, Window, contiguous
from churn_assets.checks.verdict import WHY, Check, Stored, Verdict
from churn_assets.contracts.metrics import MONTH_DAYS, WEEK_DAYS
from churn_assets.settings import Settings, SourceName
from churn_assets.transforms.feature_inputs import FeatureInputs
from churn_assets.warehouse.file_notes import drifted_columns


def schema_drift(source: SourceName) -> Check:
    """Columns a source added, left out or renamed, on the day it began to. What stays as it was the landing day before is
    no news: it is in the table and in the metadata of every day.
    """
    files = f"churn.{source}_files"
    query = f"""SELECT landing_date, list(columns_added) AS added, list(columns_missing) AS missing, list(columns_renamed) AS renamed
        FROM {files} WHERE landing_date <= $last
            AND landing_date >= coalesce((SELECT max(landing_date) FROM {files} WHERE landing_date < $first), $first)
        GROUP BY 1 ORDER BY 1"""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        verdicts, before = {}, None
        for day, found in stored.by_day(query, days).items():
            drift = {kind: drifted_columns(texts) for kind, texts in found.items()}
            is_new = any(drift.values()) and drift != before
            before = drift
            if day in days:
                verdicts[day] = Verdict(not is_new, {kind: ", ".join(names) for kind, names in drift.items()})
        quiet = Verdict(True, {WHY: "the day has no file"})
        return {day: verdicts.get(day, quiet) for day in stored.published(f"{source}_files") if day in days}

    return Check(
        table=f"{source}_files",
        name="schema_drift",
        description="Every file has the contract's columns under their own names, or differs as it did the landing day before.",
        blocking=False,
        judge=judge,
    )


def complete_window(table: str, upstream: str, window: Window, settings: Settings) -> Check:
    """Days of the window a partition depends on that are not in (yet): it was computed from what is there."""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        there, end = stored.published(upstream), settings.end_date or days.last + timedelta(days=window.ahead)
        absent = [day for day in window.of(days, settings.calendar_start) if day not in there and day <= end]
        verdicts = {}
        for day in stored.published(table):
            if day in days:
                needed = window.of(DayRange(day, day), settings.calendar_start)
                missing = contiguous(d for d in absent if d in needed)
                verdicts[day] = Verdict(
                    not missing, {"missing_days": ", ".join(map(str, missing)), "upstream": upstream}
                )
        return verdicts

    return Check(
        table=table,
        name=f"window_of_{upstream}",
        description=f"Every day of {upstream} that a partition depends on is published. A missing one restates it when it comes.",
        blocking=False,
        judge=judge,
        reads=(upstream,),
    )


def warnings(settings: Settings) -> list[Check]:
    late, features = settings.lateness_days, FeatureInputs(settings.declaration)
    return [
        *map(schema_drift, settings.landed_sources),
        complete_window("clean_events", "raw_events", Window(back=late), settings),
        complete_window("user_day_grid", "clean_users", Window(back=None, ahead=late), settings),
        complete_window("user_daily", "clean_events", Window(back=0, ahead=late), settings),
        complete_window("growth_daily", "user_daily", Window(back=2 * MONTH_DAYS - 1), settings),
        complete_window("retention_cohorts", "user_daily", Window(ahead=WEEK_DAYS - 1), settings),
        complete_window("user_features", "user_daily", Window(back=features.longest), settings),
    ]
