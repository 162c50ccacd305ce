"""The tables of the product, as contracts. Ids are integers or text by setting, so contracts are built from settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.labels import churn_labels_contract
from churn_assets.contracts.learning import feature_contracts
from churn_assets.contracts.metrics import metrics_contracts
from churn_assets.settings import Settings, SourceName

REQUIRED_SOURCE_COLUMNS: Mapping[SourceName, tuple[str, ...]] = MappingProxyType(
    {"users": ("user_id", "signup_date"), "events": ("event_id", "user_id", "event_time", "event_type")}
)
OPTIONAL_SOURCE_COLUMNS: Mapping[SourceName, tuple[str, ...]] = MappingProxyType(
    {
        "users": ("plan", "is_paid", "country", "marketing_source"),
        "events": ("course_id", "watch_minutes", "quiz_score", "amount"),
    }
)
SOURCE_COLUMNS: Mapping[SourceName, tuple[str, ...]] = MappingProxyType(
    {name: REQUIRED_SOURCE_COLUMNS[name] + OPTIONAL_SOURCE_COLUMNS[name] for name in REQUIRED_SOURCE_COLUMNS}
)

KNOWN_EVENT_TYPES = (
    *("login", "course_enroll", "video_watch", "quiz_attempt"),
    *("payment_success", "payment_failed", "support_ticket"),
)
UNKNOWN_PLAN = "unknown"
UNKNOWN_COUNTRY = "UNKNOWN"
UNKNOWN_MARKETING_SOURCE = "unknown"
LARGEST_NUMBER = 1e12
"""Minutes or money past this are a source's mistake, and sums of them would lose their cents."""

QUARANTINE_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "malformed_row": "the row has fewer or more fields than the header, or is not one JSON object",
        "nul_byte": "a value holds a NUL byte",
        "bad_user_id": "user_id is missing, or not an id of the declared type",
        "bad_signup_date": "signup_date is missing or not in the declared format",
        "bad_event_id": "event_id is missing, or not an id of the declared type",
        "bad_event_time": "event_time is missing, not in the declared format, or names no single instant (DST)",
        "bad_event_type": "event_type is missing",
        "bad_number": "watch_minutes, quiz_score or amount is no finite number in range",
        "negative_minutes": "watch_minutes is below 0",
        "quiz_without_score": "a quiz_attempt without quiz_score",
        "score_out_of_range": "quiz_score is outside 0..100",
        "payment_not_positive": "a payment whose amount is given and not above 0",
        "future": "the event's day lies after its landing day",
        "too_late": "the event landed more than lateness_days after its day",
        "conflict": "the same key was landed before with another payload",
    }
)
UNMATCHED_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "unknown_user": "no version of the user counted on that day",
        "before_signup": "the event's day lies before the user's signup_date",
    }
)


def _landing_columns(*, provenance: bool) -> tuple[Column, ...]:
    return (
        Column("landing_date", Kind.DATE, "Day the row was received"),
        Column("source_file", Kind.LABEL, "File it came in, relative to the landing folder", provenance=provenance),
        Column(
            "source_row",
            Kind.INTEGER,
            "Its record number in that file; the first record after the header is 1",
            minimum=1,
            provenance=provenance,
        ),
    )


def _raw(source: SourceName) -> Contract:
    return Contract(
        table=f"raw_{source}",
        grain=f"one landed row of the {source} source, every value as text",
        key=("source_file", "source_row"),
        day="landing_date",
        columns=(
            *(Column(name, Kind.TEXT, f"{name} as delivered", nullable=True) for name in SOURCE_COLUMNS[source]),
            Column("extra", Kind.TEXT, "Columns outside the contract, as a JSON object of texts", nullable=True),
            *_landing_columns(provenance=False),
            Column(
                "read_error", Kind.LABEL, "Why the row could not be bound to the header; null if it was", nullable=True
            ),
        ),
    )


def _files(source: SourceName) -> Contract:
    return Contract(
        table=f"{source}_files",
        grain=f"one landed file of the {source} source",
        key=("source_file",),
        day="landing_date",
        columns=(
            Column("landing_date", Kind.DATE, "Day the file was received"),
            Column("source_file", Kind.LABEL, "File, relative to the landing folder"),
            Column("rows_read", Kind.INTEGER, "Rows in the file, those of erased users apart", minimum=0, unit="rows"),
            Column("rows_erased", Kind.INTEGER, "Rows of erased users, which were not kept", minimum=0, unit="rows"),
            Column("digest", Kind.TEXT, "BLAKE2b-256 of the file's bytes as delivered"),
            Column("columns_added", Kind.TEXT, "Columns outside the contract, as a JSON list"),
            Column("columns_missing", Kind.TEXT, "Optional columns of the contract it lacks, as a JSON list"),
            Column("columns_renamed", Kind.TEXT, "Columns an alias resolved, as a JSON object {source: contract}"),
            Column("repairs", Kind.TEXT, "Repairs to the file as a whole, as a JSON object of counts"),
        ),
    )


def _quarantined(source: SourceName) -> Contract:
    raw = _raw(source)
    return Contract(
        table=f"quarantined_{source}",
        grain=f"one rejected row of the {source} source, kept whole",
        key=raw.key,
        day=raw.day,
        columns=(*raw.columns, Column("reason", Kind.LABEL, "First rule it broke: " + ", ".join(QUARANTINE_REASONS))),
        rules=(_one_of("reason", tuple(QUARANTINE_REASONS)),),
    )


def _reconciliation(source: SourceName) -> Contract:
    counts = {
        "rows_read": "Rows in the file",
        "rows_accepted": "Rows that became clean rows",
        "rows_duplicate": "Exact copies of a row landed before",
        "rows_unchanged": "Rows equal to the same user's row of the day before",
        "rows_quarantined": "Rows rejected",
        "rows_repaired": "Accepted rows in which at least one value was repaired",
    }
    return Contract(
        table=f"{source}_reconciliation",
        grain=f"one landed file of the {source} source: what became of its rows",
        key=("source_file",),
        day="landing_date",
        columns=(
            Column("landing_date", Kind.DATE, "Day the file was received"),
            Column("source_file", Kind.LABEL, "File, relative to the landing folder"),
            *(Column(name, Kind.INTEGER, text, minimum=0, unit="rows") for name, text in counts.items()),
            Column("repairs", Kind.TEXT, "Repairs by kind, as a JSON object of counts"),
        ),
        rules=(
            Rule(
                "rows_add_up",
                "rows_read = accepted + duplicate + unchanged + quarantined",
                lambda f: (
                    f["rows_read"]
                    == f["rows_accepted"] + f["rows_duplicate"] + f["rows_unchanged"] + f["rows_quarantined"]
                ),
            ),
        ),
    )


def _one_of(column: str, allowed: tuple[str, ...]) -> Rule:
    return Rule(f"{column}_known", f"{column} is one of the declared values", lambda f: f[column].isin(allowed))


def _not_before(later: str, earlier: str) -> Rule:
    return Rule(f"{later}_not_before_{earlier}", f"{later} >= {earlier}", lambda f: f[later] >= f[earlier])


def _at_most(*columns: str, whole: str) -> Rule:
    names = " + ".join(columns)
    return Rule(
        f"{'_and_'.join(columns)}_within_{whole}",
        f"{names} <= {whole}",
        lambda f: sum(f[name] for name in columns) <= f[whole],
    )


def _attributes() -> tuple[Column, ...]:
    return (
        Column("plan", Kind.LABEL, "Plan, lower case; `unknown` where missing or not a plan of the product"),
        Column(
            "is_paid",
            Kind.FLAG,
            "Whether the plan is paid; where the source does not say, any plan but free, trial and unknown",
        ),
        Column("country", Kind.LABEL, "Country or region, upper case; `UNKNOWN` where missing"),
        Column("marketing_source", Kind.LABEL, "Where the user came from, lower case; `unknown` where missing"),
    )


def _event_columns(user_id: Column, event_id: Column) -> tuple[Column, ...]:
    return (
        event_id,
        user_id,
        Column("event_time", Kind.INSTANT, "When it happened", unit="UTC"),
        Column("event_date", Kind.DATE, "Business day event_time falls in"),
        Column("event_type", Kind.LABEL, "What happened; known: " + ", ".join(KNOWN_EVENT_TYPES)),
        Column("course_id", Kind.LABEL, "Course it concerns", nullable=True),
        Column(
            "watch_minutes",
            Kind.NUMBER,
            "Minutes watched; 0 where none",
            minimum=0,
            maximum=LARGEST_NUMBER,
            unit="minutes",
        ),
        Column(
            "quiz_score", Kind.NUMBER, "Score of a quiz_attempt", nullable=True, minimum=0, maximum=100, unit="points"
        ),
        Column(
            "amount",
            Kind.NUMBER,
            "Amount of a payment; above 0 for payment_success and payment_failed",
            nullable=True,
            minimum=-LARGEST_NUMBER,
            maximum=LARGEST_NUMBER,
            unit="source currency",
        ),
    )


def _grid_columns(user_id: Column) -> tuple[Column, ...]:
    return (
        user_id,
        Column("as_of_date", Kind.DATE, "Day the row describes"),
        Column("signup_date", Kind.DATE, "Signup day of the user's first version"),
        *_attributes(),
        Column("days_since_signup", Kind.INTEGER, "as_of_date - signup_date", minimum=0, unit="days"),
    )


def _count(name: str, text: str) -> Column:
    return Column(name, Kind.INTEGER, text, minimum=0, unit="count")


def _activity_columns() -> tuple[Column, ...]:
    return (
        _count("total_events", "Events of the day, of any type"),
        _count("total_logins", "login events"),
        Column("total_watch_minutes", Kind.NUMBER, "Sum of watch_minutes", minimum=0, unit="minutes"),
        _count("total_quiz_attempts", "quiz_attempt events"),
        _count("distinct_courses", "Different course_id among the day's events"),
        Column(
            "avg_quiz_score",
            Kind.NUMBER,
            "Mean score of the day's attempts; null if none",
            nullable=True,
            minimum=0,
            maximum=100,
        ),
        _count("total_enrollments", "course_enroll events"),
        _count("payment_success_count", "payment_success events"),
        _count("payment_failed_count", "payment_failed events"),
        Column(
            "payment_amount",
            Kind.NUMBER,
            "Sum of amount over payment_success events",
            minimum=0,
            unit="source currency",
        ),
        _count("support_ticket_count", "support_ticket events"),
        _count("total_sessions", "Sessions begun: the day's first event, and each after a gap above 30 minutes"),
        Column("is_active", Kind.FLAG, "Whether the day has an event"),
    )


def contracts(settings: Settings) -> dict[str, Contract]:
    """Every table of the product by name, in the order the graph computes them."""
    ids = {"integer": Kind.INTEGER, "string": Kind.TEXT}
    user_kind, event_kind = ids[settings.sources.users.id_type], ids[settings.sources.events.id_type]
    user_id = Column("user_id", user_kind, "User", minimum=1 if user_kind is Kind.INTEGER else None)
    event_id = Column("event_id", event_kind, "Event", minimum=1 if event_kind is Kind.INTEGER else None)
    lateness = pd.Timedelta(days=settings.lateness_days)
    landed_in_time = Rule(
        "landed_in_time",
        "event_date <= landing_date <= event_date + lateness_days",
        lambda f: f["landing_date"].between(f["event_date"], f["event_date"] + lateness),
    )
    daily_rules = (
        _not_before("as_of_date", "signup_date"),
        _at_most(
            *("total_logins", "total_quiz_attempts", "total_enrollments", "support_ticket_count"),
            *("payment_success_count", "payment_failed_count"),
            whole="total_events",
        ),
        _at_most("total_sessions", whole="total_events"),
        _at_most("distinct_courses", whole="total_events"),
        Rule(
            "active_has_events",
            "is_active exactly where total_events > 0",
            lambda f: f["is_active"] == (f["total_events"] > 0),
        ),
    )
    clean_users = Contract(
        table="clean_users",
        grain="one version of a user, as landed on one day",
        key=("user_id", "landing_date"),
        day="landing_date",
        columns=(
            user_id,
            Column("signup_date", Kind.DATE, "Business day the user signed up"),
            *_attributes(),
            *_landing_columns(provenance=True),
        ),
    )
    clean_events = Contract(
        table="clean_events",
        grain="one accepted event",
        key=("event_id", "landing_date"),
        day="landing_date",
        columns=(*_event_columns(user_id, event_id), *_landing_columns(provenance=True)),
        rules=(landed_in_time,),
    )
    user_day_grid = Contract(
        table="user_day_grid",
        grain="one user and day on or after signup",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=_grid_columns(user_id),
        rules=(_not_before("as_of_date", "signup_date"),),
    )
    user_daily = Contract(
        table="user_daily",
        grain="one user and day on or after signup, with the day's activity",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(*_grid_columns(user_id), *_activity_columns()),
        rules=daily_rules,
    )
    unmatched_events = Contract(
        table="unmatched_events",
        grain="one accepted event that no grid row took",
        key=("event_id", "landing_date"),
        day="event_date",
        columns=(
            *clean_events.columns,
            Column("reason", Kind.LABEL, "; ".join(f"{name}: {text}" for name, text in UNMATCHED_REASONS.items())),
        ),
        rules=(landed_in_time, _one_of("reason", tuple(UNMATCHED_REASONS))),
    )
    tables = (
        _raw("users"),
        _files("users"),
        _raw("events"),
        _files("events"),
        clean_users,
        _quarantined("users"),
        _reconciliation("users"),
        clean_events,
        _quarantined("events"),
        _reconciliation("events"),
        user_day_grid,
        user_daily,
        unmatched_events,
        *metrics_contracts(),
        *feature_contracts(user_id),
        churn_labels_contract(user_id, settings.labels),
    )
    return {contract.table: contract for contract in tables}
