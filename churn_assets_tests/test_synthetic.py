"""The made-up world: deterministic, extendable, plausible, and landed as a source would land it."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from churn_assets.errors import ChurnError
from churn_assets.landing import read_file
from churn_assets.settings import SOURCES, EventsSettings, UsersSettings
from churn_assets.synthetic import GeneratedWorld, generate
from e_learning import PRODUCT

START = date(2026, 1, 1)


def contents(landing: Path) -> dict[str, bytes]:
    return {
        path.relative_to(landing).as_posix(): path.read_bytes()
        for path in sorted(landing.rglob("*.*"))
        if path.is_file()
    }


def landed(landing: Path, source: str) -> pd.DataFrame:
    files = sorted((landing / source).glob("date=*/*.csv"))
    days = [pd.read_csv(f).assign(landing_date=pd.Timestamp(f.parent.name.removeprefix("date="))) for f in files]
    return pd.concat([frame for frame in days if len(frame)], ignore_index=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame]:
    landing = tmp_path_factory.mktemp("world") / "landing"
    summary = generate(landing, start=START, days=120)
    events = landed(landing, "events")
    events["event_time"] = pd.to_datetime(events["event_time"])
    events["event_date"] = events["event_time"].dt.normalize()
    return summary, landed(landing, "users"), events


def test_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        generate(tmp_path / name, start=START, days=5, users=100)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_bytes_are_those_of_every_platform_and_version(tmp_path: Path) -> None:
    generate(tmp_path / "landing", start=START, days=3, users=50, seed=7)
    digest = hashlib.sha256(b"".join(contents(tmp_path / "landing").values())).hexdigest()
    assert digest == "d865f51c1c576a6a8aafcf9ed61f3397c23b9a46239584da38e1052941fa7bba"


def test_another_seed_gives_another_world(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(tmp_path / str(seed), start=START, days=2, users=50, seed=seed)
    assert contents(tmp_path / "1") != contents(tmp_path / "2")


def test_a_longer_calendar_begins_with_the_days_of_a_shorter_one(tmp_path: Path) -> None:
    generate(tmp_path / "short", start=START, days=4, users=200)
    generate(tmp_path / "long", start=START, days=9, users=200)
    short, long = contents(tmp_path / "short"), contents(tmp_path / "long")
    assert len(short) == 2 * 4 and len(long) == 2 * 9
    assert short == {name: long[name] for name in short}


def test_a_landing_can_be_extended_in_place_and_says_so(tmp_path: Path) -> None:
    assert not generate(tmp_path / "landing", start=START, days=2, users=50).unchanged
    assert generate(tmp_path / "landing", start=START, days=2, users=50).unchanged
    assert not generate(tmp_path / "landing", start=START, days=3, users=50).unchanged
    assert len(contents(tmp_path / "landing")) == 2 * 3


def test_every_day_has_both_files_even_if_nobody_comes(tmp_path: Path) -> None:
    generate(tmp_path / "landing", start=START, days=40, users=1, signup_during=0.0)
    files = contents(tmp_path / "landing")
    expected = {f"{s}/date={START + timedelta(days=n)}/{s}.csv" for s in SOURCES for n in range(40)}
    assert set(files) == expected
    assert files["users/date=2026-01-02/users.csv"] == b"user_id,signup_date,plan,is_paid,country,marketing_source\n"


def test_another_world_in_its_place_is_refused_unless_replaced(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    generate(landing, start=START, days=3, users=50, seed=1)
    before = contents(landing)
    # Two days of users and events, less the one file both worlds share: nobody signs up on the second day.
    with pytest.raises(ChurnError, match=r"already holds 3 day folders that differ.*--replace"):
        generate(landing, start=START, days=2, users=50, seed=2)
    assert contents(landing) == before
    generate(landing, start=START, days=2, users=50, seed=2, replace=True)
    after = contents(landing)
    assert after["events/date=2026-01-01/events.csv"] != before["events/date=2026-01-01/events.csv"]
    assert after["events/date=2026-01-03/events.csv"] == before["events/date=2026-01-03/events.csv"]


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_is_read_back_with_the_same_values(tmp_path: Path, file_format: str) -> None:
    landing, plain = tmp_path / "landing", tmp_path / "plain"
    generate(plain, start=START, days=2, users=30, signup_during=0.0)
    generate(landing, start=START, days=2, users=30, signup_during=0.0, file_format=file_format)
    for source, settings in (("users", UsersSettings()), ("events", EventsSettings())):
        for day in ("2026-01-01", "2026-01-02"):
            one, other = (
                read_file(
                    folder / source / f"date={day}" / f"{source}.{suffix}",
                    source=source,
                    product=PRODUCT,
                    settings=settings,
                    landing_dir=folder,
                ).table.to_pandas()
                for folder, suffix in ((landing, file_format), (plain, "csv"))
            )
            assert len(one) == len(other)
            assert one["read_error"].isna().all()
            if len(one):
                assert one["user_id"].tolist() == other["user_id"].tolist()
                time = "signup_date" if source == "users" else "event_time"
                assert pd.to_datetime(one[time]).tolist() == pd.to_datetime(other[time]).tolist()
            if len(one) and source == "events":
                assert one["watch_minutes"].astype(float).tolist() == other["watch_minutes"].astype(float).tolist()


def test_counts_are_those_of_the_files(world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame]) -> None:
    summary, users, events = world
    assert summary.events == len(events)
    assert summary.users == users["user_id"].nunique()
    assert summary.user_changes == len(users) - users["user_id"].nunique()
    assert summary.late_events == (events["landing_date"] > events["event_date"]).sum()
    assert (summary.start, summary.end, summary.days) == (date(2026, 1, 1), date(2026, 4, 30), 120)


def test_event_ids_are_unique_and_ascend_with_time_within_a_landing_day(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    events = world[2]
    assert events["event_id"].tolist() == list(range(1, len(events) + 1))
    assert events.groupby("landing_date")["event_time"].apply(lambda t: t.is_monotonic_increasing).all()


def test_nobody_acts_before_signup_and_each_user_lands_on_signup_day_or_the_first(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    _, users, events = world
    first = users.drop_duplicates("user_id").set_index("user_id")
    signup = pd.to_datetime(first["signup_date"])
    assert (events["event_date"] >= events["user_id"].map(signup)).all()
    assert (first["landing_date"] == signup.clip(lower=pd.Timestamp(START))).all()
    assert signup.min() >= pd.Timestamp(START) - pd.Timedelta(days=30)
    during = (signup >= pd.Timestamp(START)).mean()
    assert 0.07 < during < 0.12


def test_a_plan_change_is_a_second_row_with_the_same_signup(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    users = world[1]
    changed = users[users["user_id"].duplicated(keep=False)].groupby("user_id")
    assert changed.ngroups > 20
    assert (changed["plan"].nunique() == 2).all()
    assert (changed[["signup_date", "country", "marketing_source"]].nunique() == 1).all().all()
    assert (users["is_paid"] == (users["plan"] == "paid")).all()


def test_one_event_in_two_hundred_lands_one_or_two_days_late(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    events = world[2]
    delay = (events["landing_date"] - events["event_date"]).dt.days
    assert set(delay) == {0, 1, 2}
    assert 0.004 < (delay > 0).mean() < 0.006


def test_figures_are_near_those_of_the_peer_project(world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame]) -> None:
    """Peer: 45 % active, 4.42 events per active day, logins 45 %, videos 32 %, quizzes 20 %, 41.8 +- 12.8 minutes,
    scores 71.8 +- 16.2, 7.5 % of payments failed, 35 % paid.
    """
    _, users, events = world
    first = users.drop_duplicates("user_id")
    eligible = (pd.Timestamp("2026-04-30") - pd.to_datetime(first["signup_date"])).dt.days.add(1).clip(upper=120).sum()
    active = events.groupby(["user_id", "event_date"]).size()
    assert len(active) / eligible == pytest.approx(0.453, abs=0.03)
    assert active.mean() == pytest.approx(4.42, abs=0.25)
    share = events["event_type"].value_counts(normalize=True)
    for event_type, expected in (("login", 0.453), ("video_watch", 0.320), ("quiz_attempt", 0.195)):
        assert share[event_type] == pytest.approx(expected, abs=0.02)
    minutes = events.loc[events["event_type"] == "video_watch", "watch_minutes"]
    assert minutes.mean() == pytest.approx(41.8, abs=1) and minutes.std() == pytest.approx(12.8, abs=1)
    assert events["quiz_score"].mean() == pytest.approx(71.8, abs=1)
    payments = events[events["event_type"].str.startswith("payment")]
    assert (payments["event_type"] == "payment_failed").mean() == pytest.approx(0.075, abs=0.02)
    assert first["is_paid"].mean() == pytest.approx(0.35, abs=0.03)


def test_about_seven_percent_of_user_days_are_followed_by_thirty_silent_ones(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    _, users, events = world
    last = events.groupby("user_id")["event_date"].agg(list).map(set)
    first = users.drop_duplicates("user_id").set_index("user_id")
    silent = total = 0
    for user, signup in pd.to_datetime(first["signup_date"]).items():
        day_numbers = {(day - pd.Timestamp(START)).days for day in last.get(user, set())}
        for day in range(max(0, (signup - pd.Timestamp(START)).days), 90):
            total += 1
            silent += day_numbers.isdisjoint(range(day + 1, day + 31))
    assert 0.05 < silent / total < 0.10


def test_engagement_drives_activity_and_stays_hidden_unless_asked_for(tmp_path: Path) -> None:
    generate(tmp_path / "seen", start=START, days=20, users=500, with_latent=True)
    generate(tmp_path / "hidden", start=START, days=20, users=500)
    users, events = landed(tmp_path / "seen", "users"), landed(tmp_path / "seen", "events")
    assert "engagement_score" not in landed(tmp_path / "hidden", "users").columns
    score = users.drop_duplicates("user_id").set_index("user_id")["engagement_score"]
    days = (
        events.assign(day=events["event_time"].str[:10])
        .groupby("user_id")["day"]
        .nunique()
        .reindex(score.index, fill_value=0)
    )
    assert score.corr(days) > 0.6


def test_weekends_are_quieter_and_evenings_busier_than_nights(
    world: tuple[GeneratedWorld, pd.DataFrame, pd.DataFrame],
) -> None:
    events = world[2]
    per_day = events.groupby("event_date").size()
    weekend = per_day.index.dayofweek >= 5
    assert per_day[weekend].mean() < 0.9 * per_day[~weekend].mean()
    hours = events["event_time"].dt.hour.value_counts()
    assert hours[20] > 5 * hours[3]


def test_a_steady_world_has_equal_days_of_the_volume_asked_for(tmp_path: Path) -> None:
    generate(
        tmp_path / "landing", start=START, days=28, users=2000, churn=False, weekly=False, signup_during=0.0,
        late_share=0.0, events_per_user_day=0.28,
    )  # fmt: skip
    events = landed(tmp_path / "landing", "events")
    per_day = events.groupby("landing_date").size()
    assert per_day.mean() / 2000 == pytest.approx(0.28, rel=0.03)
    assert per_day.min() > 0.8 * per_day.mean() and per_day.max() < 1.2 * per_day.mean()
    assert landed(tmp_path / "landing", "users")["signup_date"].max() < "2026-01-01"


def test_each_day_is_reported(tmp_path: Path) -> None:
    seen: list[date] = []
    generate(tmp_path / "landing", start=START, days=3, users=5, on_day=seen.append)
    assert seen == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]


@pytest.mark.parametrize(
    "wrong",
    [{"days": 0}, {"users": 0}, {"seed": -1}, {"late_share": 2}, {"signup_during": -1}, {"events_per_user_day": 0}],
)
def test_parameters_that_make_no_world_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(ChurnError):
        generate(tmp_path / "landing", **{"start": START, "days": 2, "users": 20, **wrong})
    assert not (tmp_path / "landing").exists()
