"""churn_labels: the horizon, who is at risk, what censors a label; by hand and by oracle."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import oracles_labels
from churn_assets.calendar import DayRange
from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError
from churn_assets.label_settings import LabelSettings, Outage
from churn_assets.settings import Settings
from churn_assets.transforms import churn_labels
from churn_assets.warehouse.gate import admit
from frames import Row, records, same_rows, stacked
from sizes import examples

PROPERTY = settings(max_examples=examples(60), deadline=None, derandomize=True)
START = date(2026, 1, 1)
END = 20
"""The calendar's days are 1..20."""
SHORT = LabelSettings(horizon_days=3, at_risk_days=4)
KEY = ["user_id", "as_of_date"]


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


class World:
    """Users by signup day, the days they are active (and with which course), and the days that are not in."""

    def __init__(
        self,
        signups: dict[Any, int],
        active: Iterable[tuple[Any, int, str | None]],
        rules: LabelSettings = SHORT,
        *,
        missing: Iterable[int] = (),
        last: int = END,
    ) -> None:
        self.rules, self.signups = rules, signups
        self.published = [day(number) for number in range(1, last + 1) if number not in set(missing)]
        self.grid = [(user, at, day(since)) for user, since in signups.items() for at in self.published if at >= day(since)]  # fmt: skip
        there = {(user, at) for user, at, _ in self.grid}
        events = {(user, day(number), course) for user, number, course in active}
        self.events = sorted((user, at, course) for user, at, course in events if course)
        self.active = sorted({(user, at) for user, at, _ in events} & there)

    def table(
        self, first: int, last: int, *, alone: bool = False, shuffle: random.Random | None = None
    ) -> pd.DataFrame:
        """The labels of the days. `alone`: from what these days' windows hold, and not all there is."""
        rules, back = self.rules, self.rules.part_lookback_days
        around = DayRange(day(first - rules.at_risk_days + 1), day(last + rules.horizon_days))
        courses = DayRange(date.min if back is None else day(first - back), day(last))
        grid = [row for row in self.grid if day(first) <= row[1] <= day(last)]
        active = [row for row in self.active if not alone or row[1] in around]
        events = [row for row in self.events if not alone or row[1] in courses]
        if shuffle:
            grid, active, events = (shuffle.sample(rows, len(rows)) for rows in (grid, active, events))
        made = churn_labels(
            user_rows(grid, ["user_id", "as_of_date", "signup_date"]),
            user_rows(active, ["user_id", "as_of_date"]),
            {name: user_rows(events, ["user_id", "event_date", name]) for name in rules.outage_parts},
            first_day=day(first),
            last_day=day(last),
            published=[at for at in self.published if not alone or at in around],
            calendar_start=START,
            rules=rules,
        )
        contract = contracts(Settings(labels=rules))["churn_labels"]
        typed = contract.typed(made)
        admit(contract, typed, DayRange(day(first), day(last)))
        return typed

    def expected(self, user: Any, at: date) -> Row:
        active = [on for who, on in self.active if who == user]
        parts = [(on, "course_id", course) for who, on, course in self.events if who == user]
        person = oracles_labels.Person(at, day(self.signups[user]), self.published, START, self.rules, parts)
        return oracles_labels.silence(person, active)


def user_rows(rows: list[Any], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame; ids are integers."""
    values = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(columns, ())
    dtypes = {"user_id": "int64", "course_id": "category"}
    return pd.DataFrame(
        {name: pd.Series(list(values[name]), dtype=dtypes.get(name, "datetime64[us]")) for name in columns}
    )


# --- properties, against the oracle ---

DAY = st.integers(1, END)
COURSE = st.sampled_from([None, "a", "b"])


def outage_of(first: int, last: int | None = None, course: str | None = None) -> Outage:
    return Outage(
        first=day(first), last=None if last is None else day(last), **({"course_id": course} if course else {})
    )


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    first = draw(st.integers(-3, END + 5))
    last = draw(st.none() | st.integers(first, END + 8))
    return outage_of(first, last, draw(COURSE))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    signups = draw(st.dictionaries(st.integers(1, 4) | st.just(2**62), st.integers(-9, END), max_size=4))
    active = draw(st.lists(st.tuples(st.sampled_from(sorted(signups) or [1]), DAY, COURSE), max_size=25))
    horizon = draw(st.integers(1, 6))
    rules = LabelSettings(
        horizon_days=horizon,
        at_risk_days=draw(st.integers(1, 6)),
        silence_days=draw(st.none() | st.integers(1, horizon)),
        partial_follow_up=draw(st.booleans()),
        outages=draw(st.lists(outages(), max_size=2)),
    )
    return World(signups, active, rules, missing=draw(st.sets(DAY, max_size=4)), last=draw(st.integers(1, END)))


@PROPERTY
@given(world=worlds())
def test_labels_are_what_plain_python_says(world: World) -> None:
    rows = records(world.table(1, END))
    assert {(row["user_id"], row["as_of_date"]) for row in rows} == {(user, at) for user, at, _ in world.grid}
    for row in rows:
        assert row == {"user_id": row["user_id"], "as_of_date": row["as_of_date"]} | world.expected(
            row["user_id"], row["as_of_date"]
        )


@settings(PROPERTY, max_examples=examples(25))
@given(world=worlds(), seed=st.integers(0, 9), cut=DAY)
def test_labels_do_not_depend_on_what_else_is_loaded_nor_on_its_order(world: World, seed: int, cut: int) -> None:
    whole = world.table(1, END)
    parts = [world.table(first, last, alone=True, shuffle=random.Random(seed)) for first, last in ((1, cut), (cut + 1, END)) if first <= last]  # fmt: skip
    same_rows(stacked(parts), whole, KEY)
    alone = [world.table(number, number, alone=True) for number in range(1, END + 1)]
    same_rows(stacked(alone), whole, KEY)


# --- worked by hand: horizon 3 days, at risk 4 days ---


def label(active: Iterable[int], at: int, rules: LabelSettings = SHORT, *, signup: int = 1, **world: Any) -> Row:
    """Ana's label on one day; she is active with course a."""
    return records(World({7: signup}, [(7, number, "a") for number in active], rules, **world).table(at, at))[0]


@pytest.mark.parametrize(
    ("active", "future"),
    [([10], 0), ([10, 11], 1), ([10, 13], 1), ([10, 14], 0), ([11, 12, 13], 3)],
)
def test_the_horizon_is_the_days_after(active: list[int], future: int) -> None:
    """Of day 10: days 11, 12 and 13, the day itself not."""
    row = label(active, 10)
    assert (row["future_active_days"], row["churned_3d"], row["censor_reason"]) == (future, future == 0, None)


@pytest.mark.parametrize(("active", "at_risk"), [(10, True), (7, True), (6, False), (11, False)])
def test_who_was_active_within_the_window_is_at_risk(active: int, at_risk: bool) -> None:
    """Of day 10: days 7 to 10, the day itself included."""
    assert label([active], 10)["is_at_risk"] is at_risk


@pytest.mark.parametrize(
    ("at", "missing", "reason"),
    [
        (17, [], None),
        (18, [], "horizon_incomplete"),
        (20, [], "horizon_incomplete"),
        (10, [11], "missing_day"),
        (10, [12], "missing_day"),
        (10, [14], None),
        (17, [20], "horizon_incomplete"),
        (17, [19, 20], "horizon_incomplete"),
        (17, [18, 20], "missing_day"),
        (10, [11, 12, 13], "horizon_incomplete"),
    ],
)
def test_a_label_whose_horizon_is_not_wholly_in_is_censored(at: int, missing: list[int], reason: str | None) -> None:
    """Also hers who is active on each day that is in: what can be seen of a horizon decides nothing."""
    for active in ([], range(1, END + 1)):
        row = label(active, at, missing=missing)
        assert row["censor_reason"] == reason
        assert (row["churned_3d"] is None) == (row["future_active_days"] is None) == (reason is not None)


@pytest.mark.parametrize(
    ("active", "missing", "signup", "at_risk"),
    [
        ([], [8], 1, None),
        ([], [6], 1, False),
        ([], [8], 9, False),
        ([], [9], 9, None),
        ([10], [8], 1, True),
        ([8], [8], 1, None),
    ],
)
def test_silence_on_a_day_that_is_not_in_is_no_silence(
    active: list[int], missing: list[int], signup: int, at_risk: bool | None
) -> None:
    """Of day 10, which looks back to day 7; what was missed before signup is no matter."""
    assert label(active, 10, signup=signup, missing=missing)["is_at_risk"] is at_risk


def test_ids_may_be_text() -> None:
    """Ana is active on day 11, Bo on day 10 and with course a, which is out from day 13 on."""
    text = pd.StringDtype("pyarrow", na_value=float("nan"))
    grid, active, events = (
        user_rows(rows, columns).assign(user_id=pd.Series(users, dtype=text))
        for users, rows, columns in (
            (["ana", "bo"], [(0, day(10), day(1))] * 2, ["user_id", "as_of_date", "signup_date"]),
            (["bo", "ana"], [(0, day(10)), (0, day(11))], ["user_id", "as_of_date"]),
            (["bo", "cem"], [(0, day(10), "a")] * 2, ["user_id", "event_date", "course_id"]),
        )
    )
    calendar = {"first_day": day(10), "last_day": day(10), "calendar_start": START}
    published = [day(number) for number in range(1, END + 1)]
    made = churn_labels(grid, active, {"course_id": events}, published=published, rules=out(13, course="a"), **calendar)
    ana, bo = records(made)
    assert (ana["user_id"], ana["is_at_risk"], ana["future_active_days"]) == ("ana", False, 1)
    assert (bo["user_id"], bo["is_at_risk"], bo["censor_reason"]) == ("bo", True, "source_outage")


def test_days_before_the_calendar_are_not_missing() -> None:
    assert label([], 2, signup=-100)["is_at_risk"] is False


# --- survival columns: horizon 6 days, 3 silent days in a row are a churn ---


@pytest.mark.parametrize(
    ("active", "until", "followed"),
    [
        ([], 1, 1),
        ([11], 2, 2),
        ([11, 13], 4, 4),  # days 14, 15 and 16
        ([11, 13, 14], None, 4),  # silent on days 15 and 16 only: a silence may begin until day 14
        ([11, 14], None, 4),
        ([14], 1, 1),  # silent on days 11 to 13, and back
    ],
)
def test_the_time_of_a_silence_is_its_first_day(active: list[int], until: int | None, followed: int) -> None:
    rules = LabelSettings(horizon_days=6, silence_days=3)
    row = label(active, 10, rules)
    assert (row["days_until_churn"], row["days_followed"]) == (until, followed)


def test_where_a_churn_is_a_silent_horizon_it_can_only_begin_on_the_first_day() -> None:
    assert [label(active, 10)["days_until_churn"] for active in ([], [11])] == [1, None]
    assert [label(active, 10)["days_followed"] for active in ([], [11])] == [1, 1]


@pytest.mark.parametrize(("last", "followed", "partially"), [(16, 4, 4), (15, None, 3), (12, None, 0)])
def test_follow_up_is_given_with_the_label_or_as_far_as_it_goes(
    last: int, followed: int | None, partially: int
) -> None:
    """Horizon 6, silence 3: with days to 15 in, a silence may be seen to begin on days 11, 12 and 13."""
    rules = LabelSettings(horizon_days=6, silence_days=3)
    active = range(1, 21)
    assert label(active, 10, rules, last=last)["days_followed"] == followed
    partial = rules.model_copy(update={"partial_follow_up": True})
    assert label(active, 10, partial, last=last)["days_followed"] == partially


# --- outages ---


def out(first: int, last: int | None = None, course: str | None = None) -> LabelSettings:
    return SHORT.model_copy(update={"outages": (outage_of(first, last, course),)})


@pytest.mark.parametrize(("at", "reason"), [(6, None), (7, "source_outage"), (11, "source_outage"), (12, None)])
def test_an_outage_censors_whose_horizon_it_meets(at: int, reason: str | None) -> None:
    """Days 10 to 12 are out: the horizon of day 7 ends on day 10, that of day 11 begins on day 12."""
    assert label([], at, out(10, 12))["censor_reason"] == reason


def test_an_outage_without_an_end_goes_on() -> None:
    assert [label([], at, out(10))["censor_reason"] for at in (6, 7, 20)] == [None, "source_outage", "source_outage"]


@pytest.mark.parametrize(("missing", "last"), [([9], END), ([], 9)])
def test_an_outage_is_named_first_because_no_delivery_cures_it(missing: list[int], last: int) -> None:
    assert label([], 8, out(10, 12), missing=missing, last=last)["censor_reason"] == "source_outage"


def test_silence_during_an_outage_does_not_say_that_nobody_is_at_risk() -> None:
    """Days 10 to 12 are out; day 15 looks back to day 12, day 16 does not."""
    assert [label([], at, out(10, 12))["is_at_risk"] for at in (9, 10, 15, 16)] == [False, None, None, False]
    assert label([12], 15, out(10, 12))["is_at_risk"] is True


@pytest.mark.parametrize(
    ("active", "at", "reason"),
    [
        ([8], 8, "source_outage"),
        ([5], 8, "source_outage"),
        ([4], 8, None),
        ([9], 8, None),  # not known on day 8
        ([7], 14, "source_outage"),  # silent since, because of the outage
        ([6], 14, None),  # fell silent before
        ([11], 10, None),
        ([11], 11, "source_outage"),
    ],
)
def test_an_outage_of_a_course_concerns_who_took_part_before_it_or_in_it(
    active: list[int], at: int, reason: str | None
) -> None:
    """Course a is out from day 10 on: on that day and later, whoever took part from day 7 on is concerned."""
    assert label(active, at, out(10, course="a"))["censor_reason"] == reason


def test_an_outage_of_another_course_concerns_nobody_else() -> None:
    row = label([9], 9, out(10, course="b"))
    assert (row["censor_reason"], row["churned_3d"]) == (None, True)


def test_who_took_part_in_a_course_that_is_out_is_not_known_to_be_past_risk() -> None:
    """Active with course a on day 9; day 14 looks back to day 11."""
    assert label([9], 14, out(10, course="a"))["is_at_risk"] is None
    assert label([9], 14, out(10, course="b"))["is_at_risk"] is False


# --- settings ---


def test_what_counts_as_activity_is_a_setting() -> None:
    """Day 11 has watching only, day 12 a login: of two days after day 10 one counts."""
    rules = LabelSettings(horizon_days=2, at_risk_days=1, activity=("total_logins", "total_quiz_attempts"))
    grid = user_rows([(1, day(10), day(1))], ["user_id", "as_of_date", "signup_date"])
    active = user_rows([(1, day(n)) for n in (10, 11, 12)], ["user_id", "as_of_date"])
    made = churn_labels(
        grid,
        active.assign(total_logins=[0, 0, 1], total_quiz_attempts=[0, 0, 0]),
        {},
        first_day=day(10),
        last_day=day(10),
        published=[day(n) for n in (10, 11, 12)],
        calendar_start=START,
        rules=rules,
    )
    row = records(made)[0]
    assert (row["is_at_risk"], row["future_active_days"], row["churned_2d"]) == (False, 1, False)


def test_the_column_is_named_by_the_horizon() -> None:
    names = {h: contracts(Settings(labels=LabelSettings(horizon_days=h)))["churn_labels"].column_names for h in (30, 7)}
    assert "churned_30d" in names[30] and "churned_7d" in names[7]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"activity": []}, "an empty list cannot count as activity"),
        ({"horizon_days": 0}, "greater than or equal to 1"),
        ({"outages": [{"first": day(3), "last": day(2)}]}, "last day 2026-01-02 lies before its first, 2026-01-03"),
        ({"outages": [{"last": day(2)}]}, "Field required"),
        ({"outages": [{"first": day(2), "course_id": "a", "device": "b"}]}, "names 'course_id' and 'device'; name one"),
        ({"outages": [{"first": day(2), "course_id": ""}]}, "names 'course_id' without a value"),
        ({"outages": [{"first": day(2), "course_id": ["a", "b"]}]}, "valid"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        LabelSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"activity": ["total_clicks"]}, "'total_clicks' cannot count as activity, because it is no numeric measure"),
        ({"activity": ["total_login"]}, "(did you mean 'total_logins'?)"),
        ({"outages": [{"first": day(2), "cource_id": "a"}]}, "'cource_id', which is no property .* mean 'course_id'?"),
        ({"outages": [{"first": day(2), "watch_minutes": 3}]}, "'watch_minutes', which is no property that has labels"),
        ({"outages": [{"first": day(2), "course_id": 3}]}, "gives 'course_id' a value that is no label"),
    ],
)
def test_names_the_product_does_not_have_are_refused_with_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    assert re.search(sentence, next(Settings(labels=wrong).unknown_names()))  # type: ignore[arg-type]


def test_a_name_the_product_does_not_have_is_refused_where_the_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text("[labels]\nactivity = ['total_login']\n")
    with pytest.raises(
        ChurnError, match=r"churn.toml .* is not usable: labels: 'total_login' cannot count as activity"
    ):
        Settings.load(tmp_path)


@pytest.mark.parametrize(
    ("lengths", "days"),
    [([], 6), ([(10, 10)], 6), ([(10, 14), (1, 2)], 10), ([(10, 14), (1, None)], None)],
)
def test_how_far_back_parts_are_read(lengths: list[tuple[int, int | None]], days: int | None) -> None:
    """From 3 days before the outage to 3 days after it: 6 more than from its first day to its last."""
    outages = tuple(outage_of(a, b, "a") for a, b in lengths)
    assert SHORT.model_copy(update={"outages": outages}).part_lookback_days == days
