"""The tables of the product, as contracts. Ids are integers or text by setting, so contracts are built from settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.declared import (
    attribute_columns,
    measure_columns,
    property_columns,
    quarantine_reasons,
    version_columns,
)
from churn_assets.contracts.labels import churn_labels_contract
from churn_assets.contracts.learning import feature_contracts
from churn_assets.contracts.metrics import metrics_contracts
from churn_assets.contracts.scores import score_contracts
from churn_assets.contracts.serving import served_consistency_contract
from churn_assets.product import Product
from churn_assets.product.measures import IS_ACTIVE, TOTAL_EVENTS
from churn_assets.product.reserved import VALID_FROM
from churn_assets.settings import Settings, SourceName

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


def _raw(source: SourceName, product: Product) -> Contract:
    return Contract(
        table=f"raw_{source}",
        grain=f"one landed row of the {source} source, every value as text",
        key=("source_file", "source_row"),
        day="landing_date",
        columns=(
            *(
                Column(name, Kind.TEXT, f"{name} as delivered", nullable=True)
                for name in product.source_columns(source)
            ),
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


def _quarantined(source: SourceName, product: Product) -> Contract:
    raw, reasons = _raw(source, product), tuple(quarantine_reasons(product))
    return Contract(
        table=f"quarantined_{source}",
        grain=f"one rejected row of the {source} source, kept whole",
        key=raw.key,
        day=raw.day,
        columns=(*raw.columns, Column("reason", Kind.LABEL, "First rule it broke: " + ", ".join(reasons))),
        rules=(_one_of("reason", reasons),),
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


def _event_columns(user_id: Column, event_id: Column, product: Product) -> tuple[Column, ...]:
    return (
        event_id,
        user_id,
        Column("event_time", Kind.INSTANT, "When it happened", unit="UTC"),
        Column("event_date", Kind.DATE, "Business day event_time falls in"),
        Column("event_type", Kind.LABEL, "What happened; known: " + ", ".join(product.event_vocabulary)),
        *property_columns(product),
    )


def _grid_columns(user_id: Column, product: Product) -> tuple[Column, ...]:
    is_made = product.users_are == "from_events"
    signup = "Day of the user's first event" if is_made else "Signup day of the user's first version"
    return (
        user_id,
        Column("as_of_date", Kind.DATE, "Day the row describes"),
        Column("signup_date", Kind.DATE, signup),
        *attribute_columns(product),
        Column("days_since_signup", Kind.INTEGER, "as_of_date - signup_date", minimum=0, unit="days"),
    )


def _daily_rules(product: Product) -> Iterator[Rule]:
    yield _not_before("as_of_date", "signup_date")
    counts = [measure for measure in product.daily.values() if measure.is_count and measure.name != TOTAL_EVENTS]
    exclusive, types = [], set[str]()
    for measure in counts:
        if measure.aggregation == "count" and measure.events and types.isdisjoint(measure.events):
            exclusive.append(measure.name)
            types |= set(measure.events)
    if exclusive:
        yield _at_most(*exclusive, whole=TOTAL_EVENTS)
    yield from (_at_most(measure.name, whole=TOTAL_EVENTS) for measure in counts if measure.name not in exclusive)
    yield Rule(
        "active_has_events",
        f"{IS_ACTIVE} exactly where {TOTAL_EVENTS} > 0",
        lambda f: f[IS_ACTIVE] == (f[TOTAL_EVENTS] > 0),
    )


def _users_of_events(user_id: Column, product: Product) -> Contract:
    return Contract(
        table="clean_users",
        grain="one user and day with events, as the events that landed on one day show the user",
        key=("user_id", "landing_date", VALID_FROM),
        day="landing_date",
        columns=(
            user_id,
            Column("signup_date", Kind.DATE, f"The same as {VALID_FROM}: of a user, the first one counts"),
            *version_columns(product),
            Column("landing_date", Kind.DATE, "Day the events were received"),
        ),
    )


def contracts(settings: Settings) -> dict[str, Contract]:
    """Every table of the product by name, in the order the graph computes them."""
    ids = {"integer": Kind.INTEGER, "string": Kind.TEXT}
    product = settings.declaration
    user_kind, event_kind = ids[settings.sources.users.id_type], ids[settings.event_id_type]
    user_id = Column("user_id", user_kind, "User", minimum=1 if user_kind is Kind.INTEGER else None)
    event_id = Column("event_id", event_kind, "Event", minimum=1 if event_kind is Kind.INTEGER else None)
    lateness = pd.Timedelta(days=settings.lateness_days)
    landed_in_time = Rule(
        "landed_in_time",
        "event_date <= landing_date <= event_date + lateness_days",
        lambda f: f["landing_date"].between(f["event_date"], f["event_date"] + lateness),
    )
    clean_users = Contract(
        table="clean_users",
        grain="one version of a user, as landed on one day",
        key=("user_id", "landing_date", *((VALID_FROM,) if product.users_are == "dated" else ())),
        day="landing_date",
        columns=(
            user_id,
            Column("signup_date", Kind.DATE, "Business day the user signed up"),
            *version_columns(product),
            *_landing_columns(provenance=True),
        ),
    )
    if product.users_are == "from_events":
        clean_users = _users_of_events(user_id, product)
    clean_events = Contract(
        table="clean_events",
        grain="one accepted event",
        key=("event_id", "landing_date"),
        day="landing_date",
        columns=(*_event_columns(user_id, event_id, product), *_landing_columns(provenance=True)),
        rules=(landed_in_time,),
    )
    user_day_grid = Contract(
        table="user_day_grid",
        grain="one user and day on or after signup",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=_grid_columns(user_id, product),
        rules=(_not_before("as_of_date", "signup_date"),),
    )
    user_daily = Contract(
        table="user_daily",
        grain="one user and day on or after signup, with the day's activity",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(*_grid_columns(user_id, product), *measure_columns(product)),
        rules=tuple(_daily_rules(product)),
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
    of_users = (clean_users, _quarantined("users", product), _reconciliation("users"))
    of_events = (clean_events, _quarantined("events", product), _reconciliation("events"))
    tables = (
        *(table for source in settings.landed_sources for table in (_raw(source, product), _files(source))),
        *((*of_events, clean_users) if product.users_are == "from_events" else (*of_users, *of_events)),
        user_day_grid,
        user_daily,
        unmatched_events,
        *metrics_contracts(),
        *feature_contracts(user_id, product),
        churn_labels_contract(user_id, settings.labels),
        *score_contracts(user_id),
        *([served_consistency_contract()] if settings.serving.is_on else []),
    )
    return {contract.table: contract for contract in tables}
