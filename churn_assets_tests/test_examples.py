"""The examples in docs/examples run, and say what docs/evaluation.md says where the reference data is at hand."""

from __future__ import annotations

import runpy
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from churn_assets import load_training_set
from churn_assets.assets.training_step import make_training_set
from churn_assets.synthetic import generate
from training_worlds import deployment_in
from worlds import query, run_plainly

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
PEER = ROOT.parent / "shared" / "reference" / "churn_mlops"
SMALL = """start_date = 2026-01-01
end_date = 2026-02-24
[labels]
horizon_days = 5
[training]
stride_days = 2
"""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.long
def test_train_and_score_runs_from_a_training_set_to_the_users_of_the_newest_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    generate(data / "landing", start=date(2026, 1, 1), days=55, users=120, seed=2)
    deployment = deployment_in(data, SMALL)
    run_plainly(data)
    manifest = make_training_set(deployment)
    monkeypatch.setenv("CHURN_DATA_DIR", str(data))
    ran = runpy.run_path(str(EXAMPLES / "train_and_score.py"))
    printed = capsys.readouterr().out
    assert printed.count("| all at risk | average precision | 0.") == 2
    assert len(ran["train"]) == manifest.parts["train"].rows and "churned_5d" in printed
    at_risk = "SELECT user_id FROM churn.churn_labels WHERE as_of_date = DATE '2026-02-24' AND is_at_risk"
    assert set(ran["scored"]["user_id"]) == {user for (user,) in query(data, at_risk)}
    assert ran["scored"]["probability"].between(0, 1).all()
    # What is not a feature is not needed to score, so it cannot have been used.
    test = load_training_set(data=data).test
    few = test.drop(columns=["user_id", "as_of_date", "churned_5d"])
    assert ran["model"].score(few).tolist() == ran["model"].score(test).tolist()


def test_a_withdrawal_counts_within_thirty_days_and_only_of_a_course_still_held() -> None:
    withdrawals = runpy.run_path(str(EXAMPLES / "oulad" / "withdrawals.py"))["withdrawals"]
    never = None
    registrations = pd.DataFrame(
        [
            ("within", "2013-01-31"),
            ("a day too late", "2013-02-01"),
            ("never", never),
            ("gone already", "2013-01-01"),
            ("gone from one of two", "2012-12-01"),
            ("gone from one of two", "2013-01-02"),
        ],
        columns=["user_id", "unregistered"],
    ).assign(registered=pd.Timestamp("2012-10-01"))
    registrations["unregistered"] = pd.to_datetime(registrations["unregistered"])
    users = [*dict.fromkeys(registrations["user_id"]), "of no course"]
    rows = pd.DataFrame({"user_id": users, "as_of_date": pd.Timestamp("2013-01-01")}, index=range(10, 16))
    found = withdrawals(rows, registrations)
    assert found.index.tolist() == rows.index.tolist()
    assert dict(zip(users, found.astype(object).where(found.notna(), None), strict=True)) == {
        **{"within": True, "a day too late": False, "never": False},
        **{"gone already": None, "gone from one of two": True, "of no course": None},
    }


@pytest.mark.skipif(not PEER.is_dir(), reason=f"reference data is not at {PEER}")
def test_the_headline_is_recency_as_the_page_says() -> None:
    example = runpy.run_path(str(EXAMPLES / "churn_mlops" / "headline.py"))
    features, labels = (pd.read_parquet(PEER / f"{name}.parquet") for name in ("features", "labels"))
    table = example["recency_alone"](example["test_rows"](features, labels))
    page = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    for name, row in table.iterrows():
        figures = (
            f"{int(row['rows']):,} | {int(row['churned']):,} | {row['average precision']:.3f} | {row['ROC AUC']:.3f}"
        )
        assert f"| {name} | {figures} |" in page
    before, known = example["learnt_from"](labels, pd.Timestamp("2026-03-14"))
    assert f"{before:,} churned rows to learn from, of which {known:,} were known" in " ".join(page.split())
