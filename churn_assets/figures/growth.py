"""growth_daily as pictures: active users of a day, a week and a month, and growth accounting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churn_assets.contracts.metrics import MONTH_DAYS, WEEK_DAYS
from churn_assets.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    QUIET,
    RED,
    SKY,
    blank,
    name_lines,
    over_days,
    percents,
    thousands,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIGHEST_RATIO = 4
"""Of the quick ratio that is drawn to scale: with hardly anybody churned it tells little, and dwarfs the rest."""


def active_users(growth: pd.DataFrame) -> Figure:
    """Daily, weekly and monthly active users, and stickiness, by day. Needs growth_daily's columns and at least one row.

    A count is drawn where its days were all observed: before that its line would rise because the window fills.
    """
    growth, days = _by_day(growth)
    figure, (above, below) = blank(
        "Active users", f"Users active within a day, a week and a month, {_span(days)}", panels=(3, 1)
    )
    ends = {}
    lines = (("MAU", "mau", MONTH_DAYS, BLUE), ("WAU", "wau", WEEK_DAYS, GREEN), ("DAU", "dau", 1, ORANGE))
    for label, name, width, colour in lines:
        observed = growth[f"days_observed_{width}d"] == width if width > 1 else pd.Series(True, index=days)
        count = growth[name].astype("float64").where(observed)
        above.plot(days, count, color=colour, linewidth=1.8)
        if not count.isna().all():
            last = count.dropna().iloc[-1]
            ends[f"{label} {last:,.0f}"] = (last, colour)
    above.set_ylim(bottom=0)
    above.set_ylabel("users", color=QUIET)
    thousands(above)
    name_lines(above, ends, apart=0.09)
    stickiness = growth["stickiness"].where(growth[f"days_observed_{MONTH_DAYS}d"] == MONTH_DAYS)
    below.plot(days, stickiness, color=INK, linewidth=1.4)
    below.set_ylim(bottom=0)
    below.set_ylabel("DAU / MAU", color=QUIET)
    below.locator_params(axis="y", nbins=3)
    percents(below.yaxis)
    over_days(below, days)
    return figure


def growth_accounting(growth: pd.DataFrame) -> Figure:
    """Users by monthly state, churned ones below zero, and the quick ratio, by day. Needs growth_daily's columns and at
    least one row; days whose two months were not observed stay blank.
    """
    growth, days = _by_day(growth)
    figure, (above, below) = blank(
        "Growth accounting",
        "Users active within 30 days; below zero, those active only in the 30 days before. Blank: not observed (yet)",
        panels=(3, 1),
    )
    known = growth["churned_users"].notna()
    counts = growth[[f"{state}_users" for state in ("retained", "resurrected", "new", "churned")]].astype("float64")
    floor = pd.Series(0.0, index=days)
    for name, label, colour in (
        ("retained", "Retained", BLUE),
        ("resurrected", "Resurrected", SKY),
        ("new", "New", GREEN),
    ):
        top = floor + counts[f"{name}_users"].where(known)
        above.fill_between(days, floor, top, where=known, color=colour, linewidth=0, label=label)
        floor = top
    above.fill_between(days, 0, -counts["churned_users"], where=known, color=RED, linewidth=0, label="Churned")
    above.axhline(0, color=INK, linewidth=0.8)
    above.set_ylabel("users", color=QUIET)
    thousands(above)
    above.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9.5, labelcolor=INK)
    below.axhline(1, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    below.plot(days, growth["quick_ratio"], color=INK, linewidth=1.4)
    highest = growth["quick_ratio"].max()
    below.set_ylim(0, 2 if pd.isna(highest) else min(HIGHEST_RATIO, max(2, 1.1 * highest)))
    below.set_ylabel("quick ratio", color=QUIET)
    below.annotate(
        "above 1:\ngrowing", (1, 1), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
        va="center", fontsize=8.5, color=QUIET, annotation_clip=False,
    )  # fmt: skip
    over_days(below, days)
    if not known.any():
        text = f"Known once {2 * MONTH_DAYS} days in a row are observed"
        above.text(0.5, 0.5, text, transform=above.transAxes, ha="center", va="center", color=QUIET)
    return figure


def _by_day(growth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Indexed by day, those missing as rows of nulls, so that no line is drawn across them."""
    growth = growth.set_index("as_of_date").sort_index()
    days = pd.date_range(growth.index[0], growth.index[-1], freq="D")
    return growth.reindex(days), days


def _span(days: pd.DatetimeIndex) -> str:
    first, last = days[0], days[-1]
    return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}" if first != last else f"{last.day} {last:%b %Y}"
