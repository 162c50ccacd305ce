"""Every step of the product: its tables, windows, and the one transform it calls. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from churn_assets import transforms
from churn_assets.assets.cleaning_steps import cleaning_steps
from churn_assets.assets.labels_step import labels_step
from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.scoring_steps import scoring_steps, with_measures
from churn_assets.assets.served_step import served_step
from churn_assets.assets.step import Step
from churn_assets.assets.wiring import AnyStep, wired
from churn_assets.calendar import SAME_DAY, Window
from churn_assets.contracts.metrics import MONTH_DAYS, WEEK_DAYS
from churn_assets.product import Attribute, Product
from churn_assets.product.parts import for_days, for_features
from churn_assets.settings import Settings
from churn_assets.transforms.feature_inputs import FeatureInputs
from churn_assets.transforms.user_days import daily_event_columns
from churn_assets.warehouse.frames import stacked
from churn_assets.warehouse.selection import Selection

ACTIVITY: Mapping[str, Selection] = {
    "user_daily": Selection(columns=("user_id", "as_of_date"), only="is_active"),
    "user_day_grid": Selection(columns=("user_id", "as_of_date", "signup_date")),
}
"""On which days each user was active; who was a user on which day, and since when."""


def all_steps(settings: Settings) -> tuple[AnyStep, ...]:
    """The steps in an order in which each finds its inputs made, and so do its tables' checks."""
    return wired(
        *map(LandingStep, settings.landed_sources),
        *cleaning_steps(settings),
        _user_day_grid(settings),
        _unmatched_events(settings),
        _user_daily(settings),
        _growth_daily(),
        _retention_cohorts(),
        _user_features(settings),
        labels_step(settings),
        *scoring_steps(settings),
        *([served_step(settings)] if settings.serving.is_on else []),
    )


def _user_day_grid(settings: Settings) -> Step:
    late, attributes, users_are = settings.lateness_days, settings.declaration.attributes, settings.users_are
    known_from = settings.sources.users.attributes_as_of
    return Step(
        name="user_day_grid",
        description="Every user x every day on or after signup, attributes as of that day.",
        group="user_days",
        outputs=("user_day_grid",),
        reads={"clean_users": Window(back=None, ahead=late)},
        compute=lambda frames, days: (
            transforms.user_day_grid(
                frames["clean_users"],
                first_day=days.first,
                last_day=days.last,
                lateness_days=late,
                attributes=attributes,
                users_are=users_are,
                attributes_as_of=known_from,
            ),
        ),
        sized_by="clean_users",
        bucket_by="user_id",
        parameters=(late, users_are, known_from),
        definitions={"user_day_grid": _filled(attributes) if users_are == "from_events" else _declared(attributes)},
        about="clean_users",
    )


def _user_daily(settings: Settings) -> Step:
    attributes, product = settings.declaration.attributes, for_days(settings.declaration)
    crosses_midnight = any(measure.across_midnight for measure in product.daily.values())
    return Step(
        name="user_daily",
        description="The grid with each day's activity, zeros explicit: what features, labels and reports are made from.",
        group="user_days",
        outputs=("user_daily",),
        reads={
            "user_day_grid": SAME_DAY,
            "clean_events": Window(back=int(crosses_midnight), ahead=settings.lateness_days),
        },
        selects={"clean_events": Selection(columns=daily_event_columns(product))},
        after=("unmatched_events",),
        compute=lambda frames, _: (
            transforms.user_daily(frames["user_day_grid"], frames["clean_events"], product=product),
        ),
        sized_by="user_day_grid",
        bucket_by="user_id",
        definitions={"user_daily": {**_declared(attributes), **_with_functions(product)}},
    )


def _unmatched_events(settings: Settings) -> Step:
    late, users_are = settings.lateness_days, settings.users_are
    ahead = max(late, settings.signup_lookahead_days)
    return Step(
        name="unmatched_events",
        description="Accepted events that no grid row took: of an unknown user, or before signup.",
        group="user_days",
        outputs=("unmatched_events",),
        reads={
            "clean_events": Window(back=0, ahead=late),
            "clean_users": Window(back=None, ahead=ahead),
        },
        compute=lambda frames, days: (
            transforms.unmatched_events(
                frames["clean_events"],
                frames["clean_users"],
                first_day=days.first,
                last_day=days.last,
                lateness_days=late,
                signup_lookahead_days=ahead,
                users_are=users_are,
            ),
        ),
        sized_by="clean_events",
        bucket_by="user_id",
        parameters=(late, ahead, users_are),
    )


def _growth_daily() -> Step:
    return Step(
        name="growth_daily",
        description="Active users of a day, a week and a month, and where they came from: growth accounting.",
        group="metrics",
        outputs=("growth_daily",),
        reads={"user_daily": Window(back=2 * MONTH_DAYS - 1), "user_day_grid": SAME_DAY},
        selects=ACTIVITY,
        compute=lambda inputs, days: (
            transforms.growth_daily(
                inputs["user_daily"],
                inputs["user_day_grid"],
                first_day=days.first,
                last_day=days.last,
                published=inputs.published["user_daily"],
            ),
        ),
        sized_by="user_daily",
        bucket_by=None,
    )


def _retention_cohorts() -> Step:
    week = Window(ahead=WEEK_DAYS - 1)
    return Step(
        name="retention_cohorts",
        description="How many of a week's signups are active, week by week. Computed again when the week has closed.",
        group="metrics",
        outputs=("retention_cohorts",),
        reads={"user_daily": week, "user_day_grid": week},
        selects=ACTIVITY,
        compute=lambda inputs, days: (
            transforms.retention_cohorts(
                inputs["user_daily"],
                inputs["user_day_grid"],
                first_day=days.first,
                last_day=days.last,
                published=set(inputs.published["user_daily"]) & set(inputs.published["user_day_grid"]),
            ),
        ),
        sized_by="user_day_grid",
        bucket_by=None,
    )


def _user_features(settings: Settings) -> Step:
    product = for_features(settings.declaration)
    needed = FeatureInputs(product)
    window = Window(back=needed.back)
    reads = {"user_day_grid": window, "user_daily": Window(back=needed.longest)}
    selects = {
        "user_day_grid": Selection(columns=("user_id", "as_of_date")),
        "attributes": Selection(columns=needed.grid, of="user_day_grid", window=SAME_DAY),
        "user_daily": Selection(columns=needed.since, only="is_active", window=Window(back=needed.lookback)),
        "windowed": Selection(columns=needed.windowed, only="is_active", of="user_daily", window=window),
    }
    if needed.rhythm:
        far = Window(back=needed.history)
        selects["history"] = Selection(columns=needed.rhythm, only="is_active", of="user_daily", window=far)
    if needed.events:
        reads["clean_events"] = Window(back=window.back, ahead=settings.lateness_days)
        selects["clean_events"] = Selection(columns=needed.events)
    return Step(
        name="user_features",
        description="What a model may know of each user at the end of each day, from trailing windows alone.",
        group="learning",
        outputs=("user_features", "feature_catalogue"),
        reads=reads,
        selects=selects,
        compute=lambda inputs, days: (
            transforms.user_features(
                inputs["attributes"],
                presence=inputs["user_day_grid"],
                month=inputs["windowed"],
                lookback=inputs["user_daily"],
                history=inputs["history"] if needed.rhythm else None,
                clean_events=inputs["clean_events"] if needed.events else None,
                first_day=days.first,
                last_day=days.last,
                published=inputs.published["user_daily"],
                product=product,
            ),
            transforms.feature_catalogue(first_day=days.first, last_day=days.last, product=product),
        ),
        sized_by="user_day_grid",
        bucket_by="user_id",
        # Of the days before, two columns of the grid and the active rows are read: not much beside the columns made.
        beyond=1 / 8,
        # Words too: the catalogue stores them.
        definitions={
            "user_features": {column.name: with_measures(column, product) for column in product.feature_columns},
            "feature_catalogue": {"feature": tuple((column, column.sees) for column in product.feature_columns)},
        },
        # Each key bucket of a day repeats its definitions.
        combine={"feature_catalogue": lambda parts: stacked(parts).drop_duplicates(["as_of_date", "feature"])},
    )


def _with_functions(product: Product) -> dict[str, tuple[Any, ...]]:
    """The measures, each with the function that computes it, where it has one."""
    return {name: (measure, product.functions.get(measure.python or "")) for name, measure in product.daily.items()}


def _declared(entries: Iterable[Attribute]) -> dict[str, Attribute]:
    return {entry.name: entry for entry in entries}


def _filled(entries: Iterable[Attribute]) -> dict[str, tuple[Attribute, ...]]:
    """Attributes that the grid itself fills: what a missing one is, conditions on those above it may say."""
    above: tuple[Attribute, ...] = ()
    found = {}
    for entry in entries:
        found[entry.name] = (entry, *above) if entry.missing_if else (entry,)
        above = (*above, entry)
    return found
