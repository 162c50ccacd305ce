"""Scores as probabilities: by how often users of such a score churned in rows that the model was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_assets.models.candidates import FURTHEST, Scores, log_odds


@dataclass(frozen=True)
class Calibration:
    """A logistic curve that never falls (Platt scaling): a higher score is no lower a probability, and none is 0 or 1.

    Of isotonic regression, which has a step for every few rows, the Brier score on later rows was no better, and its
    highest users were all of probability 1.
    """

    slope: float
    intercept: float
    of_probabilities: bool
    """Whether the scores are probabilities already; the curve is over their log-odds then."""

    @classmethod
    def fitted(cls, score: Scores, churned: npt.NDArray[np.bool_], *, of_probabilities: bool) -> Calibration:
        """Where the rows have one outcome, or churn is rarer at higher scores, each score has the rate of all."""
        from sklearn.linear_model import LogisticRegression

        if 0 < churned.sum() < len(churned):
            seen = (log_odds(score) if of_probabilities else score).reshape(-1, 1)
            # Platt's targets: no outcome is quite sure, so that rows which a score divides cleanly do not make the curve a step.
            sure = np.where(churned, (churned.sum() + 1) / (churned.sum() + 2), 1 / ((~churned).sum() + 2))
            # C without a limit: nothing pulls the two numbers towards 0.
            line = LogisticRegression(C=np.inf).fit(
                np.concatenate([seen, seen]),
                np.repeat([True, False], len(seen)),
                sample_weight=np.concatenate([sure, 1 - sure]),
            )
            if line.coef_[0, 0] > 0:
                return cls(float(line.coef_[0, 0]), float(line.intercept_[0]), of_probabilities)
        rate = (churned.sum() + 1) / (len(churned) + 2)
        return cls(0.0, float(np.log(rate / (1 - rate))), of_probabilities)

    def probability(self, score: Scores) -> Scores:
        seen = log_odds(score) if self.of_probabilities else score
        from scipy.special import expit

        # Far from what was seen it would be 0 or 1, and nobody is that sure.
        return np.asarray(np.clip(expit(self.slope * seen + self.intercept), FURTHEST, 1 - FURTHEST), dtype="float64")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Calibration:
        """Raises KeyError for what is no calibration."""
        return cls(content["slope"], content["intercept"], content["of_probabilities"])
