"""The fitted part of feature preparation, used alike when a model is fitted, when days are scored, and when one user is served.

What a model sees is taken from the declared features, never from "all columns", so that no outcome can enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.errors import ChurnError, first_few
from churn_assets.models.drift import Reference
from churn_assets.product import Product, read_product

MOST_CATEGORIES = 200
"""Of one attribute, the most frequent of the train part; scikit-learn's trees take at most 255."""
MOST_PSI = 1.0
"""Of a feature between train and validation part. Far above 0.25, at which a population counts as another one: hardly a row of one part
has a value like those of the other, so that what was learned of it says nothing of days to come. Days since signup are the
usual case, where few users are as old in the train part as all are later.
"""
DAY_US = 86_400_000_000
CATEGORIES = ("label", "text")


@dataclass(frozen=True)
class Transformer:
    """What was learned of the train part's features: those that were not always null there and had not moved since, with their types
    and in order; of each attribute the categories that are known; and what is typical of each feature: its median, or its most
    frequent category.

    A category that is not known is as null, and a null stays null: the trees learn where such rows belong. A missing column
    is refused, as nobody can tell what it would have held.
    """

    types: Mapping[str, str]
    categories: Mapping[str, list[str]]
    typical: Mapping[str, float | str | None]
    moved: Mapping[str, float]
    """Features that are left out, each with its PSI: their values in the validation part are others than in the train part."""

    @classmethod
    def fitted(
        cls, train: pd.DataFrame, validation: pd.DataFrame | None = None, product: Product | None = None
    ) -> Transformer:
        """Learned of the features that `product` (None: the default one) declares, less those that had moved by the `validation`
        part. Raises ChurnError where one is missing.
        """
        product = product or read_product()
        matrix = feature_matrix(train, product).dropna(axis="columns", how="all")
        moved = {} if validation is None else _moved(matrix, feature_matrix(validation, product))
        matrix = matrix.drop(columns=[*moved])
        types = {feature.name: feature.type for feature in product.feature_columns if feature.name in matrix}
        counts = {name: matrix[name].value_counts() for name, kind in types.items() if kind in CATEGORIES}
        known = {name: [str(value) for value in of.index[:MOST_CATEGORIES]] for name, of in counts.items()}
        typical: dict[str, float | str | None] = {
            name: known[name][0] if name in known else float(matrix[name].median()) for name in types
        }
        return cls(types, known, typical, moved)

    def of(self, names: Sequence[str]) -> Transformer:
        """Of these features alone, as far as they are known."""
        types = {name: self.types[name] for name in names if name in self.types}
        categories = {name: known for name, known in self.categories.items() if name in types}
        return Transformer(types, categories, {name: self.typical[name] for name in types}, {})

    def matrix(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows as the model wants them: attributes as categories, all others as float64 with NaN for null. Columns besides
        the features are not looked at. Raises ChurnError where a feature is missing.
        """
        if lacking := [name for name in self.types if name not in rows]:
            raise ChurnError(
                f"The rows lack features that the model looks at: {first_few(lacking, 3)}; give it rows of user_features as they "
                "were declared when it was fitted."
            )
        columns = {name: as_input(rows[name], kind) for name, kind in self.types.items()}
        for name, known in self.categories.items():
            columns[name] = columns[name].cat.set_categories(known)
        return pd.DataFrame(columns, index=rows.index)

    def unseen(self, rows: pd.DataFrame) -> dict[str, int]:
        """Of each feature how many rows have a category that is not known. Of a feature that had more of them than are kept, none is
        counted: nobody knows which were there.
        """
        found = dict.fromkeys(self.types, 0)
        for name, known in self.categories.items():
            if len(known) == MOST_CATEGORIES:
                continue
            found[name] = int((rows[name].notna() & ~rows[name].isin(known)).sum())
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Transformer:
        """Raises KeyError for what is no transformer."""
        return cls(content["types"], content["categories"], content["typical"], content["moved"])


def _moved(train: pd.DataFrame, later: pd.DataFrame) -> dict[str, float]:
    """The columns of `train` whose PSI in `later` is MOST_PSI or more; none where that would be all."""
    if not len(later):
        return {}
    psi = Reference.fitted(train).psi(later[train.columns])
    moved = {name: value for name, value in psi.items() if value >= MOST_PSI}
    return moved if len(moved) < len(psi) else {}


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
    columns = {feature.name: as_input(rows[feature.name], feature.type) for feature in product.feature_columns}
    return pd.DataFrame(columns, index=rows.index)


def as_input(values: pd.Series[Any], kind: str) -> pd.Series[Any]:
    """One feature as a number or a category, whatever the frame it comes from made of it."""
    if kind in CATEGORIES:
        return values.astype("category")
    if kind in ("date", "time"):
        days = values.to_numpy().astype("datetime64[us]")
        return pd.Series(np.where(np.isnat(days), np.nan, days.astype("int64") / DAY_US), index=values.index)
    return values.astype("float64")
