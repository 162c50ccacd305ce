"""How much of a headline is recency: the churn_mlops project's own features and labels, ranked by one column.

python docs/examples/churn_mlops/headline.py features.parquet labels.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

TEST_SHARE = 0.2
"""Of the days, the last ones, as that project divides them."""
HORIZON = pd.Timedelta(days=30)


def test_rows(features: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Rows of the last TEST_SHARE of labelled days, with features and label."""
    rows = labels.merge(features, on=["user_id", "as_of_date"])
    days = sorted(rows["as_of_date"].unique())
    return rows[rows["as_of_date"] >= days[int(len(days) * (1 - TEST_SHARE))]]


def recency_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Ranked by days since the last activity: everybody, those at risk, and those active within 7 days."""
    silent = rows["days_since_last_activity"]
    groups = {"all": silent >= 0, "active within 30 days": silent < 30, "active within 7 days": silent < 7}
    figures = {
        name: {
            "rows": len(group),
            "churned": int(group["churn_label"].sum()),
            "average precision": average_precision_score(group["churn_label"], group["days_since_last_activity"]),
            "ROC AUC": roc_auc_score(group["churn_label"], group["days_since_last_activity"]),
        }
        for name, of_group in groups.items()
        for group in [rows[of_group]]
    }
    return pd.DataFrame(figures).T.astype({"rows": int, "churned": int})


def learnt_from(labels: pd.DataFrame, first_test_day: pd.Timestamp) -> tuple[int, int]:
    """Churned rows before the test rows, and those of them whose label was known when the test rows begin."""
    churned = pd.to_datetime(labels.loc[labels["churn_label"] == 1, "as_of_date"])
    return int((churned < first_test_day).sum()), int((churned + HORIZON < first_test_day).sum())


if __name__ == "__main__":
    features, labels = (pd.read_parquet(Path(name)) for name in sys.argv[1:])
    tested = test_rows(features, labels)
    print(recency_alone(tested).to_string(float_format="{:.3f}".format))
    before, known = learnt_from(labels, pd.Timestamp(tested["as_of_date"].min()))
    print(f"churned rows to learn from: {before:,}, of which {known:,} were known by the first test day")
