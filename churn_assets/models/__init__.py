"""Models of churn: what prepares features for them, what fits and scores, what explains a score, and where they are kept.

Scikit-learn is imported where it is used, so that what only reads tables does not wait for it.
"""

from churn_assets.models.candidates import Fitted, NothingToLearn, fit_baseline, fit_own, recency_score
from churn_assets.models.transformer import Transformer, feature_matrix

__all__ = [
    "Fitted",
    "NothingToLearn",
    "Transformer",
    "feature_matrix",
    "fit_baseline",
    "fit_own",
    "recency_score",
]
