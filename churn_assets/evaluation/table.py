"""The metrics of an evaluation as a table to read."""

from __future__ import annotations

import pandas as pd

from churn_assets.contracts.scores import ACTIVE, EVERYBODY
from churn_assets.evaluation.bootstrap import CONFIDENCE
from churn_assets.evaluation.evaluate import CALIBRATION, DIFFERENCE, MEASURED, RANKS

GROUPS = {EVERYBODY: "all at risk", ACTIVE: "active in the last 7 days"}
SAID = ("average precision", "ROC AUC", "lift at 10 %", "Brier score", "calibration error")
METRICS = dict(zip((*RANKS, *CALIBRATION), SAID, strict=True))


def as_markdown(metrics: pd.DataFrame) -> str:
    """`Evaluation.metrics`, a line per group of users and metric, intervals in brackets; below it what the groups are, and why
    figures are null.
    """
    known = {*metrics["ranking"]}
    rankings = [name for name in MEASURED if name in known]
    lines = [f"| users | metric | {' | '.join(rankings)} |", "|---|---|" + "---|" * len(rankings)]
    notes = []
    for group, rows in metrics.groupby("group", sort=False):
        name, first = GROUPS[str(group)], rows.iloc[0]
        figures = {(row["ranking"], row["metric"]): _cell(row) for _, row in rows.iterrows()}
        for metric, meaning in METRICS.items():
            cells = [figures.get((ranking, metric), "") for ranking in rankings]
            lines.append(f"| {name} | {meaning} | {' | '.join(cells)} |")
        rate = "" if pd.isna(first["churn_rate"]) else f", of which {first['churn_rate']:.1%} churned"
        notes.append(f"- {name}: {first['rows']:,} rows of {first['users']:,} users{rate}")
        reasons = rows.loc[rows["ranking"] != DIFFERENCE].groupby("ranking", sort=False)["reason"].first().dropna()
        notes += [f"- {name}, {ranking} not known: {reason}" for ranking, reason in reasons.items()]
    legend = (
        f"In brackets: the middle {CONFIDENCE:.0%} of draws of users. Difference: baseline - recency on the same draws."
    )
    return "\n".join([*lines, "", legend, "", *notes])


def headline(metrics: pd.DataFrame) -> dict[str, float]:
    """The average precision in `Evaluation.metrics` of each ranking and group of users, such as `average_precision_recency_active_7d`;
    only what is known. One number each, for a plot over the versions of a training set.
    """
    known = metrics.loc[(metrics["metric"] == RANKS[0]) & (metrics["ranking"] != DIFFERENCE) & metrics["value"].notna()]
    return {
        f"{row['metric']}_{row['ranking']}_{row['group']}": float(row["value"])
        for _, row in known.sort_values("group", kind="stable").iterrows()
    }


def _cell(figure: pd.Series) -> str:
    if pd.isna(figure["value"]):
        return ""
    interval = "" if pd.isna(figure["low"]) else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['value']:.3f}{interval}"
