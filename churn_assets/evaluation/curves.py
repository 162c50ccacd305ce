"""What the pictures of an evaluation draw: precision, recall and lift down a ranking, and predicted against seen churn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn_assets.evaluation.ranking import CALIBRATION_BINS, Ranking, bins

MOST_POINTS = 300


def curve(ranking: Ranking) -> pd.DataFrame:
    """One row per distinct score from the highest, thinned to MOST_POINTS: share of rows at or above it, precision, recall, lift.
    Needs both outcomes.
    """
    churned, rows = (counts[0] for counts in ranking.tally(np.ones((1, len(ranking.score)))))
    points = np.unique(np.linspace(0, len(rows) - 1, min(MOST_POINTS, len(rows))).astype(int))
    churned, rows = churned[points], rows[points]
    share, recall = rows / rows[-1], churned / churned[-1]
    return pd.DataFrame({"share": share, "precision": churned / rows, "recall": recall, "lift": recall / share})


def reliability(ranking: Ranking) -> pd.DataFrame:
    """One row per bin of predicted probability that has rows: bin, rows, mean prediction, share that churned."""
    frame = pd.DataFrame({"bin": bins(ranking.score), "score": ranking.score, "churned": ranking.churned})
    found = frame.groupby("bin").agg(
        rows=("score", "size"), predicted=("score", "mean"), churn_rate=("churned", "mean")
    )
    return found.reset_index().assign(bin=lambda of: of["bin"] / CALIBRATION_BINS)
