"""retention_cohorts as a picture: a heat map of cohort by weeks since signup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churn_assets.figures.canvas import INK, QUIET, blank, percents

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COHORTS, MOST_WEEKS = 20, 20
"""Each way; more cells could hardly be read, nor kept in the event log of the UI for each run."""
NOT_OBSERVED = "#eceef0"


def described(cohorts: pd.DataFrame) -> pd.DataFrame:
    """The cohorts that were seen from their first week on. Of one from before only the later weeks of those who were still
    there were seen.
    """
    return cohorts[cohorts["cohort_week"] >= cohorts["as_of_date"].min()]


def retention(cohorts: pd.DataFrame) -> Figure:
    """Share of each signup week's users who are active, by weeks since signup, the newest at the bottom; what is not
    observable (yet) stays blank. Needs retention_cohorts' columns and at least one row.
    """
    rates = cohorts.pivot(index="cohort_week", columns="weeks_since", values="rate")
    rates = rates.sort_index().iloc[-MOST_COHORTS:, :MOST_WEEKS]
    sizes = cohorts.dropna(subset="users").sort_values("weeks_since").groupby("cohort_week")["users"].first()
    figure, (panel,) = blank(
        "Retention by signup week",
        "Percent of those who signed up in a week that are active in each week after it. Blank: not observed (yet)",
        height=max(3.2, 1.7 + 0.24 * len(rates)),
    )
    values = np.ma.masked_invalid(rates.to_numpy(dtype="float64"))
    panel.set_facecolor(NOT_OBSERVED)
    drawn = panel.imshow(values, aspect="auto", cmap="cividis_r", vmin=0, vmax=1, interpolation="none")
    panel.set_yticks(range(len(rates)), [_named(week, sizes.get(week)) for week in rates.index])
    panel.set_ylabel("week of signup (users)", color=QUIET)
    panel.set_xticks(range(len(rates.columns)), [str(week) for week in rates.columns])
    panel.set_xlabel("weeks since signup", color=QUIET)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    for (row, column), rate in np.ndenumerate(values.filled(np.nan)):
        if not np.isnan(rate):
            # Cividis reversed is dark where the rate is high.
            ink = "white" if rate > 0.5 else INK
            panel.text(column, row, f"{100 * rate:.0f}", ha="center", va="center", fontsize=7.5, color=ink)
    bar = figure.colorbar(drawn, ax=panel, fraction=0.03, pad=0.01)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=QUIET, labelsize=9, length=0)
    percents(bar.ax.yaxis)
    return figure


def _named(week: pd.Timestamp, users: int | None) -> str:
    return f"{week.day} {week:%b %Y}" + ("" if users is None else f" ({users:,})")
