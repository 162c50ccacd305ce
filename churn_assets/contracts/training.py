"""Contract of a training set's rows: the features of a user and day, and last the one label. It is a set of files, not a
table of the warehouse, so it is not among `contracts(settings)`.
"""

from __future__ import annotations

from dataclasses import replace

from churn_assets.contracts.base import Contract

TRAINING_SET = "training_set"


def training_contract(user_features: Contract, churn_labels: Contract, label: str) -> Contract:
    """Columns of `user_features`, then `label` of `churn_labels`, which is never null here. Nothing else of the labels' table
    enters: future_active_days is the outcome in other words.
    """
    return Contract(
        table=TRAINING_SET,
        grain="one at-risk user and sampled day whose label is observed",
        key=user_features.key,
        day=user_features.day,
        columns=(*user_features.columns, replace(churn_labels.column(label), nullable=False)),
        rules=user_features.rules,
    )
