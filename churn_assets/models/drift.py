"""How far a day's rows lie from those that a model was fitted on: the population stability index (PSI) of each feature.

The sum over bins of (share now - share then) * log(share now / share then). By a common rule of thumb below 0.1 is as before,
and above 0.25 another population (Siddiqi, Credit Risk Scorecards, 2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

CATEGORICAL = pd.CategoricalDtype
BINS = 10
LEAST_SHARE = 1e-4
"""Empty bins count as this much: the logarithm of 0 is no number."""


@dataclass(frozen=True)
class Reference:
    """Of each column the shares of its bins, those of nulls last. A number's bins lie between its deciles; each category is a bin, and
    those that are not known are nulls, as to the model.
    """

    edges: Mapping[str, list[float]]
    categories: Mapping[str, list[str]]
    shares: Mapping[str, list[float]]

    @classmethod
    def fitted(cls, matrix: pd.DataFrame) -> Reference:
        """Of what a transformer made of the rows, and columns of numbers besides."""
        columns = {str(name): values for name, values in matrix.items()}
        categories = {name: [*of.cat.categories] for name, of in columns.items() if isinstance(of.dtype, CATEGORICAL)}
        edges = {name: _deciles(of) for name, of in columns.items() if name not in categories}
        known = cls(edges, categories, {})
        return cls(edges, categories, {name: known.shares_of(of).tolist() for name, of in columns.items()})

    def shares_of(self, values: pd.Series[Any]) -> npt.NDArray[np.float64]:
        name = str(values.name)
        if name in self.categories:
            known = self.categories[name]
            bins, at = len(known), values.cat.set_categories(known).cat.codes.to_numpy()
        else:
            edges, numbers = self.edges[name], values.to_numpy(dtype="float64")
            bins, at = len(edges) + 1, np.searchsorted(edges, numbers, side="right")
            at = np.where(np.isnan(numbers), -1, at)
        return np.bincount(np.where(at < 0, bins, at), minlength=bins + 1) / max(len(values), 1)

    def psi(self, matrix: pd.DataFrame) -> dict[str, float]:
        """Of each column, in their order; 0 where there are no rows."""
        if not len(matrix):
            return dict.fromkeys(self.shares, 0.0)
        return {name: _psi(np.array(then), self.shares_of(matrix[name])) for name, then in self.shares.items()}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Reference:
        """Raises KeyError for what is no reference."""
        return cls(content["edges"], content["categories"], content["shares"])


def _deciles(values: pd.Series[Any]) -> list[float]:
    known = values.dropna().to_numpy(dtype="float64")
    if not len(known):
        return []
    inner = np.quantile(known, np.arange(1, BINS) / BINS, method="lower")
    return [float(edge) for edge in np.unique(inner) if edge > known.min()]


def _psi(then: npt.NDArray[np.float64], now: npt.NDArray[np.float64]) -> float:
    before, after = np.maximum(then, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(((after - before) * np.log(after / before)).sum())
