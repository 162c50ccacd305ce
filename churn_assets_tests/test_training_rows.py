"""Training rows and splits: every labelled at-risk user-day once, and no label that looks into the next part."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import oracles_training as oracle
from churn_assets.contracts import contracts
from churn_assets.contracts.training import training_contract
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.training_settings import TrainingSettings
from churn_assets.transforms import sampled_days, split_by_time, training_rows
from churn_assets.transforms.training import Split, TooFewDays
from frames import records
from training_worlds import START, day, features, labels

SETTINGS = Settings()
LABEL = "churned_30d"


def split(observed: int, *, stride: int = 7, embargo: int = 30, shares: tuple[float, float] = (0.2, 0.2)) -> Split:
    return split_by_time(
        START,
        day(observed),
        embargo_days=embargo,
        stride_days=stride,
        validation_share=shares[0],
        test_share=shares[1],
    )


def numbers(part: tuple[date, date]) -> tuple[int, int]:
    """A part's days, counted from 1."""
    return (part[0] - START).days + 1, (part[1] - START).days + 1


# --- the split ---


def test_days_are_divided_by_shares_with_an_embargo_between_the_parts() -> None:
    # 160 days less 2 x 30 are 100: 60 to train on, 20 to validate on, 20 to test on.
    assert [numbers(part) for part in split(160)] == [(1, 60), (91, 110), (141, 160)]


def test_no_part_is_shorter_than_a_stride_so_that_each_has_a_sampled_day() -> None:
    # 90 days less 60 are 30, of which a fifth is 6: one day less than the stride.
    assert [numbers(part) for part in split(90)] == [(1, 16), (47, 53), (84, 90)]


def test_too_few_days_are_refused_with_how_many_there_are_and_how_many_it_takes() -> None:
    with pytest.raises(TooFewDays, match=r"observed on 80 days, and a training set needs 81: 7 for each .* of 30; "):
        split(80)
    assert [numbers(part) for part in split(81)] == [(1, 7), (38, 44), (75, 81)]


def test_without_a_label_there_are_zero_days() -> None:
    with pytest.raises(TooFewDays, match="observed on 0 days"):
        split_by_time(date.max, date.min, embargo_days=3, stride_days=1, validation_share=0.2, test_share=0.2)


shares = st.tuples(st.floats(0.01, 0.98), st.floats(0.01, 0.98)).filter(lambda both: sum(both) < 1)


@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 60), shares, st.integers(0, 30))
def test_parts_are_apart_in_time_by_the_embargo_and_each_has_a_sampled_day(
    observed: int, stride: int, embargo: int, shares: tuple[float, float], starts_before: int
) -> None:
    try:
        train, validation, test = parts = split(observed, stride=stride, embargo=embargo, shares=shares)
    except TooFewDays:
        assert observed < 3 * stride + 2 * embargo
        return
    assert train[0] == START and test[1] == day(observed)
    for earlier, later in ((train, validation), (validation, test)):
        assert (later[0] - earlier[1]).days - 1 == embargo, "so many whole days lie between"
    calendar_start = START - timedelta(days=starts_before)
    for first, last in parts:
        sampled = list(sampled_days(first, last, calendar_start=calendar_start, stride_days=stride))
        everyday = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        assert sampled == [at for at in everyday if oracle.is_sampled(at, calendar_start, stride)]
        assert sampled
    # The last day that a label of a part looks at lies before the next part's first day.
    assert train[1] + timedelta(days=embargo) < validation[0]


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 20))
def test_days_that_come_later_move_no_sampled_day(days: int, more: int, stride: int) -> None:
    def sampled(last: int) -> list[date]:
        return list(sampled_days(START, day(last), calendar_start=START, stride_days=stride))

    assert sampled(days + more)[: len(sampled(days))] == sampled(days)


# --- the rows ---


def test_only_users_at_risk_whose_label_is_observed_are_learned_from() -> None:
    given_features = features(
        *({"user_id": user, "as_of_date": day(1), "total_logins_7d": user} for user in range(1, 6))
    )
    given_labels = labels(
        {"user_id": 5, "as_of_date": day(1), "is_at_risk": True, "churned": False},
        {"user_id": 4, "as_of_date": day(1), "is_at_risk": None, "churned": True},  # at risk? nobody saw
        {"user_id": 3, "as_of_date": day(1), "is_at_risk": False, "churned": True},  # gone already
        {"user_id": 2, "as_of_date": day(1), "is_at_risk": True, "churned": None},  # censored
        {"user_id": 1, "as_of_date": day(1), "is_at_risk": True, "churned": True},
        settings=SETTINGS,
    )
    rows = training_rows(given_features, given_labels, label=LABEL)
    assert rows[["user_id", "total_logins_7d", LABEL]].to_numpy().tolist() == [[1, 1, True], [5, 5, False]]


def test_the_label_comes_last_and_no_other_outcome_comes_at_all() -> None:
    tables = contracts(SETTINGS)
    contract = training_contract(tables["user_features"], tables["churn_labels"], LABEL)
    assert contract.column_names == [*tables["user_features"].column_names, LABEL]
    outcomes = {"is_at_risk", "future_active_days", "days_until_churn", "days_followed", "censor_reason"}
    assert not outcomes & set(contract.column_names)
    rows = training_rows(features(), labels(settings=SETTINGS), label=LABEL)
    assert list(rows.columns) == contract.column_names


def test_a_label_without_features_is_refused() -> None:
    lonely = labels({"user_id": 1, "as_of_date": day(1), "is_at_risk": True, "churned": True}, settings=SETTINGS)
    with pytest.raises(ChurnError, match="1 labelled user-days have no row in user_features"):
        training_rows(features({"user_id": 1, "as_of_date": day(2)}), lonely, label=LABEL)


@pytest.mark.parametrize("twice", ["user_features", "churn_labels"])
def test_a_user_day_that_is_there_twice_is_refused(twice: str) -> None:
    row = {"user_id": 1, "as_of_date": day(1), "is_at_risk": True, "churned": True}
    several = {"user_features": 1, "churn_labels": 1, twice: 2}
    frames = features(*[row] * several["user_features"]), labels(*[row] * several["churn_labels"], settings=SETTINGS)
    with pytest.raises(ChurnError, match=f"{twice} repeats 1 user-days"):
        training_rows(*frames, label=LABEL)


user_days = st.dictionaries(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None]), st.booleans()),
    max_size=12,
)


@given(user_days, st.randoms(use_true_random=False))
def test_no_row_is_lost_or_invented_and_none_gets_anothers_features(
    drawn: dict[tuple[int, int], tuple[bool | None, bool | None, bool]], random: object
) -> None:
    featured = [
        {"user_id": user, "as_of_date": day(number), "total_events_30d": 100 * user + number} for user, number in drawn
    ]
    labelled = [
        {"user_id": user, "as_of_date": day(number), "is_at_risk": at_risk, "churned": churned}
        for (user, number), (at_risk, churned, is_labelled) in drawn.items()
        if is_labelled
    ]
    random.shuffle(featured)  # type: ignore[attr-defined]
    frame, label_frame = features(*featured), labels(*labelled, settings=SETTINGS)
    rows = training_rows(frame, label_frame, label=LABEL)
    by_user_day = {(row["user_id"], row["as_of_date"]): row for row in records(frame)}
    assert records(rows) == oracle.training_rows(records(label_frame), by_user_day, LABEL)


# --- the settings ---


def test_an_embargo_below_the_horizon_is_refused_and_without_one_it_is_the_horizon() -> None:
    assert Settings(labels={"horizon_days": 14}).embargo_days == 14  # type: ignore[arg-type]
    assert Settings(training={"embargo_days": 45}).embargo_days == 45  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=r"training.embargo_days 29 is below labels.horizon_days 30"):
        Settings(training={"embargo_days": 29})  # type: ignore[arg-type]


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="leave no days to train on"):
        TrainingSettings(validation_share=0.5, test_share=0.5)


def test_frames_are_left_as_they_were() -> None:
    row = {"user_id": 1, "as_of_date": day(1), "is_at_risk": True, "churned": True}
    frame, label_frame = features(row), labels(row, settings=SETTINGS)
    before = frame.copy(), label_frame.copy()
    training_rows(frame, label_frame, label=LABEL)
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(label_frame, before[1])
