"""What is expected of each table's partitions: figures measured in SQL, one row per partition, and their ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from churn_assets.contracts.features import FEATURES, LOOKBACK_DAYS
from churn_assets.contracts.tables import KNOWN_EVENT_TYPES, QUARANTINE_REASONS, UNKNOWN_COUNTRY, UNKNOWN_PLAN
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import literal

MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class Expectation:
    """`sql` aggregates the rows of one partition to `figure`, which lies in [minimum, maximum]. `names`, if given,
    aggregates to the names behind a breach.
    """

    figure: str
    sql: str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    names: str | None = None


def _none(figure: str, condition: str, meaning: str, names: str | None = None) -> Expectation:
    return Expectation(figure, f"count(*) FILTER ({condition})", meaning, minimum=0, maximum=0, names=names)


def _share(figure: str, condition: str, most: float, meaning: str) -> Expectation:
    return Expectation(figure, f"coalesce(avg(CAST({condition} AS INTEGER)), 0)", meaning, minimum=0, maximum=most)


def _some_rows(meaning: str) -> Expectation:
    return Expectation("rows", "count(*)", meaning, minimum=1)


def expectations(settings: Settings) -> Mapping[str, tuple[Expectation, ...]]:
    """Expectations by table; every table has some."""
    types = ", ".join(map(literal, (*KNOWN_EVENT_TYPES, *settings.sources.events.event_types)))
    reasons = ", ".join(map(literal, QUARANTINE_REASONS))
    malformed = _share("malformed_share", "read_error IS NOT NULL", 0.01, "at most 1 % of rows do not fit the header")
    a_file = _some_rows("at least one file was delivered")
    nobody_erased = Expectation(
        "rows_of_erased_users",
        "coalesce(sum(rows_erased), 0)",
        "no row of an erased user was delivered again (erase the user again to take it out of the landing)",
        minimum=0,
        maximum=0,
    )
    quarantined = (
        _none("rows_of_unknown_reason", f"reason NOT IN ({reasons})", "every reason is a declared one"),
        Expectation("rows", "count(*)", "nothing was rejected", minimum=0, maximum=0),
    )
    reconciliation = (
        Expectation(
            "quarantined_share",
            "coalesce(sum(rows_quarantined) / nullif(sum(rows_read), 0), 0)",
            "at most 5 % of rows read are rejected",
            minimum=0,
            maximum=0.05,
        ),
    )
    attributes = (
        _share("plan_unknown_share", f"plan = '{UNKNOWN_PLAN}'", 0.5, "at most half the rows have no known plan"),
        _share("country_unknown_share", f"country = '{UNKNOWN_COUNTRY}'", 0.5, "at most half the rows have no country"),
        _none(
            "rows_plan_disagreeing",
            "is_paid <> (plan NOT IN ('free', 'trial', 'unknown')) AND plan <> 'unknown'",
            "plan and is_paid agree",
        ),
    )
    return MappingProxyType(
        {
            "raw_users": (malformed,),
            "users_files": (a_file, nobody_erased),
            "raw_events": (
                malformed,
                _some_rows("the day has events; a header alone is a real empty day, but a rare one"),
            ),
            "events_files": (a_file, nobody_erased),
            "clean_users": (*attributes, _signup_moved()),
            "quarantined_users": quarantined,
            "users_reconciliation": reconciliation,
            "clean_events": (
                _none(
                    "events_of_unknown_type",
                    f"event_type NOT IN ({types})",
                    "every event type is in the vocabulary (add it to sources.events.event_types, or map it)",
                    names=f"list(DISTINCT event_type) FILTER (event_type NOT IN ({types}))",
                ),
                _none(
                    "payments_without_amount",
                    "event_type = 'payment_success' AND amount IS NULL",
                    "every successful payment has an amount",
                ),
            ),
            "quarantined_events": quarantined,
            "events_reconciliation": reconciliation,
            "user_day_grid": (_some_rows("somebody has signed up"), *attributes),
            "user_daily": (
                _some_rows("somebody has signed up"),
                _none(
                    "rows_past_a_day_of_minutes",
                    f"total_watch_minutes > {MINUTES_PER_DAY}",
                    "nobody watches more than 1440 minutes in a day",
                ),
                _none(
                    "rows_of_odd_quiz_average",
                    "(avg_quiz_score IS NULL) <> (total_quiz_attempts = 0)",
                    "a quiz average exactly where there are attempts",
                ),
            ),
            "unmatched_events": (
                Expectation("rows", "count(*)", "every event finds its user-day", minimum=0, maximum=0),
            ),
            "growth_daily": (
                _none("days_of_silence", "users > 0 AND dau = 0", "somebody is active"),
                Expectation(
                    "mau_over_users",
                    "coalesce(sum(mau) / nullif(sum(users), 0), 1)",
                    "at least 1 % of the user base was active within the month",
                    minimum=0.01,
                    maximum=1,
                ),
            ),
            "retention_cohorts": (
                _none(
                    "cohorts_silent_at_first",
                    "weeks_since = 0 AND active = 0",
                    "somebody of each cohort is active in the week of signup",
                ),
            ),
            "user_features": (
                _some_rows("somebody has signed up"),
                _none(
                    "rows_of_odd_last_activity",
                    "(active_days_30d > 0) <> coalesce(days_since_last_activity < 30, false)",
                    "days_since_last_activity is within the month exactly where the month has an active day",
                ),
                _none(
                    "rows_past_a_day_of_minutes",
                    f"avg_daily_watch_minutes_7d > {MINUTES_PER_DAY}",
                    "nobody watches more than 1440 minutes a day",
                ),
                _share(
                    "inactive_share", "activity_segment = 'inactive'", 0.99, "at least 1 % of users were active lately"
                ),
            ),
            "feature_catalogue": (
                Expectation(
                    *("features", "count(*)", "every declared feature is in the catalogue"),
                    minimum=len(FEATURES),
                    maximum=len(FEATURES),
                ),
                _none(
                    "windows_past_the_lookback",
                    f"window_days > {LOOKBACK_DAYS}",
                    f"no feature looks back further than {LOOKBACK_DAYS} days",
                ),
            ),
            "churn_labels": (
                _some_rows("somebody has signed up"),
                _none(
                    "labels_of_a_missing_day",
                    "censor_reason = 'missing_day'",
                    "no label waits for a day that others came after",
                ),
                _share(
                    "source_outage_share",
                    "coalesce(censor_reason = 'source_outage', false)",
                    0.5,
                    "at most half the labels are censored by a declared outage",
                ),
                _share(
                    "at_risk_unknown_share",
                    "is_at_risk IS NULL",
                    0.5,
                    "of at least half the users it is known whether they are at risk",
                ),
            ),
        }
    )


def _signup_moved() -> Expectation:
    first = "(SELECT arg_min(f.signup_date, f.landing_date) FROM churn.clean_users f WHERE f.user_id = t.user_id)"
    return _none("rows_of_moved_signup", f"signup_date <> {first}", "a user's signup_date stays what it first was")
