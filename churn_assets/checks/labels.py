"""Invariants of churn_labels, blocking: computed once more from stored tables and the ledger, by another route than the transform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.invariants import as_the_grid
from churn_assets.checks.labels_recounted import recounted
from churn_assets.checks.labels_standing import outages, published, standing
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict
from churn_assets.label_settings import LabelSettings
from churn_assets.warehouse.frames import constant, quoted

_HIDES_HORIZON = "{day} + {reach} >= o.first AND {day} < o.last"
"""Whether outage `o` and the days that a label of `day` looks at meet."""


def labels_invariants() -> list[Check]:
    return [
        as_the_grid("churn_labels"),
        Check(
            table="churn_labels",
            name="observed",
            description="No label where a day it looks at is not published, in an outage of everybody or of a part the user "
            "took part in, or where a renewal may have been missed; none censored for a day that is in, or for an outage that "
            "is not declared.",
            blocking=True,
            judge=_observed,
            reads=("user_daily", "clean_events", "user_day_grid"),
        ),
        Check(
            table="churn_labels",
            name="recounted",
            description="Who churns, when, and who is at risk is what user_daily, the events or the grid say, counted user by user.",
            blocking=True,
            judge=recounted,
            reads=("user_daily", "clean_events", "user_day_grid"),
        ),
    ]


def _observed(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    rules = stored.settings.labels
    reach, churned = rules.reach_days, quoted(rules.churned_column)
    has_label = f"{churned} IS NOT NULL" + ("" if rules.partial_follow_up else " OR days_followed IS NOT NULL")
    is_open = "may_be_open" if rules.kind == "lapse" else "false"
    must_be_open = "must_be_open" if rules.kind == "lapse" else "false"
    query = f"""{EVERY_DAY},
    {outages(rules)},
    {published(rules)},
    {standing(stored.settings)},
    seen AS (SELECT day,
        (SELECT count(*) FROM published p WHERE p.day BETWEEN days.day + 1 AND days.day + {reach}) AS days_seen,
        (SELECT count(*) FROM outages o WHERE {_HIDES_HORIZON.format(day="days.day", reach=reach)}) AS outages,
        (SELECT count(*) FROM outages o WHERE part IS NULL AND {_HIDES_HORIZON.format(day="days.day", reach=reach)}) AS everybodys
        FROM days),
    labelled AS (SELECT as_of_date AS day, user_id, {has_label} AS has_label, censor_reason,
        {is_open} AS is_open, {must_be_open} AS must_be_open
        FROM churn.churn_labels JOIN standing USING (user_id, as_of_date) WHERE as_of_date BETWEEN $first AND $last),
    counted AS (SELECT day, count(*) FILTER (has_label) AS labels,
        count(*) FILTER (has_label AND must_be_open) AS of_unknown,
        count(*) FILTER (censor_reason IN ('horizon_incomplete', 'missing_day') AND NOT is_open) AS not_in,
        count(*) FILTER (censor_reason = 'source_outage' AND NOT is_open) AS out FROM labelled GROUP BY 1),
    of_part AS (SELECT t.day, count(*) AS n FROM labelled t WHERE has_label AND EXISTS (
            FROM outages o JOIN churn.clean_events e ON {_took_part(rules)} WHERE e.user_id = t.user_id
            AND e.event_date BETWEEN least(t.day, o.first) - {rules.at_risk_days - 1} AND t.day
            AND {_HIDES_HORIZON.format(day="t.day", reach=reach)}) GROUP BY 1)
    SELECT day, days_seen, outages, everybodys AS outages_of_everybody, coalesce(labels, 0) AS labels,
        coalesce(of_part.n, 0) AS labels_of_a_part_that_is_out, coalesce(of_unknown, 0) AS labels_of_unknown_standing,
        coalesce(not_in, 0) AS censored_as_not_in, coalesce(out, 0) AS censored_as_outage
    FROM seen LEFT JOIN counted USING (day) LEFT JOIN of_part USING (day)"""

    def holds(f: Mapping[str, int]) -> bool:
        is_in = f["days_seen"] == reach
        may_have_labels = is_in and not f["outages_of_everybody"]
        return (
            (may_have_labels or f["labels"] == 0)
            and f["labels_of_a_part_that_is_out"] == 0
            and f["labels_of_unknown_standing"] == 0
            and not (is_in and f["censored_as_not_in"])
            and bool(f["outages"] or f["censored_as_outage"] == 0)
        )

    return {day: Verdict(holds(f), f) for day, f in stored.by_day(query, days).items()}


def _took_part(rules: LabelSettings) -> str:
    """SQL of whether event `e` is of the part that outage `o` is of."""
    parts = {number: outage.part for number, outage in enumerate(rules.outages) if outage.part}
    conditions = [
        f"(o.part = {number} AND e.{quoted(name)} = {constant(value)})" for number, (name, value) in parts.items()
    ]
    return " OR ".join(conditions) or "false"
