"""Is a training set worth anything? A baseline model and a ranking by recency alone, measured on the same test rows.

Pure functions of frames: nothing is read or stored here, and no Dagster. Scikit-learn is imported where it is used.
"""

from churn_assets.evaluation.evaluate import Evaluation, evaluate, measured
from churn_assets.evaluation.table import as_markdown, headline
from churn_assets.models import Fitted, NothingToLearn, feature_matrix, fit_baseline, recency_score

__all__ = [
    "Evaluation",
    "Fitted",
    "NothingToLearn",
    "as_markdown",
    "evaluate",
    "feature_matrix",
    "fit_baseline",
    "headline",
    "measured",
    "recency_score",
]
