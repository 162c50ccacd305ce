"""Invariants of churn_labels, blocking: computed once more from user_daily and the ledger, by another route than the transform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.invariants import as_the_grid
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.label_settings import LabelSettings
from churn_assets.warehouse.frames import constant, quoted
from churn_assets.warehouse.ledger import LEDGER_TABLE

_HIDES_HORIZON = "{day} + {horizon} >= o.first AND {day} < o.last"
"""Whether outage `o` and the days after `day` meet."""


def labels_invariants() -> list[Check]:
    return [
        as_the_grid("churn_labels"),
        Check(
            table="churn_labels",
            name="observed",
            description="No label where a day of the horizon is not published, or in an outage of everybody or of a part "
            "the user took part in; none censored for a day that is in, or for an outage that is not declared.",
            blocking=True,
            judge=_observed,
            reads=("user_daily", "clean_events"),
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


def _observed(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    rules = stored.settings.labels
    horizon, churned = rules.horizon_days, rules.churned_column
    query = f"""{EVERY_DAY},
    outages(first, last, part) AS ({_outages(rules)}),
    published AS (SELECT partition_date AS day FROM {LEDGER_TABLE} WHERE table_name = 'user_daily'),
    seen AS (SELECT day,
        (SELECT count(*) FROM published p WHERE p.day BETWEEN days.day + 1 AND days.day + {horizon}) AS days_seen,
        (SELECT count(*) FROM outages o WHERE {_HIDES_HORIZON.format(day="days.day", horizon=horizon)}) AS outages,
        (SELECT count(*) FROM outages o WHERE part IS NULL AND {_HIDES_HORIZON.format(day="days.day", horizon=horizon)}) AS everybodys
        FROM days),
    told AS (SELECT as_of_date AS day, user_id, {churned} IS NOT NULL OR future_active_days IS NOT NULL AS has_label, censor_reason
        FROM churn.churn_labels WHERE as_of_date BETWEEN $first AND $last),
    counted AS (SELECT day, count(*) FILTER (has_label) AS labels,
        count(*) FILTER (censor_reason IN ('horizon_incomplete', 'missing_day')) AS not_in,
        count(*) FILTER (censor_reason = 'source_outage') AS out FROM told GROUP BY 1),
    of_part AS (SELECT t.day, count(*) AS n FROM told t WHERE has_label AND EXISTS (
            FROM outages o JOIN churn.clean_events e ON {_took_part(rules)} WHERE e.user_id = t.user_id
            AND e.event_date BETWEEN least(t.day, o.first) - {rules.at_risk_days - 1} AND t.day
            AND {_HIDES_HORIZON.format(day="t.day", horizon=horizon)}) GROUP BY 1)
    SELECT day, days_seen, outages, everybodys AS outages_of_everybody, coalesce(labels, 0) AS labels,
        coalesce(of_part.n, 0) AS labels_of_a_part_that_is_out, coalesce(not_in, 0) AS censored_as_not_in,
        coalesce(out, 0) AS censored_as_outage
    FROM seen LEFT JOIN counted USING (day) LEFT JOIN of_part USING (day)"""

    def holds(f: Mapping[str, int]) -> bool:
        is_in = f["days_seen"] == horizon
        may_have_labels = is_in and not f["outages_of_everybody"]
        return (
            (may_have_labels or f["labels"] == 0)
            and f["labels_of_a_part_that_is_out"] == 0
            and not (is_in and f["censored_as_not_in"])
            and bool(f["outages"] or f["censored_as_outage"] == 0)
        )

    return {day: Verdict(holds(f), f) for day, f in stored.by_day(query, days).items()}


def _outages(rules: LabelSettings) -> str:
    """The declared outages as SQL rows; none are rows too."""
    rows = ["SELECT NULL::DATE, NULL::DATE, NULL::INTEGER WHERE false"]
    for number, outage in enumerate(rules.outages):
        part = number if outage.part else "NULL"
        rows.append(f"SELECT DATE '{outage.first}', DATE '{outage.last or date.max}', {part}")
    return " UNION ALL ".join(rows)


def _took_part(rules: LabelSettings) -> str:
    """SQL of whether event `e` is of the part that outage `o` is of."""
    parts = {number: outage.part for number, outage in enumerate(rules.outages) if outage.part}
    conditions = [
        f"(o.part = {number} AND e.{quoted(name)} = {constant(value)})" for number, (name, value) in parts.items()
    ]
    return " OR ".join(conditions) or "false"


def _recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    # Active days so far, told at both ends of the horizon: their difference is what lies between. Nobody leaves the grid.
    rules = stored.settings.labels
    back, ahead = rules.at_risk_days - 1, rules.horizon_days
    is_active = " OR ".join(f"{quoted(name)} > 0" for name in rules.activity)
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
