"""Every label counted once more in SQL: when the first churn after the day comes, and who is at risk on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.labels_standing import outages, published, standing, types
from churn_assets.checks.verdict import EVERY_DAY, Stored, Verdict
from churn_assets.checks.zones import offsets
from churn_assets.label_settings import LabelSettings
from churn_assets.product.entries import Condition
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import constant, quoted


def recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    """Each label against `counted(user_id, as_of_date, until, is_at_risk, future)`: days to the first churn, whether at risk
    (null: not to be judged here), active days ahead.
    """
    rules = stored.settings.labels
    kinds = {"silence": _silence, "event": _event, "lapse": _lapse}
    churned, last = quoted(rules.churned_column), rules.reach_days - rules.confirmation_days
    future = "l.future_active_days" if rules.kind == "silence" else "NULL"
    label = f"c.until <= {last}" if rules.kind != "silence" else "c.future = 0"
    query = f"""{EVERY_DAY},
    {outages(rules)},
    {published(rules)},
    {standing(stored.settings)},
    {kinds[rules.kind](stored.settings)},
    judged AS (
        SELECT l.as_of_date AS day, l.{churned} IS NOT NULL AS has_label,
            l.{churned} IS NOT NULL AND (l.{churned} IS DISTINCT FROM ({label}) OR {future} IS DISTINCT FROM c.future) AS is_wrong,
            (l.days_until_churn IS NOT NULL AND l.days_until_churn IS DISTINCT FROM c.until)
                OR (l.{churned} IS NOT NULL AND l.days_followed IS DISTINCT FROM least(c.until, {last}))
                OR (l.{churned} IS NOT NULL AND (l.days_until_churn IS NULL) IS DISTINCT FROM (c.until > {last})) AS is_untimely,
            l.is_at_risk IS DISTINCT FROM c.is_at_risk AND NOT (l.is_at_risk IS NULL AND c.may_be_open) OR (
                l.is_at_risk IS NOT NULL AND c.must_be_open) AS is_misjudged
        FROM churn.churn_labels l LEFT JOIN counted c USING (user_id, as_of_date)
        WHERE l.as_of_date BETWEEN $first AND $last
    ),
    of_day AS (
        SELECT day, count(*) AS rows, count(*) FILTER (has_label) AS labels, count(*) FILTER (is_wrong) AS wrong,
            count(*) FILTER (is_untimely) AS untimely, count(*) FILTER (is_misjudged) AS misjudged FROM judged GROUP BY 1
    )
    SELECT day, coalesce(rows, 0) AS rows, coalesce(labels, 0) AS labels, coalesce(wrong, 0) AS labels_miscounted,
        coalesce(untimely, 0) AS churns_mistimed, coalesce(misjudged, 0) AS at_risk_misjudged
    FROM days LEFT JOIN of_day USING (day)"""
    wrong = ("labels_miscounted", "churns_mistimed", "at_risk_misjudged")
    return {day: Verdict(not any(f[name] for name in wrong), f) for day, f in stored.by_day(query, days).items()}


NEVER_AHEAD = 1_000_000
"""Days to a churn that does not come."""


def _silence(settings: Settings) -> str:
    # Active days so far, at both ends of the horizon: their difference is what lies between. Nobody leaves the grid.
    rules = settings.labels
    back, ahead, length = rules.at_risk_days - 1, rules.horizon_days, rules.confirmation_days + 1
    is_active = " OR ".join(f"{quoted(name)} > 0" for name in rules.activity)
    return f"""daily AS (
        SELECT user_id, as_of_date, coalesce({is_active}, false) AS is_active,
            count(*) FILTER ({is_active}) OVER so_far AS active_days, max(as_of_date) FILTER ({is_active}) OVER so_far AS last_active
        FROM churn.user_daily WHERE as_of_date BETWEEN $first::DATE - {back} AND $last::DATE + {ahead}
        WINDOW so_far AS (PARTITION BY user_id ORDER BY as_of_date)
    ),
    active AS (
        SELECT user_id, as_of_date AS day, lead(as_of_date) OVER (PARTITION BY user_id ORDER BY as_of_date) AS next_day
        FROM daily WHERE is_active
    ),
    silences AS (SELECT user_id, day + 1 AS day FROM active WHERE coalesce(next_day - day > {length}, true)),
    ahead AS (
        SELECT u.user_id, u.as_of_date, a.day - u.as_of_date AS active_in
        FROM user_days u ASOF LEFT JOIN active a ON u.user_id = a.user_id AND u.as_of_date < a.day
    ),
    falls_silent AS (
        SELECT a.user_id, a.as_of_date, CASE WHEN coalesce(active_in > {length}, true) THEN 1
            ELSE coalesce(s.day - a.as_of_date, {NEVER_AHEAD}) END AS until
        FROM ahead a ASOF LEFT JOIN silences s ON a.user_id = s.user_id AND a.as_of_date + 1 < s.day
    ),
    counted AS (
        SELECT user_id, as_of_date, until, coalesce(now.last_active >= as_of_date - {back}, false) AS is_at_risk,
            later.active_days - now.active_days AS future,
            NOT coalesce(now.last_active >= as_of_date - {back}, false) AS may_be_open, false AS must_be_open
        FROM falls_silent LEFT JOIN daily now USING (user_id, as_of_date)
        LEFT JOIN daily later ON later.user_id = falls_silent.user_id AND later.as_of_date = falls_silent.as_of_date + {ahead}
    )"""


def _event(settings: Settings) -> str:
    rules = settings.labels
    is_at_risk = f"coalesce(event_type IN ({types(rules.starts)}), false)" if rules.starts else _meets(rules.at_risk)
    return f"""churns AS (
        SELECT DISTINCT user_id, event_date AS day FROM churn.clean_events
        WHERE event_type IN ({types(rules.event)}) AND event_date > $first::DATE
    ),
    counted AS (
        SELECT s.user_id, s.as_of_date, coalesce(c.day - s.as_of_date, {NEVER_AHEAD}) AS until, {is_at_risk} AS is_at_risk,
            NULL AS future, may_be_open, must_be_open
        FROM (FROM standing JOIN churn.user_day_grid USING (user_id, as_of_date)) s
        ASOF LEFT JOIN churns c ON s.user_id = c.user_id AND s.as_of_date < c.day
    )"""


def _meets(conditions: tuple[Condition, ...]) -> str:
    return " AND ".join(
        f"{'NOT ' if condition.negated else ''}coalesce({quoted(condition.key)} IN ({', '.join(map(constant, condition.values))}), false)"
        for condition in conditions
    )


def _lapse(settings: Settings) -> str:
    rules = settings.labels
    known = _paid_by_renewals(settings) if rules.renewal_events else _paid_by_attribute(rules)
    return f"""{known},
    counted AS (
        SELECT p.user_id, p.as_of_date, coalesce(l.day - p.as_of_date, {NEVER_AHEAD}) AS until,
            coalesce(paid_until - p.as_of_date BETWEEN 1 AND {rules.horizon_days}, false) AS is_at_risk,
            NULL AS future, may_be_open, must_be_open
        FROM terms p ASOF LEFT JOIN lapses l ON p.user_id = l.user_id AND p.as_of_date < l.day
    )"""


def _paid_by_renewals(settings: Settings) -> str:
    # The paid_until date as steps: known from a day on, until a later one is known. It lapses where the next step is late.
    rules, grace = settings.labels, settings.labels.grace_days
    paid_until = quoted(str(rules.paid_until))
    until = f"({paid_until} + to_seconds(seconds))::DATE"
    return f"""offsets(since, seconds) AS ({offsets(settings.timezone)}),
    renewals AS (
        SELECT e.user_id, e.event_date AS day, max({until}) AS until FROM churn.clean_events e
        JOIN (SELECT user_id, min(begin) AS begin FROM user_days GROUP BY 1) u ON e.user_id = u.user_id AND e.event_date >= begin
        ASOF LEFT JOIN offsets ON {paid_until} >= since
        WHERE event_type IN ({types(rules.renewal_events)}) GROUP BY 1, 2 HAVING max({until}) IS NOT NULL
    ),
    so_far AS (SELECT user_id, day, max(until) OVER (PARTITION BY user_id ORDER BY day) AS until FROM renewals),
    known_from AS (SELECT user_id, until, min(day) AS day FROM so_far GROUP BY ALL),
    steps AS (SELECT *, lead(day) OVER (PARTITION BY user_id ORDER BY day) AS next_day FROM known_from),
    lapses AS (
        SELECT user_id, until AS day FROM steps WHERE day < until + {grace} AND coalesce(next_day > until + {grace}, true)
    ),
    terms AS (
        SELECT s.user_id, s.as_of_date, may_be_open, must_be_open, k.until AS paid_until
        FROM standing s ASOF LEFT JOIN steps k ON s.user_id = k.user_id AND s.as_of_date >= k.day
    )"""


def _paid_by_attribute(rules: LabelSettings) -> str:
    paid_until, grace = quoted(str(rules.paid_until)), rules.grace_days
    return f"""graced AS (
        SELECT user_id, as_of_date, coalesce(max({paid_until}) OVER (PARTITION BY user_id ORDER BY as_of_date
            RANGE BETWEEN CURRENT ROW AND INTERVAL {grace} DAY FOLLOWING) <= as_of_date, true) AS ends_unpaid
        FROM churn.user_day_grid WHERE as_of_date BETWEEN $first AND $last::DATE + {rules.reach_days}
    ),
    lapses AS (
        SELECT user_id, as_of_date AS day FROM graced
        QUALIFY ends_unpaid AND NOT lag(ends_unpaid, 1, true) OVER (PARTITION BY user_id ORDER BY as_of_date)
    ),
    terms AS (
        SELECT user_id, as_of_date, may_be_open, must_be_open, {paid_until} AS paid_until
        FROM standing JOIN churn.user_day_grid USING (user_id, as_of_date)
    )"""
