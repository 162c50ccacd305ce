"""Volume of a landing day against the 7 days before it: a surge is stopped, a slump of events warns.

A day is held against the week's mean and against the same weekday, which is the first of the 7, and the nearer counts: a
quiet weekend is no slump, and the Monday after it no surge. Days that are not published are no days of zero rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from statistics import fmean

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import IF_RIGHT, WHY, Check, Stored, Verdict, expected_day, not_judged
from churn_assets.settings import Settings, SourceName

TRAILING_DAYS = 7
FEWEST_DAYS = 4
"""Of the trailing days: with fewer there is no week to speak of."""
FEWEST_ROWS = 200
"""Of a week. Below, anything is many times what was before: with real data the first day of a busy term came after weeks of
up to 132 rows.
"""
QUIET_DAY_ROWS = 1000
"""What a day is held against after such a week: a busy season may begin, but not a flood."""
REMEDY = "if it is right, add the day to checks.expected_surges in churn.toml"
SLUMP = 0.5
FEWEST_DAILY_ROWS = 100
"""Of what a slump is held against: half of less is chance."""

Judge = Callable[[Stored, date, int, list[float]], Verdict]
"""Of a day's rows, held against what is usual: the trailing mean and, where it is published, the same weekday."""


def volume_checks(settings: Settings) -> list[Check]:
    return [
        *map(_surge, settings.landed_sources),
        # No slump of users: a delta of users has no usual size, and after the first day it is small.
        Check(
            table="raw_events",
            name="slump",
            description=f"At least {SLUMP:.0%} of the rows of the trailing {TRAILING_DAYS} days' mean, or of the same weekday before.",
            blocking=False,
            judge=lambda stored, days: _judged(stored, "events", days, _slump),
        ),
    ]


def _surge(source: SourceName) -> Check:
    return Check(
        table=f"raw_{source}",
        name="surge",
        description=f"At most checks.max_volume_ratio times the rows of the trailing {TRAILING_DAYS} days' mean, or of the same "
        "weekday before, unless the day is among checks.expected_surges.",
        blocking=True,
        judge=lambda stored, days: _judged(stored, source, days, _no_surge),
        trailing_days=TRAILING_DAYS,
    )


def _no_surge(stored: Stored, day: date, rows: int, usual: list[float]) -> Verdict:
    if day in stored.settings.checks.expected_surges:
        return expected_day("expected_surges", rows=rows)
    is_quiet = TRAILING_DAYS * usual[0] < FEWEST_ROWS
    most = stored.settings.checks.max_volume_ratio * (QUIET_DAY_ROWS if is_quiet else max(usual))
    if rows > most:
        why = f"{rows:,} rows, above {most:,.0f}, which is checks.max_volume_ratio {stored.settings.checks.max_volume_ratio:g} times what is usual"
        return Verdict(False, {"rows": rows, "trailing_mean": usual[0], "most": most, WHY: why, IF_RIGHT: REMEDY})
    if is_quiet:
        return not_judged(f"below {FEWEST_ROWS} rows a week, only a flood is judged", rows=rows, trailing_mean=usual[0])
    return Verdict(True, {"rows": rows, "trailing_mean": usual[0], "most": most})


def _slump(_: Stored, __: date, rows: int, usual: list[float]) -> Verdict:
    if min(usual) < FEWEST_DAILY_ROWS:
        return not_judged(f"below {FEWEST_DAILY_ROWS} rows a day, half of them is chance", rows=rows)
    fewest = SLUMP * min(usual)
    return Verdict(rows >= fewest, {"rows": rows, "trailing_mean": usual[0], "fewest": fewest})


def _judged(stored: Stored, source: SourceName, days: DayRange, judge: Judge) -> Mapping[date, Verdict]:
    table = f"raw_{source}"
    published = stored.published(table)
    counted = stored.by_day(
        f"SELECT landing_date, count(*) AS rows FROM churn.{table} WHERE landing_date BETWEEN $first AND $last GROUP BY 1",
        DayRange(days.first - timedelta(days=TRAILING_DAYS), days.last),
    )
    rows = {day: counted[day]["rows"] if day in counted else 0 for day in published}
    verdicts = {}
    for day in days:
        if day not in rows:
            continue
        trailing = [at for n in range(1, TRAILING_DAYS + 1) if (at := day - timedelta(days=n)) in rows]
        if len(trailing) < FEWEST_DAYS:
            verdicts[day] = not_judged(f"judged from {FEWEST_DAYS} trailing days on", rows=rows[day])
            continue
        same_weekday = [float(rows[at]) for at in trailing if at.weekday() == day.weekday()]
        verdicts[day] = judge(stored, day, rows[day], [fmean(rows[at] for at in trailing), *same_weekday])
    return verdicts
