"""The oracle of products, worked by hand: what it says must be right before anything is held against it. The arithmetic is shown."""

from __future__ import annotations

from typing import Any

import pytest

import oracle_product as oracle
from churn_assets.product import Feature, Measure
from oracle_product import Row
from player_worlds import FIVE, event, product, world
from random_events import day


def measured(said: dict[str, Any], *events: Row, **known: Any) -> Any:
    """One measure of user 1 on 5 January, whose signup was on the 1st."""
    made = world(product(Measure(name="m", **said)), events, **known)
    return made.daily([day(FIVE)])[1, day(FIVE)]["m"]


def seen(feature: dict[str, Any], measure: dict[str, Any], *events: Row, at: int = 10, **of_world: Any) -> Any:
    """One feature of a measure `m`, for user 1 on 10 January."""
    made = world(product(Measure(name="m", **measure), Feature(name="f", **feature)), events, **of_world)
    daily = made.daily(made.published)
    return oracle.user_features(made.product, 1, day(at), daily, made.events)["f"]


# --- which events a measure looks at ---

COUNTED = [event(device="ios"), event(device="web"), event(device=None), event(kind="skip", device="ios", offline=True)]


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ({}, 4),
        ({"event": "play"}, 3),
        ({"event": ["play", "skip"]}, 4),
        ({"where": {"device": "ios"}}, 2),
        ({"where": {"device": ["ios", "web"]}}, 3),
        ({"where": {"device": {"not": "ios"}}}, 2),  # web, and the null
        ({"where": {"device": {"not": ["ios", "web"]}}}, 1),  # the null
        ({"where": {"offline": {"not": True}}}, 3),  # three nulls
        ({"where": {"offline": False}}, 0),  # null is not false
        ({"event": "play", "where": {"device": "ios", "offline": {"not": True}}}, 1),
        ({"where": {"plan": "pro"}}, 4),  # of the grid row
        ({"where": {"plan": "free"}}, 0),
        ({"where": {"seats": {"not": 5}}}, 4),  # seats is null
        ({"value": "device"}, 3),  # those that have one
        ({"value": "device", "where": {"device": {"not": "ios"}}}, 1),
    ],
)
def test_events_and_conditions_choose(said: dict[str, Any], count: int) -> None:
    assert measured({"agg": "count", **said}, *COUNTED) == count


def test_only_the_users_own_events_of_the_day_count() -> None:
    others = [event("23:59:59.999999", number=4), event("00:00:00", number=6), event() | {"user_id": 2}]
    assert measured({}, event("00:00:00"), event("23:59:59.999999"), *others) == 2


# --- one value out of many ---

PLAYED = [
    event("12:00:00", seconds=0.5, tracks=3),
    event("11:00:00", seconds=2.0),
    event("13:00:00"),
    event("10:00:00"),
]


@pytest.mark.parametrize(
    ("agg", "value", "expected"),
    [
        ("sum", "seconds", 2.5),
        ("sum", "tracks", 3),
        ("mean", "seconds", 1.25),  # 2.5 / 2: the two nulls have no say
        ("min", "seconds", 0.5),
        ("max", "seconds", 2.0),
        ("first", "seconds", 2.0),  # at 11:00; 10:00 has none
        ("last", "seconds", 0.5),  # at 12:00; 13:00 has none
        ("count", "seconds", 2),
    ],
)
def test_values_that_are_null_have_no_say(agg: str, value: str, expected: float) -> None:
    assert measured({"agg": agg, "value": value}, *PLAYED) == expected


def test_a_sum_adds_in_order_of_time() -> None:
    """(0.1 + 0.2) + 0.3 = 0.6000000000000001, and 0.3 + 0.2 first would make 0.6."""
    late, early, noon = event("20:00:00", seconds=0.3), event("08:00:00", seconds=0.1), event(seconds=0.2)
    assert measured({"agg": "sum", "value": "seconds"}, late, early, noon) == 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1


def test_ties_in_time_are_broken_by_the_event_id() -> None:
    tied = [event(device="b"), event(device="a"), event(device="c")]
    assert measured({"agg": "first", "value": "device"}, *tied) == "b"
    assert measured({"agg": "last", "value": "device"}, *tied) == "c"


def test_different_values_are_counted_once_and_null_never() -> None:
    devices = [event(device=device) for device in ("a", "b", "a", None, "A")]
    assert measured({"agg": "distinct", "value": "device"}, *devices) == 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        *(({"agg": agg}, 0) for agg in ("count", "sessions")),
        ({"agg": "any"}, False),
        ({"agg": "distinct", "value": "device"}, 0),
        ({"agg": "sum", "value": "seconds"}, 0),
        ({"agg": "sum", "value": "seconds", "empty": "null"}, None),
        *(({"agg": agg, "value": "seconds"}, None) for agg in ("mean", "min", "max", "first", "last")),
    ],
)
@pytest.mark.parametrize("events", [[], [event(kind="skip")], [event() | {"event_type": "skip", "seconds": 1.0}]])
def test_a_day_without_such_an_event_is_what_empty_says(said: dict[str, Any], expected: Any, events: list[Row]) -> None:
    found = measured({"event": "play", **said}, *events)
    assert found == expected and (found is None) == (expected is None)


def test_a_play_without_a_value_adds_nothing_and_is_no_value() -> None:
    assert measured({"agg": "sum", "value": "seconds"}, event()) == 0
    assert measured({"agg": "sum", "value": "seconds", "empty": "null"}, event()) is None


def test_any_is_true_from_one_event_on() -> None:
    assert measured({"agg": "any", "event": "skip"}, *COUNTED) is True


# --- sessions ---


@pytest.mark.parametrize(
    ("times", "sessions"),
    [
        (["12:00:00"], 1),
        (["12:00:00", "12:30:00"], 1),  # exactly the gap
        (["12:00:00", "12:30:00.000001"], 2),
        (["12:30:01", "12:00:00"], 2),
        (["12:00:00", "12:20:00", "12:40:00", "13:00:00"], 1),
        (["12:00:00", "12:00:00"], 1),
    ],
)
def test_a_longer_gap_begins_a_session(times: list[str], sessions: int) -> None:
    assert measured({"agg": "sessions", "gap_minutes": 30}, *(event(time) for time in times)) == sessions


def test_events_that_do_not_pass_neither_begin_nor_bridge_a_session() -> None:
    """Plays at 12:00 and 12:50; the skip at 12:25 between them is no play."""
    events = [event("12:00:00"), event("12:25:00", "skip"), event("12:50:00")]
    assert measured({"agg": "sessions", "event": "play"}, *events) == 2
    assert measured({"agg": "sessions"}, *events) == 1


@pytest.mark.parametrize(
    ("evening", "sessions_across", "sessions_within"),
    [("23:45:00", 0, 1), ("23:35:00", 0, 1), ("23:34:59", 1, 1), ("20:00:00", 1, 1)],
)
def test_across_midnight_a_session_counts_on_the_day_it_begins(
    evening: str, sessions_across: int, sessions_within: int
) -> None:
    """The day's only event is at 00:05, 30 minutes after 23:35."""
    events = [event("12:00:00", number=4), event(evening, number=4), event("00:05:00")]
    assert measured({"agg": "sessions", "across_midnight": True}, *events) == sessions_across
    assert measured({"agg": "sessions"}, *events) == sessions_within


def test_across_midnight_a_quiet_day_has_no_session() -> None:
    assert measured({"agg": "sessions", "across_midnight": True}, event("23:59:00", number=4)) == 0


# --- features: which days a window holds ---


@pytest.mark.parametrize(
    ("signup", "missing", "observed"), [(1, [], 4), (8, [], 3), (1, [9], 3), (8, [9, 8], 1), (1, [6], 4)]
)
def test_observed_are_the_published_days_on_which_the_user_has_a_row(
    signup: int, missing: list[int], observed: int
) -> None:
    """The last 4 days of 10 January are the 7th to the 10th."""
    assert seen({"agg": "observed", "windows": [4]}, {}, signup=signup, missing=missing) == observed


@pytest.mark.parametrize(("number", "total"), [(10, 2.5), (7, 2.5), (6, 0), (11, 0)])
def test_a_window_ends_with_the_day_and_includes_it(number: int, total: float) -> None:
    assert (
        seen({"of": "m", "windows": [4]}, {"agg": "sum", "value": "seconds"}, event(number=number, seconds=2.5))
        == total
    )


SECONDS = {"agg": "sum", "value": "seconds"}
WEEK = [
    event(number=10, seconds=0.1),
    event(number=9, seconds=0.2),
    event(number=8, seconds=0.3),
    event(number=5, kind="skip"),
]


def test_sums_add_from_the_newest_day_back() -> None:
    assert seen({"of": "m", "windows": [5]}, SECONDS, *WEEK) == 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1


def test_days_are_those_above_0() -> None:
    assert seen({"of": "m", "agg": "days", "windows": [9]}, SECONDS, *WEEK) == 3
    assert seen({"of": "m", "agg": "days", "windows": [9]}, {"agg": "any", "event": "skip"}, *WEEK) == 1
    below = [event(number=9, seconds=-1.0), event(number=8, seconds=0.0)]
    assert seen({"of": "m", "agg": "days", "windows": [9]}, {"agg": "mean", "value": "seconds"}, *below) == 0


def test_a_sum_of_nulls_is_null_and_a_null_day_adds_nothing() -> None:
    nullable = {**SECONDS, "empty": "null"}
    assert seen({"of": "m", "windows": [2]}, nullable, event(number=5, seconds=1.0)) is None
    assert seen({"of": "m", "windows": [7]}, nullable, event(number=5, seconds=1.0)) == 1.0


def test_a_daily_mean_is_over_the_days_observed() -> None:
    """Plays 1 + 1 + 1 over the 7 days from the 4th to the 10th; with the 6th missing over 6."""
    plays = {"event": "play"}
    assert seen({"of": "m", "agg": "mean", "windows": [7]}, plays, *WEEK) == 3 / 7
    assert seen({"of": "m", "agg": "mean", "windows": [7]}, plays, *WEEK, missing=[6]) == 3 / 6


SCORES = [event(number=10, seconds=90.0), event(number=9, seconds=30.0), event(number=9, seconds=60.0), event(number=8)]


def test_a_mean_of_means_weighs_each_value_alike() -> None:
    """(90 + 30 + 60) / 3, from its parts 90 + 90 and 1 + 2; the 8th has an event but no value."""
    assert seen({"of": "m", "agg": "mean", "windows": [7]}, {"agg": "mean", "value": "seconds"}, *SCORES) == 60
    assert seen({"of": "m", "agg": "mean", "windows": [1]}, {"agg": "mean", "value": "seconds"}, at=7) is None


def test_a_weighed_mean_weighs_days_by_their_count() -> None:
    """90 x 1 and 45 x 2: 180 / 3. The 8th has neither a mean nor a count."""
    mean = Measure(name="m", agg="mean", value="seconds", weight="w")
    declared = product(
        Measure(name="w", agg="count", value="seconds"), mean, Feature(name="f", of="m", agg="mean", windows=(7,))
    )
    made = world(declared, SCORES)
    assert oracle.user_features(declared, 1, day(10), made.daily(made.published), made.events)["f"] == 60


def test_least_and_greatest_are_of_the_days() -> None:
    """Sums of 0.1, 0.2 and 0.3 on three days, and 0 on the 7th."""
    assert seen({"of": "m", "agg": "max", "windows": [3]}, SECONDS, *WEEK) == 0.3
    assert seen({"of": "m", "agg": "min", "windows": [3]}, SECONDS, *WEEK) == 0.1
    assert seen({"of": "m", "agg": "min", "windows": [4]}, SECONDS, *WEEK) == 0
    assert seen({"of": "m", "agg": "min", "windows": [4]}, {"agg": "min", "value": "seconds"}, *WEEK) == 0.1
    assert seen({"of": "m", "agg": "max", "windows": [4]}, {"agg": "max", "value": "seconds"}, at=4) is None


def test_last_is_of_the_latest_day_that_has_one() -> None:
    devices = [event("11:00:00", number=8, device="a"), event("12:00:00", number=8, device="b"), event(number=9)]
    last_device = {"agg": "last", "value": "device"}
    assert seen({"of": "m", "agg": "last", "windows": [3]}, last_device, *devices) == "b"
    assert seen({"of": "m", "agg": "last", "windows": [3]}, last_device, *devices, missing=[8]) is None
    assert seen({"of": "m", "agg": "last", "windows": [2]}, last_device, *devices) is None
    assert seen({"of": "m", "agg": "last", "windows": [3]}, {"event": "play"}, *devices) == 0, "the day itself has none"


def test_distinct_is_over_the_window_and_not_the_sum_of_its_days() -> None:
    devices = [event(number=n, device=d) for n, d in ((10, "a"), (9, "a"), (9, "b"), (8, None), (3, "c"))]
    devices.append(event(kind="skip", number=9, device="skipped"))
    of_plays = {"agg": "distinct", "value": "device", "event": "play"}
    assert seen({"of": "m", "agg": "distinct", "windows": [7]}, of_plays, *devices) == 2
    assert seen({"of": "m", "agg": "sum", "windows": [7]}, of_plays, *devices) == 3
    assert seen({"of": "m", "agg": "distinct", "windows": [7]}, of_plays, *devices, missing=[9]) == 1


def test_a_ratio_is_of_sums_and_null_over_nothing() -> None:
    """0.1 + 0.2 + 0.3 seconds over 3 plays; no play in the last day of the 7th."""
    plays = Measure(name="plays", event="play")
    seconds = Measure(name="seconds", **SECONDS)
    declared = product(plays, seconds, Feature(name="f", ratio=(("seconds",), ("plays",)), windows=(7,)))
    made = world(declared, WEEK)
    daily = made.daily(made.published)
    assert oracle.user_features(declared, 1, day(10), daily, made.events)["f"] == pytest.approx(0.2)
    assert oracle.user_features(declared, 1, day(7), daily, made.events)["f"] is None


def test_a_trend_divides_daily_means() -> None:
    """Plays on the 8th, 9th and 10th: (2 / 2) / (3 / 9); the first 9 days are the 2nd to the 10th."""
    assert seen({"trend": "m", "windows": [2, 9]}, {"event": "play"}, *WEEK) == pytest.approx(3)
    assert seen({"trend": "m", "windows": [2, 9]}, {"event": "play"}, *WEEK, at=12) == pytest.approx(0)
    assert seen({"trend": "m", "windows": [2, 9]}, {"event": "play"}, *WEEK, at=7) is None


@pytest.mark.parametrize(("at", "days"), [(10, 0), (11, 1), (13, 3), (14, None), (7, None)])
def test_since_counts_back_to_the_last_day_above_0(at: int, days: int | None) -> None:
    """Within 4 days: 0 to 3."""
    assert seen({"since": "m", "within": 4}, SECONDS, *WEEK, at=at) == days


def test_since_does_not_see_days_that_are_missing() -> None:
    assert seen({"since": "m", "within": 9}, SECONDS, *WEEK, at=11, missing=[10]) == 2


@pytest.mark.parametrize(("active", "segment"), [(0, "inactive"), (1, "infrequent"), (6, "infrequent"), (7, "casual"),
    (14, "regular"), (20, "regular"), (21, "core"), (28, "core")])  # fmt: skip
def test_segments_are_by_active_days_of_28(active: int, segment: str) -> None:
    """On the 31st: days 4 to 31. The 3rd is the 29th day back."""
    made = world(product(), [event(number=3), *(event(number=31 - n) for n in range(active))])
    features = oracle.user_features(made.product, 1, day(31), made.daily(made.published), made.events)
    assert features["activity_segment"] == segment
    assert (features["day_of_week"], features["is_weekend"], features["days_since_signup"]) == (6, True, 30)
    assert (features["plan"], features["seats"]) == ("pro", None)


# --- the grid ---


def test_attributes_are_those_of_the_last_version_landed_by_the_day() -> None:
    declared = product()
    versions = [
        {"user_id": 1, "signup_date": day(3), "landing_date": day(4), "plan": "free", "seats": 1},
        {"user_id": 1, "signup_date": day(9), "landing_date": day(6), "plan": "pro", "seats": None},
    ]
    plans = [oracle.user_day_grid(declared, versions, day(n), 2).get(1, {}).get("plan") for n in range(2, 8)]
    assert plans == [None, "free", "free", "free", "pro", "pro"], "from signup, as it landed within 2 days of it"
    late = [{**versions[0], "landing_date": day(6)}]
    assert [n for n in range(1, 8) if oracle.user_day_grid(declared, late, day(n), 2)] == [6, 7], "6 - 3 > 2"
