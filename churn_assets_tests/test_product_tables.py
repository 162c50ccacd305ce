"""user_day_grid, user_daily and user_features of any product: held against the plain-Python oracle, whatever is declared."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import oracle_product as oracle
import product_frames
from churn_assets.product import Feature, Measure
from oracle_product import Row
from player_worlds import event, product, world
from random_events import LENGTH, World, day, worlds
from sizes import examples

PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
"""Without explaining, which takes minutes for declarations as large as these."""
PROPERTY = settings(
    max_examples=examples(40),
    deadline=None,
    derandomize=True,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)
EXACT = ("sum", "min", "max", "first", "last", "count", "distinct", "any", "sessions", "days", "observed", "since")
"""What is the same to the last bit: counts, chosen values, and sums, whose order is fixed."""


def by_key(rows: list[Row]) -> dict[tuple[Any, date], Row]:
    keyed = {(row["user_id"], row["as_of_date"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def near(row: Row, how: dict[str, str]) -> Row:
    """`row` to compare with: floats within 1e-9 where they come of a division, all else as it is."""
    return {
        name: pytest.approx(value, rel=1e-9, abs=1e-12)
        if isinstance(value, float) and how.get(name) not in EXACT
        else value
        for name, value in row.items()
    }


@PROPERTY
@given(worlds())
def test_the_grid_holds_attributes_as_of_each_day(world: World) -> None:
    assert by_key(product_frames.user_day_grid(world)) == by_key(world.grid(world.asked))


@PROPERTY
@given(worlds(), st.integers(-1, 3))
def test_before_they_are_known_attributes_are_missing_and_all_else_is_as_it_was(world: World, offset: int) -> None:
    since = world.asked[0] + timedelta(days=offset)
    missing = {entry.name: entry.missing for entry in world.product.attributes}
    expected = [row | missing if row["as_of_date"] < since else row for row in world.grid(world.asked)]
    assert by_key(product_frames.user_day_grid(world, since)) == by_key(expected)


@PROPERTY
@given(worlds())
def test_every_measure_of_every_user_day_is_what_the_declaration_says(world: World) -> None:
    found, expected = by_key(product_frames.user_daily(world)), world.daily(world.asked)
    assert found.keys() == expected.keys()
    how = {name: column.aggregation for name, column in world.product.daily.items()}
    for key, row in expected.items():
        assert found[key] == near(row, how)


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_a_user_day_is_the_same_alone_and_from_events_in_any_order(world: World, random: Any) -> None:
    together = by_key(product_frames.user_daily(world))
    shuffled = replace(world, events=random.sample(world.events, len(world.events)))
    assert by_key(product_frames.user_daily(shuffled)) == together
    assert by_key([row for at in world.asked for row in product_frames.user_daily(world, [at])]) == together


@PROPERTY
@given(worlds())
def test_every_feature_of_every_user_day_is_what_the_declaration_says(world: World) -> None:
    daily = world.daily(world.published)
    found = by_key(product_frames.user_features(world, daily))
    assert found.keys() == {key for key in daily if key[1] in world.asked}
    how = {column.name: column.operation for column in world.product.feature_columns}
    for (user, at), row in found.items():
        assert row == near(oracle.user_features(world.product, user, at, daily, world.events), how)


@PROPERTY
@given(worlds())
def test_features_are_the_same_from_what_their_windows_hold_and_day_by_day(world: World) -> None:
    daily = world.daily(world.published)
    together = by_key(product_frames.user_features(world, daily))
    days = [replace(world, first=number, last=number) for number in range(world.first, world.last + 1)]
    assert by_key([row for alone in days for row in product_frames.user_features(alone, daily, alone=True)]) == together


@PROPERTY
@given(worlds(), st.integers(1, LENGTH))
def test_nothing_after_a_day_changes_its_features(world: World, number: int) -> None:
    world, at = replace(world, first=number, last=number), day(number)
    daily = world.daily(world.published)
    past = replace(world, events=[event for event in world.events if event["event_date"] <= at])
    known = {key: row for key, row in daily.items() if key[1] <= at}
    assert product_frames.user_features(past, known) == product_frames.user_features(world, daily)


@PROPERTY
@given(worlds())
def test_what_the_oracle_says_keeps_the_declared_nulls_and_limits(world: World) -> None:
    """Otherwise the gate would refuse days of a product that was accepted."""
    daily = world.daily(world.published)
    for (user, at), row in daily.items():
        keeps_its_word(row, world.product.daily.values())
        if at in world.asked:
            features = oracle.user_features(world.product, user, at, daily, world.events)
            keeps_its_word(features, world.product.feature_columns)


def keeps_its_word(row: Row, columns: Any) -> None:
    for column in columns:
        value = row[column.name]
        assert value is not None or column.nullable, column
        if isinstance(value, int | float):
            assert column.minimum is None or value >= column.minimum - 1e-9, (column, value)
            assert column.maximum is None or value <= column.maximum + 1e-9, (column, value)


# --- by hand: what these tests have found ---


def assert_as_the_oracle_says(made: World) -> None:
    """Both tables of the day asked for."""
    today, daily = made.daily(made.asked), made.daily(made.published)
    assert by_key(product_frames.user_daily(made)) == today
    assert today, "the user has a row"
    features = {key: oracle.user_features(made.product, *key, daily, made.events) for key in today}
    assert by_key(product_frames.user_features(made, daily)) == features


@pytest.mark.parametrize("value", ["device", "tracks"])
@pytest.mark.parametrize("more", [{}, {"event": "play"}])
def test_null_is_none_of_the_different_values_of_a_window(value: str, more: Row) -> None:
    of_days = Feature(name="devices", of="m", agg="distinct", windows=(3,))
    declared = product(Measure(name="m", agg="distinct", value=value, **more), of_days)
    events = [event(number=10, device="a", tracks=2), event(number=9, device="b", tracks=1), event(number=9)]
    assert_as_the_oracle_says(world(declared, events, at=10))


def test_a_session_across_midnight_may_depend_on_an_attribute() -> None:
    paid = Measure(name="m", agg="sessions", across_midnight=True, where={"plan": "pro"})
    assert_as_the_oracle_says(world(product(paid), [event("23:50:00", number=4), event("00:05:00")], at=5))


def test_a_daily_mean_of_days_without_a_value_is_null() -> None:
    seconds = Measure(name="m", agg="sum", value="seconds", empty="null")
    assert_as_the_oracle_says(world(product(seconds, Feature(name="f", of="m", agg="mean", windows=(3,))), [], at=10))
