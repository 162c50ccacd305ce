"""SQL of how each user stands on a day by their last deciding event, and whether a later one may have been missed."""

from __future__ import annotations

from datetime import date

from churn_assets.label_settings import LabelSettings
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import literal, quoted
from churn_assets.warehouse.ledger import LEDGER_TABLE


def published(rules: LabelSettings) -> str:
    """SQL of `published(day)`: the days on which a label sees what happens."""
    table = literal(rules.followed_table)
    return f"published AS (SELECT partition_date AS day FROM {LEDGER_TABLE} WHERE table_name = {table})"


def outages(rules: LabelSettings) -> str:
    """SQL of `outages(first, last, part)`: the declared ones. `part` is their number if they are of a part, else null."""
    rows = ["SELECT NULL::DATE, NULL::DATE, NULL::INTEGER WHERE false"]
    for number, outage in enumerate(rules.outages):
        part = number if outage.part else "NULL"
        rows.append(f"SELECT DATE '{outage.first}', DATE '{outage.last or date.max}', {part}")
    return f"outages(first, last, part) AS ({' UNION ALL '.join(rows)})"


def types(names: tuple[str, ...]) -> str:
    """A list of event types for IN; that of none holds of no event."""
    return ", ".join(map(literal, names)) or "NULL"


def standing(settings: Settings) -> str:
    """SQL of `standing`, a row for each user-day asked for: since, event_type, may_be_open, must_be_open.

    `since` and `event_type` are of the last deciding event from signup and the calendar's start up to the day. It is open how
    the user stands if on that day or later a day is not published or in an outage; of an outage of a part it may be.
    Needs `days`, `published` and `outages` before it.
    """
    rules = settings.labels
    start = f"DATE '{settings.calendar_start}'"
    has_date = f"AND {quoted(rules.paid_until)} IS NOT NULL" if rules.renewal_events and rules.paid_until else ""
    decides = "true" if rules.state_events else "false"
    return f"""deciding AS (
        SELECT user_id, event_date, last(event_type ORDER BY event_time, event_id) AS event_type FROM churn.clean_events
        WHERE event_type IN ({types(rules.state_events)}) {has_date} AND event_date BETWEEN {start} AND $last GROUP BY ALL),
    user_days AS (
        SELECT user_id, as_of_date, greatest(signup_date, {start}) AS begin FROM churn.user_day_grid
        WHERE as_of_date BETWEEN $first AND $last),
    unseen AS (
        SELECT day, (SELECT max(gap.day) FROM (
            SELECT CAST(range AS DATE) AS day FROM range({start}::TIMESTAMP, $last::TIMESTAMP + INTERVAL 1 DAY, INTERVAL 1 DAY)
            ) gap ANTI JOIN published ON published.day = gap.day WHERE gap.day <= days.day) AS last_gap,
            (SELECT max(least(last, days.day)) FROM outages WHERE first <= days.day AND part IS NULL) AS last_out,
            (SELECT max(least(last, days.day)) FROM outages WHERE first <= days.day) AS last_out_of_any
        FROM days),
    last_one AS (
        SELECT u.user_id, u.as_of_date, begin, CASE WHEN d.event_date >= begin THEN d.event_date END AS since,
            CASE WHEN d.event_date >= begin THEN d.event_type END AS event_type
        FROM user_days u ASOF LEFT JOIN deciding d ON u.user_id = d.user_id AND u.as_of_date >= d.event_date),
    standing AS (
        SELECT user_id, as_of_date, begin, since, event_type,
            {decides} AND coalesce(greatest(last_gap, last_out_of_any) >= coalesce(since, begin), false) AS may_be_open,
            {decides} AND coalesce(greatest(last_gap, last_out) >= coalesce(since, begin), false) AS must_be_open
        FROM last_one JOIN unseen ON day = as_of_date)"""
