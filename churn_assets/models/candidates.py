"""What may rank users: gradient boosting on every declared feature, an estimator of one's own, and the rule they must beat, which
is days since the last activity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.errors import ChurnError
from churn_assets.models.transformer import Transformer
from churn_assets.product import Product
from churn_assets.product.columns import LOOKBACK_DAYS

SEED = 20260101
MOST_TREES, PATIENCE = 500, 20
"""Trees at most, and how many may follow without the validation part's loss falling."""
LEARNING_RATE, MOST_LEAVES = 0.05, 4
"""Small trees: of 4, 8 and 31 leaves, 4 had the least loss on the validation parts of both data sets in docs/evaluation.md."""
FURTHEST = 1e-9
"""Probabilities are kept so far from 0 and 1 that their log-odds are finite."""

Scores = npt.NDArray[np.float64]


class NothingToLearn(ChurnError):
    """The train part has one outcome only."""


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator of scikit-learn's conventions, and the transformer that prepares what it sees."""

    estimator: Any
    transformer: Transformer

    def score(self, rows: pd.DataFrame) -> Scores:
        """Probability of churn of each row. `rows` must have every feature that was seen; other columns are not looked at."""
        return self.score_matrix(self.transformer.matrix(rows))

    def score_matrix(self, matrix: pd.DataFrame) -> Scores:
        """The same of what the transformer made. One thread: the same rows give the same scores."""
        from threadpoolctl import threadpool_limits

        if not len(matrix):
            return np.empty(0)
        with threadpool_limits(1):
            return np.asarray(self.estimator.predict_proba(matrix), dtype="float64")[:, 1]


def fit_baseline(
    train: pd.DataFrame, validation: pd.DataFrame, *, label: str, product: Product | None = None
) -> Fitted:
    """Gradient boosted trees fitted on `train`, as many as help on `validation`. One thread and a fixed seed: the same rows give
    the same model. Raises NothingToLearn.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    def fit(seen: pd.DataFrame, churned: Any, later: pd.DataFrame, churned_later: Any) -> Any:
        model = HistGradientBoostingClassifier(
            learning_rate=LEARNING_RATE,
            max_iter=MOST_TREES,
            max_leaf_nodes=MOST_LEAVES,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            categorical_features="from_dtype",
            random_state=SEED,
        )
        return model.fit(seen, churned, X_val=later, y_val=churned_later)

    return _fit(fit, train, validation, label, product)


def fit_own(
    make: Callable[[], Any],
    train: pd.DataFrame,
    validation: pd.DataFrame,
    *,
    label: str,
    product: Product | None = None,
) -> Fitted:
    """What `make` gives, an estimator with `fit(X, y)` and `predict_proba(X)`, fitted on `train` alone. X is the transformer's
    matrix: it has nulls and categories. Raises NothingToLearn.
    """
    return _fit(lambda seen, churned, *_: make().fit(seen, churned), train, validation, label, product)


def _fit(
    fit: Callable[..., Any], train: pd.DataFrame, validation: pd.DataFrame, label: str, product: Product | None
) -> Fitted:
    from threadpoolctl import threadpool_limits

    if train[label].nunique() < 2:
        raise NothingToLearn(
            f"The train part has one outcome only: {int(train[label].sum())} of its {len(train)} rows churned."
        )
    transformer = Transformer.fitted(train, validation, product)
    parts = [(transformer.matrix(part), part[label].to_numpy(dtype=bool)) for part in (train, validation)]
    with threadpool_limits(1):
        return Fitted(fit(*parts[0], *parts[1]), transformer)


def recency_score(rows: pd.DataFrame) -> Scores:
    """Days since the last activity, the longest silence first; null, none within the lookback, is the longest of all."""
    return rows["days_since_last_activity"].fillna(LOOKBACK_DAYS).to_numpy(dtype="float64")


def log_odds(probability: Scores) -> Scores:
    near = np.clip(probability, FURTHEST, 1 - FURTHEST)
    return np.log(near / (1 - near))
