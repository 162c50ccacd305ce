"""user_features and who is at risk -> churn_scores and score_drift, each day by the model that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.contracts.scores import RECENCY
from churn_assets.models.candidates import recency_score
from churn_assets.models.reasons import REASONS, reasons
from churn_assets.models.serving import Serving
from churn_assets.models.transformer import as_input
from churn_assets.transforms.training import KEY

SCORE = "score"
"""The score among the features whose drift is measured."""
HASH_DIGITS = 16
Drift = tuple[pd.Timestamp, str, float, int, int, str]
"""A row of score_drift."""


def churn_scores(
    user_features: pd.DataFrame,
    at_risk: pd.DataFrame,
    *,
    days: DayRange,
    serving: Serving,
    explained: int,
    types: Mapping[str, str],
    of_subjects: Mapping[str, list[str]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of churn_scores and of score_drift, of the user-days `at_risk`. `explained`: users of each day, from the first rank on, whose reasons are given.
    `types` and `of_subjects`: of the declared features.
    """
    rows = user_features.merge(at_risk[KEY], on=KEY).sort_values(["as_of_date", "user_id"], ignore_index=True)
    day_of = rows["as_of_date"].to_numpy(dtype="datetime64[D]")
    scored = _Scored(len(rows))
    drifts: list[Drift] = []
    for day in days:
        span = slice(*(int(at) for at in np.searchsorted(day_of, [np.datetime64(day), np.datetime64(day) + 1])))
        if span.start < span.stop:
            drifts += _score(scored, span, rows.iloc[span], day, serving, explained, of_subjects)
    columns = ["as_of_date", "feature", "psi", "rows", "unseen", "model_version"]
    return scored.frame(rows, types), pd.DataFrame(drifts, columns=columns)


def features_hash(rows: pd.DataFrame, types: Mapping[str, str]) -> pd.Series:
    """Sixteen hexadecimal digits over the declared features of each row, whatever types the frame gives them."""
    matrix = pd.DataFrame({name: as_input(rows[name], kind) for name, kind in types.items()}, index=rows.index)
    as_text = matrix.select_dtypes("category").columns
    plain = matrix.assign(**{name: matrix[name].astype(object) for name in as_text})
    hashed = pd.util.hash_pandas_object(plain, index=False)
    return hashed.map(lambda value: f"{value:0{HASH_DIGITS}x}")


class _Scored:
    """What becomes of the rows, filled day by day."""

    def __init__(self, rows: int) -> None:
        self.rank = np.zeros(rows, dtype="int64")
        self.score = np.zeros(rows)
        self.probability = np.full(rows, np.nan)
        self.subjects = np.full((rows, REASONS), None, dtype=object)
        self.effects = np.full((rows, REASONS), np.nan)
        self.version = np.full(rows, RECENCY, dtype=object)

    def frame(self, rows: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "user_id": rows["user_id"],
                "as_of_date": rows["as_of_date"],
                "rank": self.rank,
                "score": self.score,
                "probability": self.probability,
                "silent_days": rows["days_since_last_activity"],
                **{f"reason_{place + 1}": self.subjects[:, place] for place in range(REASONS)},
                **{f"effect_{place + 1}": self.effects[:, place] for place in range(REASONS)},
                "model_version": self.version,
                "features_hash": features_hash(rows, types),
            }
        )


def _score(
    scored: _Scored,
    span: slice,
    rows: pd.DataFrame,
    day: date,
    serving: Serving,
    explained: int,
    of_subjects: Mapping[str, list[str]],
) -> list[Drift]:
    """Fill in one day's rows, which are in order of user_id; how far they have drifted, where a model serves."""
    model = serving.on(day)
    fitted = serving.fitted(model) if model and model.takes_over else None
    matrix = fitted[0].transformer.matrix(rows) if fitted else pd.DataFrame()
    score = fitted[0].score_matrix(matrix) if fitted else recency_score(rows)
    order = np.argsort(-score, kind="stable")
    scored.rank[span.start + order] = np.arange(1, len(rows) + 1)
    scored.score[span] = score
    if model:  # Before the first one nobody has seen how often such users churn.
        scored.probability[span] = model.calibrated(by_model=fitted is not None).probability(score)
    if not fitted or not model:
        return []
    first = order[:explained]
    why = reasons(fitted[0], matrix.iloc[first], score[first], of_subjects)
    scored.subjects[span.start + first], scored.effects[span.start + first] = why
    scored.version[span] = model.version
    psi = fitted[1].psi(matrix.assign(**{SCORE: score}))
    unseen = {SCORE: 0, **fitted[0].transformer.unseen(rows)}
    return [(pd.Timestamp(day), name, value, len(rows), unseen[name], model.version) for name, value in psi.items()]
