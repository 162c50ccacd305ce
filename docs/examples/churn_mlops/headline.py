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


def churned_by(labels: pd.DataFrame, day: str) -> int:
    """Churned rows up to a day: what a model could learn from that may not look past it."""
    return int(labels.loc[pd.to_datetime(labels["as_of_date"]) <= day, "churn_label"].sum())


if __name__ == "__main__":
    features, labels = (pd.read_parquet(Path(name)) for name in sys.argv[1:])
    print(recency_alone(test_rows(features, labels)).to_string(float_format="{:.3f}".format))
    print(f"churned rows up to 2026-01-18: {churned_by(labels, '2026-01-18')}")
