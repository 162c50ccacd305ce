"""Column lineage, declared once: for each column of a table, the columns its values are made from, as `table.column`.

Of values, not of rows: which rows a table has, and which of a user's versions counts, follows from keys and days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from churn_assets.contracts.base import Contract
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.label_settings import LabelSettings
from churn_assets.product import Product
from churn_assets.product.measures import IS_ACTIVE
from churn_assets.product.reserved import VALID_FROM
from churn_assets.settings import Settings, SourceName

Sources = Mapping[str, tuple[str, ...]]
"""Column -> what it is made from."""

CARRIED: Mapping[str, str] = MappingProxyType(
    {
        "clean_users": "raw_users",
        "quarantined_users": "raw_users",
        "users_reconciliation": "raw_users",
        "clean_events": "raw_events",
        "quarantined_events": "raw_events",
        "events_reconciliation": "raw_events",
        "user_day_grid": "clean_users",
        "user_daily": "user_day_grid",
        "unmatched_events": "clean_events",
        "growth_daily": "user_day_grid",
        "user_features": "user_day_grid",
        "churn_labels": "user_day_grid",
        TRAINING_SET: "user_features",
    }
)
"""Table -> the one whose column of the same name each of its columns is, where nothing else is said below."""

ACTIVE, SIGNUP, DAY, USER = (
    *("user_daily.is_active", "user_day_grid.signup_date"),
    *("user_day_grid.as_of_date", "user_day_grid.user_id"),
)
EVENT, TYPE = "clean_events.event_id", "clean_events.event_type"
MADE: Mapping[str, Sources] = MappingProxyType(
    {
        "clean_events": {"event_date": ("raw_events.event_time",)},
        "user_day_grid": {
            "as_of_date": ("clean_users.signup_date",),
            "days_since_signup": ("clean_users.signup_date",),
        },
        "unmatched_events": {
            "reason": (
                *("clean_events.user_id", "clean_events.event_date"),
                *("clean_users.user_id", "clean_users.signup_date"),
            ),
        },
        "growth_daily": {
            "users": (USER,),
            "new_signups": (SIGNUP,),
            "dau": (ACTIVE,),
            "wau": (ACTIVE,),
            "mau": (ACTIVE,),
            "stickiness": (ACTIVE,),
            "new_users": (SIGNUP, ACTIVE),
            "retained_users": (SIGNUP, ACTIVE),
            "resurrected_users": (SIGNUP, ACTIVE),
            "dormant_users": (USER, ACTIVE),
            "churned_users": (ACTIVE,),
            "quick_ratio": (SIGNUP, ACTIVE),
            "days_observed_7d": ("user_daily.as_of_date",),
            "days_observed_30d": ("user_daily.as_of_date",),
            "days_observed_60d": ("user_daily.as_of_date",),
        },
        "retention_cohorts": {
            "as_of_date": (DAY,),
            "cohort_week": (SIGNUP,),
            "weeks_since": (SIGNUP, DAY),
            "users": (SIGNUP, USER),
            "active": (SIGNUP, ACTIVE),
            "rate": (SIGNUP, USER, ACTIVE),
        },
    }
)


def column_lineage(contract: Contract, settings: Settings) -> Sources:
    """What each column of a table is made from. Empty for what comes from a file, from the code
    (`feature_catalogue`), or from a model, which may look at any feature (scores).
    """
    carried = CARRIED.get(contract.table)
    if contract.table == "clean_users" and settings.users_are == "from_events":
        carried = "clean_events"
    of_same_name = {name: (f"{carried}.{name}",) for name in contract.column_names} if carried else {}
    return {**of_same_name, **MADE.get(contract.table, {}), **_by_settings(contract, settings)}


def _by_settings(contract: Contract, settings: Settings) -> Sources:
    """Lineage that depends on the product, the names of sources and the label."""
    product, labels = settings.declaration, settings.labels
    for source in settings.landed_sources:
        if contract.table in (f"quarantined_{source}", f"{source}_reconciliation"):
            return _of_outcomes(contract, source, product)
    of_table: dict[str, Callable[[], Sources]] = {
        "clean_users": lambda: _of_users(product),
        "user_day_grid": lambda: _said_so_far(product),
        "clean_events": lambda: _of_entries("events", product),
        "user_daily": lambda: {**{m.name: m.sources for m in product.daily.values()}, "is_active": (EVENT,)},
        "user_features": lambda: {feature.name: feature.sources for feature in product.feature_columns},
        "churn_labels": lambda: _of_labels(labels),
        TRAINING_SET: lambda: {labels.churned_column: (f"churn_labels.{labels.churned_column}",)},
    }
    return of_table[contract.table]() if contract.table in of_table else {}


def _of_labels(labels: LabelSettings) -> Sources:
    parts = tuple(f"clean_events.{name}" for name in labels.outage_parts)
    days = "user_daily.as_of_date"
    if labels.kind == "silence":
        at_risk = churned = tuple(f"user_daily.{column}" for column in (IS_ACTIVE, *labels.activity))
    elif labels.kind == "event":
        days, churned = "clean_events.landing_date", (TYPE,)
        at_risk = tuple(f"user_day_grid.{condition.key}" for condition in labels.at_risk) or churned
    elif labels.renewal_events:
        days = "clean_events.landing_date"
        at_risk = churned = (f"clean_events.{labels.paid_until}", TYPE)
    else:
        days = DAY
        at_risk = churned = (f"user_day_grid.{labels.paid_until}",)
    of_churn = dict.fromkeys((labels.churned_column, "days_until_churn", "days_followed"), churned)
    active_days = {"future_active_days": churned} if labels.kind == "silence" else {}
    return {"is_at_risk": at_risk, **active_days, **of_churn, "censor_reason": (days, *parts)}


def _of_entries(source: SourceName, product: Product) -> Sources:
    """An attribute or property comes from its own column or path, and from what decides whether it is missing or means anything."""
    raw, made = f"raw_{source}", {}
    for entry in product.entries_of(source):
        made[entry.name] = [f"{raw}.{product.path_of(entry, source)[0]}"]
    for attribute in product.attributes if source == "users" else ():
        made[attribute.name] += [sources for c in attribute.missing_if for sources in made[c.key]]
    for event in product.event_types if source == "events" else ():
        for name in () if event.keeps is None else made:
            if name not in (event.keeps or ()) and f"{raw}.event_type" not in made[name]:
                made[name].append(f"{raw}.event_type")
    return {name: tuple(sources) for name, sources in made.items()}


def _of_users(product: Product) -> Sources:
    if product.users_are != "from_events":
        return _of_entries("users", product)
    days = dict.fromkeys(("signup_date", VALID_FROM), ("clean_events.event_date",))
    return {**days, **{name: (f"clean_events.{source.name}",) for name, source in product.attribute_sources.items()}}


def _said_so_far(product: Product) -> Sources:
    """Of users made from events the grid decides what a missing attribute is, by the attributes above it."""
    if product.users_are != "from_events":
        return {}
    made: dict[str, tuple[str, ...]] = {}
    for entry in product.attributes:
        above = (source for condition in entry.missing_if for source in made[condition.key])
        made[entry.name] = (f"clean_users.{entry.name}", *above)
    return made


def _of_outcomes(contract: Contract, source: SourceName, product: Product) -> Sources:
    """Why a row was rejected, and how many were: every value of a row has a say."""
    own = product.source_columns(source)
    has_paths = any(entry.from_ is not None for entry in product.entries_of(source))
    judged = tuple(
        f"raw_{source}.{name}" for name in (*own, *(("extra",) if has_paths else ()), "landing_date", "read_error")
    )
    counts = {
        name: judged for name in contract.column_names if name.startswith("rows_") or name in ("repairs", "reason")
    }
    return {**counts, "rows_read": (f"raw_{source}.source_row",)} if "rows_read" in counts else counts
