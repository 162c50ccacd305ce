"""The repository that `churn-assets feast export` writes, in the hands of Feast itself, which has an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn_assets.assets.online_step import publish_online
from churn_assets.calendar import DayRange
from churn_assets.contracts import contracts
from churn_assets.errors import ChurnError
from churn_assets.online.store import open_store
from churn_assets.settings import Settings
from churn_assets.synthetic import generate
from churn_assets.training import features_as_of
from churn_assets.training.feast import TTL, definitions_text, export_feast, known_at
from online_worlds import SERVING
from worlds import SHORT_LABELS, churn, deployment_of, query, run_plainly, write_settings

FEAST = "feast==0.64.0"
ALWAYS = DayRange(date.min, date.max)
ASK = """
import json, sys
import pandas as pd
from feast import FeatureStore

store = FeatureStore(".")
names = [f"user_features:{field.name}" for field in store.get_feature_view("user_features").features]
entities = pd.read_parquet("entities.parquet")
store.get_historical_features(entities, features=names).to_df().to_parquet("historical.parquet")
users = [{"user_id": user} for user in json.load(open("users.json"))]
pd.DataFrame(store.get_online_features(names, users).to_dict()).to_parquet("online.parquet")
"""


def test_the_definitions_are_those_of_the_contract() -> None:
    settings = Settings.load("nowhere")
    product, contract = settings.declaration, contracts(settings)["user_features"]
    text = definitions_text(contract, product, owner="a team")
    compile(text, "features.py", "exec")
    assert [
        name for name in contract.column_names if f"name='{name}'" not in text and f'name="{name}"' not in text
    ] == []
    assert 'owner="a team"' in text and f"microseconds={TTL // timedelta(microseconds=1)}" in text


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_a_row_counts_exactly_while_features_as_of_gives_it(zone: str) -> None:
    """By the rule of a point-in-time join: the last row whose time has come, and not longer ago than the TTL."""
    settings = Settings.model_validate({"timezone": zone, "lateness_days": 2})
    days = [date(2026, 3, 1) + timedelta(days=n) for n in range(260)]
    times = sorted((at, day) for day in days for at in known_at(day, settings))
    at_all = pd.DatetimeIndex([at for at, _ in times])
    begin = datetime(2026, 3, 10, tzinfo=timezone.utc)
    for hours in np.arange(0, 24 * 240, 0.5):
        moment = begin + timedelta(hours=float(hours))
        row = at_all.searchsorted(pd.Timestamp(moment), side="right") - 1
        business_day = moment.astimezone(pd.Timestamp(moment).tz_convert(zone).tz).date()
        assert times[row][1] == business_day - timedelta(days=3)
        assert moment - times[row][0] <= TTL


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Feast is installed. Skips where it cannot be had."""
    folder = tmp_path_factory.mktemp("feast")
    steps = [[sys.executable, "-m", "venv", folder], [folder / "bin/pip", "install", "-q", FEAST]]
    for step in steps:
        done = subprocess.run([*map(str, step)], check=False, capture_output=True, text=True, timeout=900)
        if done.returncode:
            pytest.skip(f"Feast cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "bin"


@pytest.mark.long
def test_feast_gives_what_features_as_of_and_the_service_give(environment: Path, tmp_path: Path) -> None:
    zone, start = "Europe/Berlin", date(2026, 10, 15)  # The clocks go back on the 25th: a day of 25 hours.
    data, repository = tmp_path / "data", tmp_path / "repository"
    generate(data / "landing", start=start, days=16, users=40, seed=7, signup_during=0.3, late_share=0.05)
    end = start + timedelta(days=15)
    write_settings(data, start_date=start, end_date=end, timezone=f'"{zone}"', labels=SHORT_LABELS + SERVING)
    run_plainly(data)
    done = churn(data, "feast", "export", str(repository))
    assert done.returncode == 0, done.stderr
    commands = done.stdout.splitlines()[-1].split(" && ")[1:]
    for command in commands:
        name, *arguments = command.split()
        subprocess.run([environment / name, *arguments], cwd=repository, check=True, capture_output=True, timeout=300)
    rng = np.random.default_rng(1)
    users = [user for (user,) in query(data, "SELECT DISTINCT user_id FROM churn.user_features ORDER BY 1")]
    first = datetime(start.year, start.month, start.day, tzinfo=timezone.utc)
    times = [first + timedelta(minutes=int(n)) for n in rng.integers(0, 22 * 24 * 60, 600)]
    settings = deployment_of(data).settings
    for at in (at for day in DayRange(start, end) for at in known_at(day, settings)):
        times += [at, at - timedelta(microseconds=1)]
    entities = pd.DataFrame(
        {"user_id": rng.choice([*users, 10**9], len(times)), "event_timestamp": pd.DatetimeIndex(times).as_unit("us")}
    )
    entities.to_parquet(repository / "entities.parquet")
    (repository / "users.json").write_text(json.dumps(users))
    subprocess.run([environment / "python", "-c", ASK], cwd=repository, check=True, timeout=300)

    wanted = features_as_of(entities.rename(columns={"event_timestamp": "time"}), data).drop(columns="as_of_date")
    found = pd.read_parquet(repository / "historical.parquet").rename(columns={"event_timestamp": "time"})
    assert wanted["days_since_signup"].notna().sum() > 200 and wanted["days_since_signup"].isna().sum() > 50
    # Of a row that is known no more Feast gives none, where `features_as_of` gives one of nulls.
    found = wanted[["user_id", "time"]].merge(found.drop_duplicates(["user_id", "time"]), how="left")
    assert_same(found[wanted.columns], wanted)

    publish_online(deployment_of(data))
    served = open_store(deployment_of(data).settings).read(users)
    assert served is not None
    rows = [
        {"user_id": user, **dict(zip(served[0].features, v.features, strict=True))}
        for user, v in zip(users, served[1], strict=True)
        if v
    ]
    online = pd.read_parquet(repository / "online.parquet")
    assert len(rows) == len(users)
    by_user = online.sort_values("user_id", ignore_index=True)
    assert_same(by_user[list(rows[0])], pd.DataFrame(rows))


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Value for value; Feast gives whole numbers with nulls among them as floating ones."""
    plain = [frame.astype(object).where(frame.notna(), None) for frame in (found, wanted)]
    for name in wanted.columns:
        assert plain[0][name].tolist() == plain[1][name].tolist(), name


def test_it_is_refused_in_a_sentence_and_written_over(computed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = churn(computed, "feast", "export", str(tmp_path / "file" / "below"))
    assert refused.returncode == 1 and "cannot be written to: Not a directory." in refused.stderr
    nothing = churn(computed, "feast", "export", str(tmp_path / "repository"), "--start", "2031-01-01")
    assert nothing.returncode == 1 and "user_features is not published on" in nothing.stderr
    settings = deployment_of(computed).settings
    first = export_feast(settings, tmp_path / "repository", ALWAYS, owner="a")
    (tmp_path / "repository/feature_store.yaml").write_text("project: mine\n")
    again = export_feast(settings, tmp_path / "repository", ALWAYS, owner="a")
    assert again == first
    assert (tmp_path / "repository/feature_store.yaml").read_text() == "project: mine\n", "it may be adapted"
    (tmp_path / "repository/features.py").write_text("mine = 1\n")
    with pytest.raises(
        ChurnError, match=r"features\.py was not written by 'churn-assets feast export'; name another folder"
    ):
        export_feast(settings, tmp_path / "repository", ALWAYS, owner="a")
