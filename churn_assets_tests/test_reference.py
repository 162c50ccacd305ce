"""Against data that others made: a peer's tables row by row, and real learners. Skips where the reference is not there."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn_assets import load_training_set
from churn_assets.assets.scoring_steps import serving_models
from churn_assets.evaluation import evaluate
from churn_assets.models import Transformer
from churn_assets.settings import Settings
from worlds import command, query

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT.parent / "shared" / "reference"
OULAD_SETTINGS = ROOT / "docs/examples/oulad/churn.toml"
PEER_COLUMNS = {
    "logins_count": "total_logins",
    "enroll_count": "total_enrollments",
    "watch_minutes_sum": "total_watch_minutes",
    "quiz_attempts_count": "total_quiz_attempts",
    "quiz_avg_score": "avg_quiz_score",
    "payment_success_count": "payment_success_count",
    "payment_failed_count": "payment_failed_count",
    "support_ticket_count": "support_ticket_count",
    "total_events": "total_events",
    "is_active_day": "is_active",
}
"""Its column -> ours, from the reference's README."""
PEER_WINDOWED = {
    "active_days": "active_days",
    "enroll": "total_enrollments",
    "events": "total_events",
    "logins": "total_logins",
    "payment_failed": "payment_failed_count",
    "payment_success": "payment_success_count",
    "quiz_attempts": "total_quiz_attempts",
    "support_ticket": "support_ticket_count",
    "watch_minutes": "total_watch_minutes",
}
"""Its windowed column -> ours, each with `_7d`, `_14d` and `_30d`."""
PEER_LABELS = {"future_active_days": "future_active_days", "churn_label": "churned_30d"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"reference data is not at {REFERENCE}"),
]


def landed_and_computed(data: Path, source: str) -> None:
    """`land` and `backfill` of the reference's dump, as a user would."""
    folder = REFERENCE / source
    for arguments in (("land", folder / "users.csv.gz", folder / "events.csv.gz"), ("backfill",)):
        done = command("churn-assets", "--data", data, *arguments, cwd=data.parent, seconds=3600)
        assert done.returncode == 0, done.stdout + done.stderr


def count(data: Path, table: str, condition: str = "true") -> int:
    return int(query(data, f"SELECT count(*) FROM churn.{table} WHERE {condition}")[0][0])


def table_and_peers(data: Path, table: str, columns: dict[str, str], peers: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Our rows of the peer's users and days beside its own, in one order."""
    theirs = pd.read_parquet(REFERENCE / f"churn_mlops/{peers}.parquet")
    theirs = theirs.sort_values(["user_id", "as_of_date"], ignore_index=True)
    names = ["user_id", "as_of_date", *columns.values()]
    condition = f"as_of_date BETWEEN DATE '{theirs['as_of_date'].min():%Y-%m-%d}' AND DATE '{theirs['as_of_date'].max():%Y-%m-%d}'"
    rows = query(data, f"SELECT {', '.join(names)} FROM churn.{table} WHERE {condition} ORDER BY user_id, as_of_date")
    ours = pd.DataFrame(rows, columns=names)
    assert (ours["user_id"] == theirs["user_id"]).all()
    assert (pd.to_datetime(ours["as_of_date"]) == pd.to_datetime(theirs["as_of_date"])).all()
    return ours, theirs


def test_user_daily_features_and_labels_are_the_peers_row_by_row(tmp_path: Path) -> None:
    data = tmp_path / "data"
    landed_and_computed(data, "churn_mlops")
    assert count(data, "user_daily") == 240_000
    assert count(data, "quarantined_users") == count(data, "quarantined_events") == count(data, "unmatched_events") == 0
    ours, peers = table_and_peers(data, "user_daily", PEER_COLUMNS, "user_daily")
    for theirs, name in PEER_COLUMNS.items():
        # Quiz averages are null in both where there was no attempt.
        mine, other = ours[name].to_numpy(dtype="float64"), peers[theirs].to_numpy(dtype="float64")
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-6, err_msg=name)
    features_are_the_peers(data)
    the_labels_are_the_peers(data)
    the_honest_split_has_nobody_to_learn_from(data)


def features_are_the_peers(data: Path) -> None:
    """Every windowed sum and count of active days, row by row; and, where ours is not null, what the peer tells of users
    without a payment or an activity too. Its quiz averages are means of daily means, ours weigh each attempt alike.
    """
    names = {
        f"{theirs}_{width}d": f"{ours}_{width}d" for theirs, ours in PEER_WINDOWED.items() for width in (7, 14, 30)
    }
    partly_null = ("days_since_last_activity", "payment_fail_rate_30d")
    names |= {name: name for name in partly_null}
    ours, peers = table_and_peers(data, "user_features", names, "features")
    assert len(ours) == 240_000
    for theirs, name in names.items():
        mine, other = ours[name].to_numpy(dtype="float64"), peers[theirs].to_numpy(dtype="float64")
        if name in partly_null:
            assert np.isfinite(mine).mean() > 0.2
            other = np.where(np.isnan(mine), np.nan, other)
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-6, err_msg=name)


def the_labels_are_the_peers(data: Path) -> None:
    """Ours say null where the horizon is not in, the peer leaves those days out; before the at-risk filter both agree."""
    assert count(data, "churn_labels") == 240_000
    assert count(data, "churn_labels", "churned_30d IS NOT NULL") == 180_000
    censored = "SELECT censor_reason, min(as_of_date), max(as_of_date) FROM churn.churn_labels WHERE churned_30d IS NULL GROUP BY 1"
    assert query(data, censored) == [("horizon_incomplete", date(2026, 4, 1), date(2026, 4, 30))]
    ours, peers = table_and_peers(data, "churn_labels", PEER_LABELS, "labels")
    for theirs, name in PEER_LABELS.items():
        assert (ours[name].astype("int64") == peers[theirs]).all(), name
    assert (ours["future_active_days"].sum(), ours["churned_30d"].sum()) == (2_463_771, 12_843)


def the_honest_split_has_nobody_to_learn_from(data: Path) -> None:
    """No label of its train rows looks into later parts, and in those days nobody had churned yet: docs/evaluation.md."""
    parts = load_training_set(data=data)
    assert [len(part) for part in parts] == [4_952, 2_000, 1_821]
    measured = evaluate(*parts, label="churned_30d").metrics
    assert not parts.train["churned_30d"].any()
    assert measured.loc[measured["ranking"] == "baseline", "value"].isna().all()
    assert recency_precision(measured) == pytest.approx({"all": 0.832, "active_7d": 0.102}, abs=5e-4)


def recency_precision(metrics: pd.DataFrame) -> dict[str, float]:
    wanted = (metrics["ranking"] == "recency") & (metrics["metric"] == "average_precision")
    return metrics[wanted].set_index("group")["value"].to_dict()


def the_model_finds_more_of_the_active_learners_than_recency(data: Path) -> None:
    """The figures of docs/evaluation.md; the model's to what another version of scikit-learn may change."""
    parts = load_training_set(data=data)
    assert [len(part) for part in parts] == [92_367, 8_011, 9_322]
    product = Settings.load(data).declaration
    assert [*Transformer.fitted(parts.train, parts.validation, product).moved] == ["days_since_signup"]
    measured = evaluate(*parts, label="churned_30d", product=product).metrics
    assert recency_precision(measured) == pytest.approx({"all": 0.175, "active_7d": 0.040}, abs=5e-4)
    baseline = measured[measured["ranking"] == "baseline"].set_index(["group", "metric"])["value"]
    assert baseline["all", "roc_auc"] == pytest.approx(0.808, abs=0.02)
    assert baseline["active_7d", "average_precision"] == pytest.approx(0.098, abs=0.02)
    gained = measured[measured["ranking"] == "difference"].set_index(["group", "metric"])["low"]
    assert gained["active_7d", "average_precision"] > 0 and gained["all", "average_precision"] > 0
    newest = serving_models(Settings.load(data)).newest
    assert newest is not None and newest.takes_over


@pytest.mark.longest
def test_oulad_accounts_for_every_learner_event_and_day(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(OULAD_SETTINGS, data / "churn.toml")
    landed_and_computed(data, "oulad")
    assert count(data, "quarantined_users") == 3 and count(data, "quarantined_events") == 0
    assert count(data, "clean_events") == 1_082_104 == 1_082_086 + 18
    assert query(data, "SELECT sum(total_events) FROM churn.user_daily") == [(1_082_086,)]
    assert query(data, "SELECT reason, count(*) FROM churn.unmatched_events GROUP BY 1") == [("before_signup", 18)]
    assert count(data, "user_day_grid") == count(data, "user_daily") == 3_583_758
    assert count(data, "user_daily", "is_active") == 221_521
    # Whose presentation's clicks were cut is neither a churner nor active: 1,380 took part in the 30 days before.
    assert (
        count(data, "churn_labels") == 3_583_758 and count(data, "churn_labels", "churned_30d IS NOT NULL") == 2_738_528
    )
    at_the_cut = "as_of_date = DATE '2014-02-11'"
    assert count(data, "churn_labels", f"{at_the_cut} AND censor_reason = 'source_outage' AND is_at_risk") == 1_380
    assert count(data, "churn_labels", f"{at_the_cut} AND censor_reason IS NULL") == 4_340 - 1_380
    took_part = "SELECT count(DISTINCT user_id) FROM churn.clean_events WHERE course_id = 'BBB-2013J'"
    assert query(data, f"{took_part} AND event_date BETWEEN '2014-01-13' AND '2014-02-11'") == [(1_380,)]
    assert len(query(data, "SELECT DISTINCT partition_date FROM churn.publish_ledger")) == 1153
    the_model_finds_more_of_the_active_learners_than_recency(data)
