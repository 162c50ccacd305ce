"""churn_labels of each kind from what the step's windows hold, by oracle; of kind event and lapse by hand too."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from churn_assets.calendar import DayRange
from churn_assets.label_names import unknown_names
from churn_assets.label_settings import LabelSettings
from churn_assets.product import read_product
from churn_assets.settings import Settings
from frames import Row, records, same_rows, stacked
from label_worlds import DAY, END, LATENESS, START, Happening, World, day, one_user, worlds
from sizes import examples

PROPERTY = settings(max_examples=examples(80), deadline=None, derandomize=True)
KEY = ["user_id", "as_of_date"]
STARTS = LabelSettings(kind="event", event=("cancel",), starts=("subscribe",), horizon_days=3)
LAPSE = LabelSettings(kind="lapse", paid_until="paid_until", renewal_events=("renew",), horizon_days=4, grace_days=2)


# --- properties, against the oracle ---


@PROPERTY
@given(world=worlds())
def test_labels_are_what_plain_python_says(world: World) -> None:
    rows = records(world.table(1, END))
    grid = {(row["user_id"], row["as_of_date"]) for row in records(world.tables["user_day_grid"])}
    assert {(row["user_id"], row["as_of_date"]) for row in rows} == grid
    for row in rows:
        key = {name: row[name] for name in KEY}
        assert row == key | world.expected(row["user_id"], row["as_of_date"])


@pytest.mark.long
@settings(PROPERTY, max_examples=examples(40))
@given(world=worlds(), seed=st.integers(0, 9), cut=DAY)
def test_any_split_of_days_and_any_order_of_rows_give_the_same_labels(world: World, seed: int, cut: int) -> None:
    whole, shuffle = world.table(1, END), random.Random(seed)
    parts = [(1, cut), (cut + 1, END)]
    same_rows(stacked(world.table(a, b, shuffle=shuffle) for a, b in parts if a <= b), whole, KEY)
    same_rows(stacked(world.table(number, number) for number in range(1, END + 1)), whole, KEY)


@settings(PROPERTY, max_examples=examples(40))
@given(world=worlds())
def test_while_a_horizon_is_open_a_label_depends_on_no_more_than_its_input_hash_covers(world: World) -> None:
    """Of a window that has not closed, only the days up to D + late count: the others may come without a new label."""
    for number in range(1, END + 1):
        same_rows(world.table(number, number, hashed_only=True), world.table(number, number), KEY)


# --- kind event, worked by hand: horizon 3 days ---


def label(world: World, at: int) -> Row:
    (row,) = records(world.table(at, at))
    return row


def subscriber(*more: Happening, rules: LabelSettings = STARTS, **world: Any) -> World:
    """Ana, who subscribed on day 2."""
    return one_user(rules, [Happening(1, 2, "subscribe"), *more], **world)


@pytest.mark.parametrize(("cancelled", "until"), [(10, None), (11, 1), (13, 3), (14, None)])
def test_who_cancels_on_one_of_the_days_after_churns(cancelled: int, until: int | None) -> None:
    """Of day 10: days 11, 12 and 13."""
    row = label(subscriber(Happening(1, cancelled, "cancel")), 10)
    assert (row["churned_3d"], row["days_until_churn"]) == (until is not None, until)
    assert row["days_followed"] == (until or 3)


def test_of_several_cancellations_the_first_counts() -> None:
    world = subscriber(Happening(1, 13, "cancel"), Happening(1, 12, "cancel"))
    assert label(world, 10)["days_until_churn"] == 2


@pytest.mark.parametrize(
    ("later", "at_risk"),
    [
        ([], True),
        ([Happening(1, 9, "cancel")], False),
        ([Happening(1, 11, "cancel")], True),
        ([Happening(1, 8, "cancel"), Happening(1, 9, "subscribe")], True),
        ([Happening(1, 9, "cancel", late=2)], False),  # landed on day 11, and happened on day 9
        ([Happening(1, 9, "cancel", hour=8), Happening(1, 9, "subscribe", hour=9)], True),
        ([Happening(1, 9, "subscribe"), Happening(1, 9, "cancel")], False),  # at once: the higher id is the later
        ([Happening(1, 9, "cancel"), Happening(1, 9, "subscribe")], True),
    ],
)
def test_at_risk_is_whose_last_event_was_a_start(later: list[Happening], at_risk: bool) -> None:
    assert label(subscriber(*later), 10)["is_at_risk"] is at_risk


@pytest.mark.parametrize(("at", "at_risk"), [(1, False), (2, True)])
def test_before_the_first_start_nobody_is_at_risk(at: int, at_risk: bool) -> None:
    assert label(subscriber(), at)["is_at_risk"] is at_risk


def test_events_before_signup_and_before_the_calendar_do_not_exist() -> None:
    assert label(World(STARTS, {1: 4}, (Happening(1, 3, "subscribe"),)), 5)["is_at_risk"] is False
    assert label(World(STARTS, {1: -9}, (Happening(1, 0, "subscribe", late=1),)), 5)["is_at_risk"] is False


@pytest.mark.parametrize(("missing", "at_risk"), [(1, True), (2, None), (9, None), (10, None), (12, True)])
def test_a_day_that_is_not_in_leaves_open_who_is_at_risk_unless_a_later_event_decides(
    missing: int, at_risk: bool | None
) -> None:
    """Ana subscribed on day 2, which landed on day 3; day 10 asks."""
    world = one_user(STARTS, [Happening(1, 2, "subscribe", late=1)], missing=frozenset({missing}))
    assert label(world, 10)["is_at_risk"] is at_risk if missing != 10 else len(world.table(10, 10)) == 0


def test_attributes_as_of_the_day_say_who_is_at_risk() -> None:
    rules = LabelSettings.model_validate({"kind": "event", "event": "cancel", "at_risk": {"plan": "paid"}})
    world = one_user(rules, attributes={1: {1: ("free", None), 5: ("paid", None), 9: (None, None)}})
    assert [label(world, at)["is_at_risk"] for at in (4, 5, 8, 9)] == [False, True, True, False]
    rules = LabelSettings.model_validate({"kind": "event", "event": "cancel", "at_risk": {"plan": {"not": "free"}}})
    world = one_user(rules, attributes=world.attributes)
    assert [label(world, at)["is_at_risk"] for at in (4, 5, 8, 9)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("at", "missing", "reason"), [(17, (), None), (18, (), "horizon_incomplete"), (10, (12,), "missing_day")]
)
def test_an_event_is_no_label_before_the_horizon_is_wholly_in(
    at: int, missing: Iterable[int], reason: str | None
) -> None:
    row = label(subscriber(Happening(1, at + 1, "cancel"), missing=frozenset(missing)), at)
    assert (row["censor_reason"], row["churned_3d"]) == (reason, True if reason is None else None)
    partial = STARTS.model_copy(update={"partial_follow_up": True})
    row = label(subscriber(Happening(1, at + 1, "cancel"), rules=partial, missing=frozenset(missing)), at)
    assert (row["churned_3d"], row["days_until_churn"]) == (True if reason is None else None, 1)


# --- kind lapse, worked by hand: horizon 4 days, 2 days of grace ---


def payer(*renewals: tuple[int, int], rules: LabelSettings = LAPSE, **world: Any) -> World:
    """Ana, who renewed on these days through those days."""
    events = [Happening(1, on, "renew", paid_days=through - on) for on, through in renewals]
    return one_user(rules, events, **world)


@pytest.mark.parametrize(("at", "at_risk", "until"), [(5, False, None), (6, True, 4), (9, True, 1), (10, False, None)])
def test_who_has_paid_through_one_of_the_days_after_is_at_risk_and_lapses_on_it(
    at: int, at_risk: bool, until: int | None
) -> None:
    """Paid through day 10, never renewed."""
    row = label(payer((1, 10)), at)
    assert (row["is_at_risk"], row["churned_4d"], row["days_until_churn"]) == (at_risk, until is not None, until)


@pytest.mark.parametrize(
    ("renewed", "churned"),
    [
        ((9, 18), False),  # early
        ((10, 18), False),
        ((12, 18), False),  # within the grace
        ((13, 18), True),  # after the lapse: won back, and churned nevertheless
        ((9, 10), True),  # pays for nothing new
    ],
)
def test_a_renewal_counts_until_the_grace_is_over(renewed: tuple[int, int], churned: bool) -> None:
    """Paid through day 10; day 8 asks, with days 9 to 12 as its horizon."""
    assert label(payer((1, 10), renewed), 8)["churned_4d"] is churned


def test_of_overlapping_renewals_the_latest_date_known_counts() -> None:
    assert label(payer((1, 20), (2, 10)), 8)["churned_4d"] is False
    assert label(payer((1, 20), (2, 10)), 8)["is_at_risk"] is False
    assert label(payer((2, 10), (9, 20)), 8)["is_at_risk"] is True, "as known on day 8"


def test_who_was_won_back_may_lapse_again() -> None:
    """Paid through day 5; won back on day 9 through day 11."""
    world = payer((1, 5), (9, 11))
    assert [label(world, at)["churned_4d"] for at in (4, 5, 6, 7, 10, 11)] == [True, False, False, True, True, False]
    assert [label(world, at)["is_at_risk"] for at in (4, 5, 8, 9, 10, 11)] == [True, False, False, True, True, False]


def test_short_renewals_within_a_horizon_lapse_where_the_chain_ends() -> None:
    row = label(payer((1, 9), (9, 10), (10, 11)), 8)
    assert (row["churned_4d"], row["days_until_churn"]) == (True, 3)


@pytest.mark.parametrize(("last", "reason"), [(14, None), (13, "horizon_incomplete"), (9, "horizon_incomplete")])
def test_a_lapse_is_given_when_the_grace_of_the_last_day_is_over(last: int, reason: str | None) -> None:
    """Of day 8: the horizon ends on day 12, its grace on day 14."""
    assert label(payer((1, 9), last=last), 8)["censor_reason"] == reason


def test_of_whom_a_renewal_may_have_been_missed_there_is_no_label() -> None:
    row = label(payer((1, 10), missing=frozenset({5})), 8)
    assert (row["is_at_risk"], row["churned_4d"], row["censor_reason"]) == (None, None, "missing_day")
    assert label(payer((1, 10), (6, 11), missing=frozenset({5})), 8)["churned_4d"] is True


def test_the_paid_through_day_is_a_day_of_the_business_calendar() -> None:
    """23:00 UTC of day 9 is day 10 in Berlin."""
    world = one_user(LAPSE, [Happening(1, 1, "renew", hour=23, paid_days=8)])
    assert label(world, 8)["days_until_churn"] == 2


def test_an_attribute_may_say_through_when_a_user_has_paid() -> None:
    """Paid through day 10; from day 12 on through day 16, from day 14 on refunded: no more since day 3."""
    rules = LabelSettings(kind="lapse", paid_until="renews_on", horizon_days=4, grace_days=2)
    world = one_user(rules, attributes={1: {1: (None, 10), 12: (None, 16), 14: (None, 3)}})
    assert [label(world, at)["churned_4d"] for at in (8, 9, 10, 13)] == [False, False, True, True]
    assert label(world, 12)["days_until_churn"] == 2, "the day the refund is known"


# --- settings ---

PRODUCT = read_product(
    more={
        "attributes": [{"name": "renews_on", "type": "date"}],
        "properties": [{"name": "paid_until", "type": "time"}],
        "event_types": [{"name": "renewal", "keeps": ["paid_until"]}, {"name": "cancelled"}],
    }
)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kind": "event"}, "kind 'event' needs event"),
        ({"kind": "event", "event": "x"}, "at_risk and starts: neither says who is at risk"),
        ({"kind": "event", "event": "x", "starts": "y", "at_risk": {"a": 1}}, "both say who is at risk; give one"),
        ({"kind": "event", "event": "x", "starts": ["y", "x"]}, "'x' is named by event and by starts"),
        ({"event": "x"}, "event is for kind = 'event', and kind is 'silence'"),
        (
            {"kind": "lapse", "paid_until": "p", "activity": ["a"]},
            "activity is for kind = 'silence', and kind is 'lapse'",
        ),
        ({"kind": "lapse"}, "kind 'lapse' needs paid_until"),
        ({"kind": "gone"}, "'silence', 'event' or 'lapse'"),
        ({"silence_days": 31}, "silence_days 31 is above horizon_days 30"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        LabelSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"event": "canceled", "starts": "renewal"}, "event names 'canceled', which is no event type (did you mean 'cancelled'?)"),
        ({"event": "cancelled", "at_risk": {"plam": "paid"}}, "a condition on 'plam', which is no attribute (did you mean 'plan'?)"),
        ({"event": "cancelled", "at_risk": {"is_paid": "yes"}}, "compares 'is_paid' of type flag with a value of another type"),
        ({"event": "cancelled", "at_risk": {"renews_on": "2026-01-01"}}, "compares 'renews_on' of type date"),
        ({"paid_until": "paid_until"}, "'paid_until', which is no attribute of type date"),
        ({"paid_until": "renews_on", "renewal_events": "renewal"}, "'renews_on', which is no property of type time"),
        ({"paid_until": "paid_until", "renewal_events": "login"}, "'login', which does not keep 'paid_until'; add it to keeps"),
    ],
)  # fmt: skip
def test_names_the_product_does_not_have_are_refused_with_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    rules = LabelSettings.model_validate({"kind": "lapse" if "paid_until" in wrong else "event", **wrong})
    (fault,) = unknown_names(rules, PRODUCT)
    assert sentence in fault


@pytest.mark.parametrize(
    "right",
    [
        {"kind": "event", "event": "cancelled", "starts": ["renewal", "comment"]},
        {"kind": "event", "event": ["cancelled"], "at_risk": {"is_paid": True, "plan": {"not": ["free"]}}},
        {"kind": "lapse", "paid_until": "renews_on"},
        {"kind": "lapse", "paid_until": "paid_until", "renewal_events": "renewal", "grace_days": 0},
    ],
)
def test_what_the_product_has_is_accepted(right: dict[str, Any]) -> None:
    assert list(unknown_names(LabelSettings.model_validate(right), PRODUCT, ["comment"])) == []


def test_the_embargo_covers_the_grace_too() -> None:
    lapse = {"kind": "lapse", "paid_until": "renews_on", "horizon_days": 30, "grace_days": 5}
    assert Settings(labels=lapse).embargo_days == 35  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"34 is below labels.horizon_days \+ labels.grace_days = 35"):
        Settings(labels=lapse, training={"embargo_days": 34})  # type: ignore[arg-type]


def test_a_label_reads_no_further_than_it_looks() -> None:
    """Event: from the calendar's start, if an earlier event says who is at risk, and late events of the horizon's last day."""
    reads = one_user(STARTS).step.reads["clean_events"]
    assert (reads.back, reads.ahead, reads.late, reads.closes) == (None, 3 + LATENESS, LATENESS, True)
    of_plan = LabelSettings.model_validate({"kind": "event", "event": "cancel", "at_risk": {"plan": "paid"}})
    assert one_user(of_plan).step.reads["clean_events"].back == 0
    assert one_user(LAPSE).step.reads["clean_events"].ahead == 4 + 2 + LATENESS
    of_attribute = LabelSettings(kind="lapse", paid_until="renews_on", horizon_days=4, grace_days=2)
    assert one_user(of_attribute).step.reads["user_day_grid"].of(DayRange(START, START), START).last == day(7)
