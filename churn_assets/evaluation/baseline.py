"""The two rankings that are compared: gradient boosting on every declared feature, and days since the last activity alone.

What a model sees is taken from the declared features, never from "all columns", so that no outcome can enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.errors import ChurnError, first_few
from churn_assets.product import Product, read_product
from churn_assets.product.columns import LOOKBACK_DAYS

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

SEED = 20260101
MOST_CATEGORIES = 200
"""Of one attribute, the most frequent of the train part; scikit-learn's trees take at most 255."""
MOST_TREES, PATIENCE = 500, 20
"""Trees at most, and how many may follow without the validation part's loss falling."""
LEARNING_RATE, MOST_LEAVES = 0.05, 4
"""Small trees: of 4, 8 and 31 leaves, 4 had the least loss on the validation parts of both data sets in docs/evaluation.md."""

DAY_US = 86_400_000_000
Scores = npt.NDArray[np.float64]


class NothingToLearn(ChurnError):
    """The train part has one outcome only."""


@dataclass(frozen=True)
class Baseline:
    """A fitted model, the `features` it looks at (those that were not always null in the train part), and the `categories` it knows
    of each attribute: all others are to it as null.
    """

    model: HistGradientBoostingClassifier
    product: Product
    features: list[str]
    categories: Mapping[str, list[str]]

    def score(self, rows: pd.DataFrame) -> Scores:
        """Probability of churn of each row. `rows` must have every declared feature; other columns are not looked at."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return self.model.predict_proba(_seen(rows, self.product, self.features, self.categories))[:, 1]


def feature_matrix(rows: pd.DataFrame, product: Product | None = None) -> pd.DataFrame:
    """The features that `product` (None: the default one) declares and nothing else, in their declared order: labels as categories,
    all others as float64 with NaN for null. Raises ChurnError where one is missing.
    """
    product = product or read_product()
    if lacking := [feature.name for feature in product.feature_columns if feature.name not in rows]:
        raise ChurnError(
            f"The rows lack features that the product '{product.name}' declares: {first_few(lacking, 3)}; pass as product the "
            "declaration by which they were made."
        )
    columns = {feature.name: _as_input(rows[feature.name], feature.type) for feature in product.feature_columns}
    return pd.DataFrame(columns, index=rows.index)


def _as_input(values: pd.Series[Any], kind: str) -> pd.Series[Any]:
    if kind in ("label", "text"):
        return values.astype("category")
    if kind in ("date", "time"):
        days = values.to_numpy().astype("datetime64[us]")
        return pd.Series(np.where(np.isnat(days), np.nan, days.astype("int64") / DAY_US), index=values.index)
    return values.astype("float64")


def fit_baseline(
    train: pd.DataFrame, validation: pd.DataFrame, *, label: str, product: Product | None = None
) -> Baseline:
    """Gradient boosted trees fitted on `train`, as many as help on `validation`. One thread and a fixed seed: the same rows give
    the same model. Raises NothingToLearn.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    if train[label].nunique() < 2:
        raise NothingToLearn(
            f"The train part has one outcome only: {int(train[label].sum())} of its {len(train)} rows churned."
        )
    product = product or read_product()
    matrix = feature_matrix(train, product).dropna(axis="columns", how="all")
    features = list(matrix.columns)
    categories = {
        name: list(matrix[name].value_counts().index[:MOST_CATEGORIES])
        for name in features
        if isinstance(matrix[name].dtype, pd.CategoricalDtype)
    }
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=MOST_TREES,
        max_leaf_nodes=MOST_LEAVES,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        categorical_features="from_dtype",
        random_state=SEED,
    )
    with threadpool_limits(1):
        model.fit(
            _seen(train, product, features, categories),
            train[label].to_numpy(dtype=bool),
            X_val=_seen(validation, product, features, categories),
            y_val=validation[label].to_numpy(dtype=bool),
        )
    return Baseline(model, product, features, categories)


def recency_score(rows: pd.DataFrame) -> Scores:
    """Days since the last activity, the longest silence first; null, none within the lookback, is the longest of all."""
    return rows["days_since_last_activity"].fillna(LOOKBACK_DAYS).to_numpy(dtype="float64")


def _seen(
    rows: pd.DataFrame, product: Product, features: list[str], categories: Mapping[str, list[str]]
) -> pd.DataFrame:
    """The matrix as the model wants it: the same columns in the same order, and the same categories."""
    matrix = feature_matrix(rows, product)[features]
    return matrix.assign(**{name: matrix[name].cat.set_categories(known) for name, known in categories.items()})
