"""A training set -> how well the baseline and recency alone rank its test rows, each figure with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.scores import ACTIVE, EVERYBODY, RECENCY
from churn_assets.evaluation.bootstrap import interval, user_weights
from churn_assets.evaluation.curves import curve, reliability
from churn_assets.evaluation.ranking import Floats, Ranking, average_precision, lift, roc_auc
from churn_assets.model_settings import BG_NBD
from churn_assets.models.bg_nbd import bg_nbd_score
from churn_assets.models.candidates import NothingToLearn, Scores, fit_baseline, recency_score
from churn_assets.product import Product, read_product

Flags = npt.NDArray[np.bool_]

BASELINE, DIFFERENCE = "baseline", "difference"
RANKS = ("average_precision", "roc_auc", "lift_10pct")
CALIBRATION = ("brier_score", "calibration_error")
MEASURED = {BASELINE: (*RANKS, *CALIBRATION), RECENCY: RANKS, BG_NBD: RANKS, DIFFERENCE: RANKS}
"""Recency is a ranking and no probability, and BG/NBD gives one of another question: they have no calibration."""


@dataclass(frozen=True)
class Evaluation:
    """`metrics`: one row per group of users, ranking and metric: rows, users, churn_rate, value, low, high, reason. A value that
    cannot be known is null and `reason` says why. `difference` is baseline - recency, on the same draws.

    `curves` and `reliability` have the columns of curves.py besides group (and ranking); the latter is of the baseline.
    """

    metrics: pd.DataFrame
    curves: pd.DataFrame
    reliability: pd.DataFrame


def evaluate(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, *, label: str, product: Product | None = None
) -> Evaluation:
    """Fit the baseline on `train` (`validation` says when to stop), and measure it beside recency alone on `test`. Where there is
    nothing to learn from, recency is measured and the baseline's figures are null. `product` says which columns are features (None:
    the default product).
    """
    gone = bg_nbd_score(train, test, product or read_product(), _horizon_days(label))
    try:
        baseline = fit_baseline(train, validation, label=label, product=product)
    except NothingToLearn as reason:
        return measured(test, None, outcome=test[label], reason=str(reason), gone=gone)
    return measured(test, baseline.score(test), outcome=test[label], gone=gone)


def measured(
    test: pd.DataFrame,
    score: Scores | None,
    *,
    outcome: pd.Series,
    reason: str | None = None,
    gone: Scores | None = None,
) -> Evaluation:
    """How well probabilities `score` and recency alone rank the `outcome` of the rows of `test`, over all and among users active
    within the last 7 days. `reason` says why there are no probabilities, if there are none. `gone`: BG/NBD's chance that nothing follows
    within the horizon, if it is to be measured, too.
    """
    churned = outcome.to_numpy(dtype=bool)
    groups = {EVERYBODY: np.ones(len(test), dtype=bool), ACTIVE: (test["active_days_7d"] >= 1).to_numpy(dtype=bool)}
    given = {BASELINE: score, RECENCY: recency_score(test), BG_NBD: gone}
    scores = {name: of_all for name, of_all in given.items() if of_all is not None}
    metrics, curves, reliabilities = [], [], []
    for group, rows in groups.items():
        ranked = {name: Ranking(churned[rows], of_all[rows]) for name, of_all in scores.items()}
        metrics.append(_metrics(test["user_id"][rows], churned[rows], ranked, reason).assign(group=group))
        if 0 < churned[rows].sum() < rows.sum():
            curves += [curve(ranking).assign(group=group, ranking=name) for name, ranking in ranked.items()]
            if BASELINE in ranked:
                reliabilities.append(reliability(ranked[BASELINE]).assign(group=group))
    return Evaluation(pd.concat(metrics, ignore_index=True), _together(curves), _together(reliabilities))


def _horizon_days(label: str) -> int:
    """As the label's column says it: churned_30d."""
    return int(label.rsplit("_", 1)[1].removesuffix("d"))


def _metrics(
    user_id: pd.Series, churned: Flags, ranked: Mapping[str, Ranking], no_baseline: str | None
) -> pd.DataFrame:
    one_outcome = _one_outcome(churned)
    values: dict[tuple[str, str], tuple[float | None, float | None, float | None]] = {}
    if one_outcome is None:
        once = {key: float(of[0]) for key, of in _weighed(ranked, np.ones((1, len(churned)))).items()}
        blocks = [_weighed(ranked, weights) for weights in user_weights(user_id)]
        values = {key: (once[key], *interval(np.concatenate([block[key] for block in blocks]))) for key in once}
    rows = []
    for name, metrics in MEASURED.items():
        for metric in metrics if name != BG_NBD or BG_NBD in ranked else ():
            reason = one_outcome or (no_baseline if name in (BASELINE, DIFFERENCE) else None)
            rows.append((name, metric, *values.get((name, metric), (None, None, None)), reason))
    frame = pd.DataFrame(rows, columns=["ranking", "metric", "value", "low", "high", "reason"])
    numbers = frame.astype({"value": "float64", "low": "float64", "high": "float64"})
    rate = float(churned.mean()) if len(churned) else np.nan
    return numbers.assign(rows=len(churned), users=user_id.nunique(), churn_rate=rate)


def _weighed(ranked: Mapping[str, Ranking], weights: Floats) -> dict[tuple[str, str], Floats]:
    """Each metric of each ranking under each weighting."""
    found: dict[tuple[str, str], Floats] = {}
    for name, ranking in ranked.items():
        tally = ranking.tally(weights)
        for metric, measure in zip(RANKS, (average_precision, roc_auc, lift), strict=True):
            found[name, metric] = measure(tally)
    if BASELINE in ranked:
        for metric in RANKS:
            found[DIFFERENCE, metric] = found[BASELINE, metric] - found[RECENCY, metric]
        for metric, values in zip(CALIBRATION, ranked[BASELINE].calibration(weights), strict=True):
            found[BASELINE, metric] = values
    return found


def _one_outcome(churned: Flags) -> str | None:
    """Why nothing can be measured on these rows, or None."""
    if not len(churned):
        return "there are no test rows"
    if churned.all():
        return f"all {len(churned)} test rows churned"
    return None if churned.any() else f"none of {len(churned)} test rows churned"


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
