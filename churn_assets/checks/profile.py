"""What is expected of each table's partitions: figures measured in SQL, one row per partition, and their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from churn_assets.contracts.declared import quarantine_reasons
from churn_assets.product import Attribute, Condition, Product
from churn_assets.settings import SOURCES, Settings, SourceName
from churn_assets.warehouse.frames import literal, quoted


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

    def holds(self, figure: float) -> bool:
        """Whether the figure lies within the limits, both included. One that is missing (NaN) does not."""
        return (
            not math.isnan(figure)
            and (self.minimum is None or figure >= self.minimum)
            and (self.maximum is None or figure <= self.maximum)
        )


def _none(figure: str, condition: str, meaning: str, names: str | None = None) -> Expectation:
    return Expectation(figure, f"count(*) FILTER ({condition})", meaning, minimum=0, maximum=0, names=names)


def _share(figure: str, condition: str, most: float, meaning: str) -> Expectation:
    return Expectation(figure, f"coalesce(avg(CAST({condition} AS INTEGER)), 0)", meaning, minimum=0, maximum=most)


def _some_rows(meaning: str) -> Expectation:
    return Expectation("rows", "count(*)", meaning, minimum=1)


def _unless_quiet(settings: Settings, source: SourceName, *expected: Expectation) -> tuple[Expectation, ...]:
    """What is expected of a source of which a day without a file is no empty day."""
    return expected if settings.source(source).quiet_days == "missing" else ()


def expectations(settings: Settings) -> Mapping[str, tuple[Expectation, ...]]:
    """Expectations by table; every table has some."""
    product = settings.declaration
    longest = max(column.window_days for column in product.feature_columns)
    reasons = ", ".join(map(literal, quarantine_reasons(product)))
    malformed = _share("malformed_share", "read_error IS NOT NULL", 0.01, "at most 1 % of rows do not fit the header")
    a_file = {
        source: _unless_quiet(settings, source, _some_rows("at least one file was delivered")) for source in SOURCES
    }
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
    attributes = tuple(_of_attributes(product, settings))
    known_from = settings.sources.users.attributes_as_of
    of_the_grid = tuple(_of_attributes(product, settings, f"as_of_date >= DATE '{known_from or date.min}'"))
    of_users = {
        "raw_users": (malformed,),
        "users_files": (*a_file["users"], nobody_erased),
        "clean_users": (*attributes, _signup_moved(settings)),
        "quarantined_users": quarantined,
        "users_reconciliation": reconciliation,
    }
    if settings.users_are == "from_events":
        of_users = {"clean_users": (_some_rows("somebody had an event"),)}
    return MappingProxyType(
        {
            **of_users,
            "raw_events": (
                malformed,
                *_unless_quiet(
                    settings,
                    "events",
                    _some_rows("the day has events; a header alone is a real empty day, but a rare one"),
                ),
            ),
            "events_files": (*a_file["events"], nobody_erased),
            "clean_events": tuple(_of_events(settings)),
            "quarantined_events": quarantined,
            "events_reconciliation": reconciliation,
            "user_day_grid": (_some_rows("somebody has signed up"), *of_the_grid),
            "user_daily": (_some_rows("somebody has signed up"), *_of_measures(product)),
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
                *_of_features(product),
                _share(
                    "inactive_share", "activity_segment = 'inactive'", 0.99, "at least 1 % of users were active lately"
                ),
            ),
            "feature_catalogue": (
                Expectation(
                    *("features", "count(*)", "every declared feature is in the catalogue"),
                    minimum=len(product.feature_columns),
                    maximum=len(product.feature_columns),
                ),
                _none(
                    "windows_past_the_lookback",
                    f"window_days > {longest}",
                    f"no feature looks back further than the declared {longest} days",
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


def _of_attributes(product: Product, settings: Settings, where: str = "true") -> Iterator[Expectation]:
    for entry in product.attributes:
        if entry.most_missing is not None and entry.name not in settings.sources.users.lacks:
            is_missing = (
                f"{quoted(entry.name)} IS NULL"
                if entry.missing is None
                else f"{quoted(entry.name)} = {_sql(entry.missing)}"
            )
            share, most = f"{entry.name}_unknown_share", entry.most_missing
            yield _share(
                share, f"({is_missing} AND {where})", most, f"at most {most:.0%} of the rows have no known {entry.name}"
            )
    for entry in product.attributes:
        if entry.missing_if:
            yield _disagreeing(entry, product)


def _disagreeing(entry: Attribute, product: Product) -> Expectation:
    """Rows in which a flag says otherwise than the attributes that would stand in for it, where these are known."""
    above = {other.name: other for other in product.attributes}
    keys = [condition.key for condition in entry.missing_if]
    known = [f"{quoted(key)} <> {_sql(missing)}" for key in keys if (missing := above[key].missing) is not None]
    implied = " AND ".join(_meets(condition) for condition in entry.missing_if)
    others = " and ".join(keys)
    return _none(
        f"rows_{'_'.join(keys)}_disagreeing",
        " AND ".join([f"{quoted(entry.name)} <> ({implied})", *known]),
        f"{others} and {entry.name} agree",
    )


def _meets(condition: Condition) -> str:
    values = ", ".join(map(_sql, condition.values))
    return f"coalesce({quoted(condition.key)} IN ({values}), false) = {'false' if condition.negated else 'true'}"


def _sql(value: object) -> str:
    """A value of the declaration."""
    return (
        literal(value)
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else literal(str(value))
    )


def _of_events(settings: Settings) -> Iterator[Expectation]:
    product = settings.declaration
    types = ", ".join(map(literal, (*product.event_vocabulary, *settings.sources.events.event_types)))
    unknown = f"event_type NOT IN ({types})" if types else "false"
    yield _none(
        "events_of_unknown_type",
        unknown,
        "every event type is in the vocabulary (declare it under [[event_types]], or map it)",
        names=f"list(DISTINCT event_type) FILTER ({unknown})",
    )
    for event in product.event_types:
        for name in event.expects:
            if name in settings.sources.events.lacks:
                continue
            figure = f"{_figure(event.name)}_without_{name}"
            yield _none(
                figure,
                f"event_type = {literal(event.name)} AND {quoted(name)} IS NULL",
                f"every {event.name} has {name}",
            )


def _of_measures(product: Product) -> Iterator[Expectation]:
    for measure in product.daily.values():
        if measure.most is not None:
            over = f"{quoted(measure.name)} > {measure.most!r}"
            yield _none(f"rows_over_most_{measure.name}", over, f"{measure.name} is at most {measure.most:g} in a day")
        if measure.weight is not None:
            odd = f"({quoted(measure.name)} IS NULL) <> ({quoted(measure.weight)} = 0)"
            yield _none(f"rows_of_odd_{measure.name}", odd, f"{measure.name} exactly where {measure.weight} is above 0")


def _of_features(product: Product) -> Iterator[Expectation]:
    for feature in product.feature_columns:
        if feature.most is not None:
            over = f"{quoted(feature.name)} > {feature.most!r}"
            yield _none(f"rows_over_most_{feature.name}", over, f"{feature.name} is at most {feature.most:g}")


def _figure(name: str) -> str:
    """An event type as part of a figure's name."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower())


def _signup_moved(settings: Settings) -> Expectation:
    earliest = "arg_min(f.signup_date, f.landing_date)"
    if settings.users_are == "dated":
        earliest = "first(f.signup_date ORDER BY f.landing_date, f.valid_from)"
    first = f"(SELECT {earliest} FROM churn.clean_users f WHERE f.user_id = t.user_id)"
    return _none("rows_of_moved_signup", f"signup_date <> {first}", "a user's signup_date stays what it first was")
