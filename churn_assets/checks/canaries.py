"""Leakage canaries of user_features, blocking: it is computed again for some users and days, with what it must not see made up.

The published rows must be those computed from these users' days up to as_of_date alone, and stay the same when users and
days are added that never were. What is under test is the transform; the sample says which of its results were tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.calendar import DayRange, Window
from churn_assets.checks.verdict import Check, Stored, Verdict
from churn_assets.contracts import Contract, Kind
from churn_assets.product import Product
from churn_assets.settings import Settings
from churn_assets.transforms import user_features
from churn_assets.transforms.feature_inputs import FeatureInputs
from churn_assets.warehouse import read_days
from churn_assets.warehouse.frames import stacked
from churn_assets.warehouse.reading import Bucket

SAMPLED_DAYS = 3
"""Of the days judged at once: the first, the last, and evenly between."""
SAMPLED_USERS = 200
AHEAD_DAYS = 7
"""Days after as_of_date that are made up."""
SEED = 1
MADE_UP: Mapping[Kind, Any] = {
    Kind.INTEGER: 977,
    Kind.NUMBER: 97.7,
    Kind.FLAG: True,
    Kind.LABEL: "made up",
    Kind.TEXT: "made up",
}


def feature_sources(product: Product) -> Mapping[str, tuple[str, ...]]:
    """What features may be made from. Labels are not among them, nor what the source sends beside the declaration (`extra`)."""
    needed = FeatureInputs(product)
    daily = tuple(dict.fromkeys((*needed.since, *needed.rhythm, *needed.windowed)))
    events = {"clean_events": needed.events} if needed.events else {}
    return {"user_day_grid": needed.grid, "user_daily": daily, **events}


def canaries(settings: Settings) -> list[Check]:
    sources = tuple(feature_sources(settings.declaration))
    return [
        Check(
            table="user_features",
            name="blind_to_the_future",
            description=f"Computed again for sampled users and days without any later day, and with {AHEAD_DAYS} later days "
            "made up, features are those published.",
            blocking=True,
            judge=_blind_to_the_future,
            reads=sources,
        ),
        Check(
            table="user_features",
            name="blind_to_others",
            description="Computed again for sampled users and days without any other user, and with others made up, "
            "features are those published.",
            blocking=True,
            judge=_blind_to_others,
            reads=sources,
        ),
        Check(
            table="user_features",
            name="no_outcome",
            description=f"Its columns are the declared features, made from {', '.join(sources)} alone; none is a label.",
            blocking=True,
            judge=_no_outcome,
        ),
    ]


@dataclass(frozen=True)
class _World:
    """What some users' features of one day are computed from."""

    day: date
    frames: Mapping[str, pd.DataFrame]
    published: tuple[date, ...]
    product: Product

    def features(self, contract: Contract) -> pd.DataFrame:
        grid, active = self.frames["user_day_grid"], self.frames["user_daily"]
        made = user_features(
            grid[grid["as_of_date"] == pd.Timestamp(self.day)],
            presence=grid,
            month=active,
            lookback=active,
            history=active,
            clean_events=self.frames.get("clean_events"),
            first_day=self.day,
            last_day=self.day,
            published=self.published,
            product=self.product,
        )
        return contract.typed(made).sort_values("user_id", ignore_index=True)

    def with_rows(self, more: Mapping[str, pd.DataFrame], published: tuple[date, ...] = ()) -> _World:
        """The same with more rows, among the others: the order of rows says nothing."""
        frames = {
            table: stacked([frame, more[table]]).sample(frac=1, random_state=SEED, ignore_index=True)
            for table, frame in self.frames.items()
        }
        return replace(self, frames=frames, published=self.published + published)


def _blind_to_the_future(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    def with_a_future(world: _World) -> _World:
        later = tuple(world.day + timedelta(days=n + 1) for n in range(AHEAD_DAYS))
        users = world.frames["user_day_grid"]["user_id"].unique()
        return world.with_rows(_made_up(stored, users, later), later)

    return _same_as_published(stored, days, with_a_future)


def _blind_to_others(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    def with_others(world: _World) -> _World:
        users = world.frames["user_day_grid"]["user_id"]
        others = users.max() + 1 + np.arange(users.nunique()) if users.dtype.kind == "i" else users.unique() + "~"
        return world.with_rows(_made_up(stored, others, world.published))

    return _same_as_published(stored, days, with_others)


def _no_outcome(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    columns = {name for (name,) in stored.connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'churn' AND table_name = 'user_features'"
    ).fetchall()}  # fmt: skip
    labels, features = stored.contracts["churn_labels"], stored.settings.declaration.feature_columns
    sources = feature_sources(stored.settings.declaration)
    known = {f"{table}.{column}" for table in sources for column in stored.contracts[table].column_names}
    declared = {feature.name for feature in features}
    figures = {
        "undeclared_columns": len(columns - declared - set(stored.contracts["user_features"].key)),
        "missing_columns": len(declared - columns),
        "label_columns": len(columns & (set(labels.column_names) - set(labels.key))),
        "features_of_other_sources": sum(not known.issuperset(feature.sources) for feature in features),
    }
    return dict.fromkeys(days, Verdict(not any(figures.values()), figures))


def _same_as_published(stored: Stored, days: DayRange, disturbed: Callable[[_World], _World]) -> Mapping[date, Verdict]:
    """One verdict for all days: what is tried on the sampled ones is the code that made them all."""
    contract = stored.contracts["user_features"]
    samples = stored.once(("samples", days), lambda: [_sample(stored, day) for day in _sampled(stored, days)])
    rows_disturbed = 0
    for sample in samples:
        with_more = disturbed(sample.world).features(contract)
        with_more = with_more[with_more["user_id"].isin(sample.published["user_id"])].reset_index(drop=True)
        rows_disturbed += _different_rows(sample.alone, with_more)
    figures = {
        "sampled_days": ", ".join(str(sample.world.day) for sample in samples),
        "rows_compared": sum(len(sample.published) for sample in samples),
        "rows_not_as_published": sum(_different_rows(sample.published, sample.alone) for sample in samples),
        "rows_disturbed": rows_disturbed,
    }
    passed = not figures["rows_not_as_published"] and not rows_disturbed
    return dict.fromkeys(days, Verdict(passed, figures))


def _sampled(stored: Stored, days: DayRange) -> Iterator[date]:
    published = stored.published("user_features")
    there = [day for day in days if day in published and published[day].rows]
    at = np.unique(np.linspace(0, len(there) - 1, SAMPLED_DAYS).round().astype(int)) if there else ()
    return (there[position] for position in at)


@dataclass(frozen=True)
class _Sample:
    """Some users' features of one day: as published, and as computed from what may have gone into them and nothing else."""

    published: pd.DataFrame
    world: _World
    alone: pd.DataFrame


def _sample(stored: Stored, day: date) -> _Sample:
    """Of about SAMPLED_USERS users."""
    contract, start = stored.contracts["user_features"], stored.settings.calendar_start
    count = -(-stored.published("user_features")[day].rows // SAMPLED_USERS)
    for number in range(count):
        bucket = Bucket("user_id", contract.column("user_id").kind, number, count) if count > 1 else None
        published = read_days(stored.connection, contract, DayRange(day, day), bucket=bucket)
        if len(published):
            break
    product = stored.settings.declaration
    needed = FeatureInputs(product)
    window = Window(back=needed.longest).of(DayRange(day, day), start)
    landed = DayRange(window.first, day + timedelta(days=stored.settings.lateness_days))
    frames = {
        table: read_days(
            *(stored.connection, stored.contracts[table], landed if table == "clean_events" else window),
            columns=columns,
            only="is_active" if table == "user_daily" else None,
            bucket=bucket,
        )
        for table, columns in feature_sources(product).items()
    }
    if (events := frames.get("clean_events")) is not None:
        frames["clean_events"] = events[events["event_date"] <= pd.Timestamp(day)]
    there = stored.published("user_daily")
    world = _World(day, frames, tuple(day for day in window if day in there), product)
    return _Sample(published.sort_values("user_id", ignore_index=True), world, world.features(contract))


def _made_up(stored: Stored, users: Any, days: tuple[date, ...]) -> dict[str, pd.DataFrame]:
    """Rows of every source for each of these users on each of these days, busy beyond all measure."""
    made = {}
    day = np.repeat(np.array(days, dtype="datetime64[us]"), len(users))
    user_id = np.tile(np.asarray(users), len(days))
    for table, names in feature_sources(stored.settings.declaration).items():
        columns = [column for column in stored.contracts[table].columns if column.name in names]
        values = {column.name: MADE_UP.get(column.kind, day) for column in columns} | {"user_id": user_id}
        frame = pd.DataFrame(values, index=range(len(day)))
        made[table] = frame.astype({column.name: column.dtype for column in columns})
    return made


def _different_rows(left: pd.DataFrame, right: pd.DataFrame) -> int:
    """Rows, in order of users, that are not the same to the last bit; null is as null."""
    if len(left) != len(right):
        return max(len(left), len(right))
    different = np.zeros(len(left), dtype=bool)
    for name in (name for name in left.columns if not left[name].equals(right[name])):
        # Not equal as a whole: other values, or the same ones under other categories.
        one, other = left[name].astype(object), right[name].astype(object)
        different |= ~((one == other) | (one.isna() & other.isna())).to_numpy(dtype=bool, na_value=False)
    return int(different.sum())
