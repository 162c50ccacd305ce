"""An evaluation as pictures: precision and recall, lift, and whether predicted churn is churn that came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churn_assets.contracts.scores import EVERYBODY, RECENCY
from churn_assets.evaluation.evaluate import BASELINE
from churn_assets.evaluation.ranking import CALIBRATION_BINS
from churn_assets.evaluation.table import GROUPS
from churn_assets.figures.canvas import BLUE, GREY, INK, ORANGE, QUIET, blank, percents, thousands
from churn_assets.model_settings import BG_NBD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {BASELINE: BLUE, RECENCY: ORANGE, BG_NBD: QUIET}
NAMES = {BASELINE: "Baseline model", RECENCY: "Days since the last activity alone", BG_NBD: "BG/NBD"}


def precision_recall(curves: pd.DataFrame) -> Figure:
    """Precision over recall, a panel for each group of users. Needs an evaluation's `curves` with at least one row."""

    def draw(panel: Axes, of_group: pd.DataFrame) -> None:
        for ranking, points in of_group.groupby("ranking"):
            panel.step(points["recall"], points["precision"], where="pre", **_line(str(ranking)))
        _chance(panel, float(of_group["precision"].iloc[-1]))
        panel.set_ylim(0, 1.02)
        percents(panel.yaxis)

    return _by_group(
        curves,
        "Precision and recall",
        "Of the users ranked highest: how many of those who churn are among them, and how many among them churn",
        draw,
        names=("recall", "precision"),
    )


def lift(curves: pd.DataFrame) -> Figure:
    """How many times the churn rate the users ranked highest have, by their share, a panel for each group. Needs an evaluation's
    `curves` with at least one row.
    """

    def draw(panel: Axes, of_group: pd.DataFrame) -> None:
        for ranking, points in of_group.groupby("ranking"):
            panel.plot(points["share"], points["lift"], **_line(str(ranking)))
        _chance(panel, 1)
        panel.set_ylim(bottom=0)

    return _by_group(
        curves,
        "Lift",
        "Churn rate of the users ranked highest, as a multiple of the churn rate of all, by the share of users ranked so",
        draw,
        names=("share of users, ranked by likelihood to churn", "lift"),
    )


def reliability(bins: pd.DataFrame) -> Figure:
    """Share that churned over mean predicted probability of all at risk, and rows by bin. Needs an evaluation's `reliability` with
    at least one row.
    """
    everybody = bins[bins["group"] == EVERYBODY]
    figure, panels = blank(
        "Reliability of the baseline's probabilities",
        "On the dashed line, as many churn as the model predicts; the bars say how many rows a point stands for",
        panels=(3, 1),
        height=5.4,
    )
    above, below = panels
    above.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    above.plot(everybody["predicted"], everybody["churn_rate"], marker="o", markersize=5, **_line(BASELINE))
    above.set_ylim(0, 1.02)
    percents(above.yaxis)
    _named(above, "churned")
    below.bar(everybody["bin"], everybody["rows"], width=0.94 / CALIBRATION_BINS, align="edge", color=BLUE)
    thousands(below)
    _named(below, "rows")
    return _finished(figure, panels, "predicted probability of churn", legend=False)


def _by_group(
    curves: pd.DataFrame,
    title: str,
    subtitle: str,
    draw: Callable[[Axes, pd.DataFrame], None],
    *,
    names: tuple[str, str],
) -> Figure:
    """A panel for each group that has a curve; `names` are those of both axes."""
    by_group = dict(list(curves.groupby("group")))
    groups = [group for group in GROUPS if group in by_group]
    figure, panels = blank(title, subtitle, panels=(1,) * len(groups), height=2 + 2.6 * len(groups))
    below, beside = names
    for panel, group in zip(panels, groups, strict=True):
        draw(panel, by_group[group])
        _named(panel, f"{beside},\n{GROUPS[group]}")
    return _finished(figure, panels, below)


def _line(ranking: str) -> dict[str, Any]:
    return {"color": COLOURS[ranking], "label": NAMES[ranking], "linewidth": 1.8}


def _chance(panel: Axes, level: float) -> None:
    panel.axhline(level, color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="Chance")


def _named(panel: Axes, name: str) -> None:
    panel.set_ylabel(name, color=QUIET)


def _finished(figure: Figure, panels: list[Axes], below: str, *, legend: bool = True) -> Figure:
    bottom = panels[-1]
    bottom.set_xlim(0, 1)
    bottom.set_xticks(np.linspace(0, 1, 11))
    percents(bottom.xaxis)
    bottom.set_xlabel(below, color=QUIET)
    if legend:
        panels[0].legend(loc="upper right", frameon=False, fontsize=9.5, labelcolor=INK)
    return figure
