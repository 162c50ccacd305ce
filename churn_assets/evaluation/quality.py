"""churn_scores and what happened afterwards -> score_quality: how good each day's list was, once its horizon has closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.scores import ACTIVE, EVERYBODY, RECENCY, SERVED, TENURE
from churn_assets.evaluation.ranking import Ranking, average_precision, lift, roc_auc
from churn_assets.models.candidates import Scores, recency_score
from churn_assets.transforms.training import KEY

Flags = npt.NDArray[np.bool_]

ACTIVE_DAYS = 7
FEWEST_USERS = 30
"""Of a value of an attribute, below which nothing is said of it."""
TENURES = {"0-29 days": 0, "30-89 days": 30, "90-364 days": 90, "365 days and more": 365}
TOP_SHARES = {"lift_1pct": 0.01, "lift_5pct": 0.05, "lift_10pct": 0.1}
FIGURES = ("average_precision", "roc_auc", *TOP_SHARES, "brier_score", "calibration_error")


def score_quality(
    churn_scores: pd.DataFrame,
    churn_labels: pd.DataFrame,
    user_day_grid: pd.DataFrame,
    *,
    label: str,
    segments: Sequence[str],
) -> pd.DataFrame:
    """Rows of score_quality: of each day, of all scored users whose label is observed and of groups of them, the served scores and
    the rule. A day without such users has no row. `segments` are attributes of the grid whose values are groups.
    """
    known = churn_labels.loc[churn_labels[label].notna(), [*KEY, label]]
    rows = churn_scores.merge(known, on=KEY).merge(user_day_grid[[*KEY, "days_since_signup", *segments]], on=KEY)
    rows = rows.sort_values(["as_of_date", "user_id"], ignore_index=True)
    whole = _Observed.of(rows, label, segments)
    found = [
        {"as_of_date": day, **figures}
        for day, at in rows.groupby("as_of_date", observed=True).indices.items()
        for figures in _of_day(whole, np.asarray(at))
    ]
    columns = ["as_of_date", "group_by", "group_value", "ranking", "model_version", "users", "churned", *FIGURES]
    return pd.DataFrame(found, columns=columns)


@dataclass(frozen=True)
class _Observed:
    """Arrays of the scored users whose outcome is known. `groups`: of each way to divide them the values, and each row's number."""

    churned: Flags
    score: Scores
    rule: Scores
    probability: Scores
    version: npt.NDArray[np.object_]
    groups: Mapping[str, tuple[list[str], npt.NDArray[np.int64]]]

    @classmethod
    def of(cls, rows: pd.DataFrame, label: str, segments: Sequence[str]) -> _Observed:
        silent = rows["silent_days"]
        active = (silent < ACTIVE_DAYS).fillna(False).to_numpy(dtype=bool)
        tenure = np.searchsorted([*TENURES.values()], rows["days_since_signup"], side="right") - 1
        groups = {
            EVERYBODY: ([EVERYBODY], np.zeros(len(rows), dtype="int64")),
            ACTIVE: ([ACTIVE], np.where(active, 0, -1)),
            TENURE: ([*TENURES], tenure),
        }
        for name in segments:
            codes, values = pd.factorize(rows[name].astype(object), sort=True)
            groups[name] = ([str(value) for value in values], codes)
        return cls(
            *(rows[label].to_numpy(dtype=bool), rows["score"].to_numpy(dtype="float64")),
            recency_score(rows.assign(days_since_last_activity=silent)),
            rows["probability"].to_numpy(dtype="float64"),
            rows["model_version"].to_numpy(dtype=object),
            groups,
        )


def _of_day(whole: _Observed, at: npt.NDArray[np.intp]) -> Iterator[dict[str, Any]]:
    """`at`: the day's rows."""
    for group_by, (values, codes) in whole.groups.items():
        of_day = codes[at]
        counts = np.bincount(of_day[of_day >= 0], minlength=len(values))
        fewest = 1 if group_by in (EVERYBODY, ACTIVE) else FEWEST_USERS
        for number in np.flatnonzero(counts >= fewest):
            among = at[of_day == number]
            for ranking, score in ((SERVED, whole.score), (RECENCY, whole.rule)):
                yield {
                    "group_by": group_by,
                    "group_value": values[number],
                    "ranking": ranking,
                    "model_version": whole.version[among[0]] if ranking == SERVED else RECENCY,
                    "users": len(among),
                    "churned": int(whole.churned[among].sum()),
                    **_figures(
                        whole.churned[among], score[among], whole.probability[among] if ranking == SERVED else None
                    ),
                }


def _figures(churned: Flags, score: Scores, probability: Scores | None) -> dict[str, float | None]:
    """Null where one outcome alone was seen; calibration also where nobody gave a probability."""
    figures: dict[str, float | None] = dict.fromkeys(FIGURES)
    if 0 < churned.sum() < len(churned):
        once = np.ones((1, len(churned)))
        tally = Ranking(churned, score).tally(once)
        figures["average_precision"] = float(average_precision(tally)[0])
        figures["roc_auc"] = float(roc_auc(tally)[0])
        figures |= {name: float(lift(tally, share)[0]) for name, share in TOP_SHARES.items()}
    if probability is not None and len(churned) and not np.isnan(probability).any():
        brier, error = Ranking(churned, probability).calibration(np.ones((1, len(churned))))
        figures |= {"brier_score": float(brier[0]), "calibration_error": float(error[0])}
    return figures
