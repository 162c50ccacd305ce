"""Shares of a day's rows that are too many to go on with, both blocking: rows rejected by cleaning, events of nobody.

A handful of rows is no share, so below FEWEST_ROWS neither judges. What is right all the same is said in churn.toml: another
share, or the days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.invariants import admitted
from churn_assets.checks.verdict import EVERY_DAY, IF_RIGHT, WHY, Check, Stored, Verdict, expected_day
from churn_assets.settings import Settings, SourceName

FEWEST_ROWS = 21
"""Rejected or unmatched, of a day: fewer are a handful."""
FROM_BEFORE = frozenset({"too_late", "bad_event_time", "bad_signup_date", "bad_valid_from", "malformed_row"})
"""Reasons of rows that `land` puts on the calendar's first day: those from before it, and those of no day at all."""
FROM_AFTER = frozenset({"future"})
"""Reason of rows that `land` puts on the calendar's last day."""


def share_checks(settings: Settings) -> list[Check]:
    return [
        *map(_rejected, settings.landed_sources),
        Check(
            table="unmatched_events",
            name="share",
            description="At most checks.max_unmatched_share of a day's admitted events match no user-day, unless they are fewer than "
            f"{FEWEST_ROWS}, or the day is among checks.expected_unmatched.",
            blocking=True,
            judge=_unmatched_share,
            reads=("clean_events",),
        ),
    ]


def _rejected(source: SourceName) -> Check:
    return Check(
        table=f"clean_{source}",
        name="rejected",
        description="At most checks.max_rejected_share of a day's rows are rejected, unless they are fewer than "
        f"{FEWEST_ROWS}, or the day is among checks.expected_rejections; and some row of the source is accepted on some day. What 'land' "
        "puts on the calendar's first and last day from outside of it does not count.",
        blocking=True,
        judge=lambda stored, days: _rejections(stored, source, days),
        reads=(f"quarantined_{source}", f"{source}_reconciliation"),
    )


def _rejections(stored: Stored, source: SourceName, days: DayRange) -> Mapping[date, Verdict]:
    counts = stored.by_day(
        f"""{EVERY_DAY}, files AS (SELECT landing_date AS day, sum(rows_read) AS read FROM churn.{source}_reconciliation
            WHERE landing_date BETWEEN $first AND $last GROUP BY 1)
        SELECT day, coalesce(read, 0)::BIGINT AS rows_read FROM days LEFT JOIN files USING (day)""",
        days,
    )
    reasons: dict[date, Counter[str]] = {day: Counter() for day in counts}
    rejected = f"""SELECT landing_date, reason, count(*) FROM churn.quarantined_{source} WHERE landing_date BETWEEN ? AND ? GROUP BY ALL"""
    for day, reason, rows in stored.connection.execute(rejected, [days.first, days.last]).fetchall():
        reasons[day][reason] = rows
    nothing_accepted = stored.once(("accepted nothing", source), lambda: _accepted_nothing(stored, source))
    return {
        day: _judged(stored.settings, day, of_day["rows_read"], reasons[day], nothing_accepted=nothing_accepted)
        for day, of_day in counts.items()
    }


def _accepted_nothing(stored: Stored, source: SourceName) -> bool:
    query = f"SELECT count(landing_date) = 0 FROM churn.clean_{source}"
    return bool((stored.connection.execute(query).fetchone() or [True])[0])


def _judged(settings: Settings, day: date, read: int, reasons: Counter[str], *, nothing_accepted: bool) -> Verdict:
    most = settings.checks.max_rejected_share
    figures = {"rows_read": read, "rows_rejected": reasons.total(), "most": most}
    if day in settings.checks.expected_rejections:
        return expected_day("expected_rejections", **figures)
    if read and nothing_accepted:
        why = f"none of {read:,} rows is accepted ({_listed(reasons)}), nor any of another day"
    else:
        elsewhere = (FROM_BEFORE if day == settings.calendar_start else frozenset()) | (
            FROM_AFTER if day == settings.end_date else frozenset()
        )
        moved = sum(rows for reason, rows in reasons.items() if reason in elsewhere)
        rejected, judged = reasons.total() - moved, read - moved
        if rejected < FEWEST_ROWS or rejected <= most * judged:
            return Verdict(True, figures)
        why = f"{rejected:,} of {judged:,} rows are rejected ({_listed(reasons)}), above checks.max_rejected_share {most:g}"
    remedy = (
        "see 'churn-assets quarantine list', and correct the delivery or the setting that makes them so; if it is right, add the day to "
        "checks.expected_rejections in churn.toml"
    )
    return Verdict(False, {**figures, WHY: why, IF_RIGHT: remedy})


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {rows:,}" for reason, rows in reasons.most_common(3))


def _unmatched_share(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    query = f"""{EVERY_DAY},
    admitted AS ({admitted(stored)}),
    unmatched AS (SELECT event_date AS day, count(*) AS n FROM churn.unmatched_events WHERE event_date BETWEEN $first AND $last GROUP BY 1)
    SELECT day, coalesce(admitted.n, 0) AS admitted, coalesce(unmatched.n, 0) AS unmatched
    FROM days LEFT JOIN admitted USING (day) LEFT JOIN unmatched USING (day)"""
    most, expected = stored.settings.checks.max_unmatched_share, stored.settings.checks.expected_unmatched

    def judged(day: date, figures: dict[str, int]) -> Verdict:
        found = {**figures, "most": most}
        if day in expected:
            return expected_day("expected_unmatched", **found)
        if figures["unmatched"] < FEWEST_ROWS or figures["unmatched"] <= most * figures["admitted"]:
            return Verdict(True, found)
        why = (
            f"{figures['unmatched']:,} of {figures['admitted']:,} events match no user-day, above checks.max_unmatched_share "
            f"{most:g}"
        )
        remedy = (
            "see unmatched_events for the reasons, and deliver the users; if it is right, raise checks.max_unmatched_share in "
            "churn.toml, or add the day to checks.expected_unmatched"
        )
        return Verdict(False, {**found, WHY: why, IF_RIGHT: remedy})

    return {day: judged(day, figures) for day, figures in stored.by_day(query, days).items()}
