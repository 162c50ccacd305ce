"""Do scores that were fitted on silence rank the learners who really withdraw? The dates of withdrawal are only the measure.

CHURN_DATA_DIR=data-oulad python docs/examples/oulad/withdrawals.py labels.csv.gz
"""

from __future__ import annotations

import sys
from datetime import timedelta

import pandas as pd

import churn_assets
from churn_assets.evaluation import as_markdown, fit_baseline, measured
from churn_assets.settings import Settings

HORIZON = timedelta(days=30)


def withdrawals(rows: pd.DataFrame, registrations: pd.DataFrame) -> pd.Series:
    """Whether the learner of each row withdraws from a course in the HORIZON after its day; null for a learner who holds no
    course any more. `registrations` has user_id, registered and unregistered (null: never), one row per learner and course.
    """
    days = rows[["user_id", "as_of_date"]].reset_index(names="row")
    held = days.merge(registrations, on="user_id")
    held = held[~(held["unregistered"] <= held["as_of_date"])]
    leaves = held["unregistered"] <= held["as_of_date"] + HORIZON
    return leaves.groupby(held["row"]).any().reindex(rows.index).astype("boolean")


if __name__ == "__main__":
    registrations = pd.read_csv(sys.argv[1], parse_dates=["registered", "unregistered"])
    train, validation, test = churn_assets.load_training_set()
    label = train.columns[-1]
    product = Settings.load().declaration
    model = fit_baseline(train, validation, label=label, product=product)
    print(f"{label}, {test['as_of_date'].min():%F} to {test['as_of_date'].max():%F}\n")
    print(as_markdown(measured(test, model.score(test), outcome=test[label]).metrics))
    withdraws = withdrawals(test, registrations)
    could = test[withdraws.notna()]
    print(f"\nWithdrawal within {HORIZON.days} days, of learners who still hold a course\n")
    print(as_markdown(measured(could, model.score(could), outcome=withdraws.dropna()).metrics))
