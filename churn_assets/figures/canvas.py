"""What the figures look like: size, type, and colours that people with colour-blindness tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Matplotlib is imported where it draws: it takes half a second, which no other command should pay.

WIDTH, HEIGHT = 9.6, 4.8
"""Inches."""
INK, QUIET, GRID = "#222222", "#5f6368", "#e3e5e8"
BLUE, SKY, GREEN, ORANGE, RED, GREY = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#b8bcc2"
"""Of the palette of Okabe and Ito (2008), "Color Universal Design", and a grey."""


def blank(
    title: str, subtitle: str, *, panels: tuple[int, ...] = (1,), height: float = HEIGHT
) -> tuple[Figure, list[Axes]]:
    """A figure with its title at the top left and panels below one another, as high as `panels` says, sharing dates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=panels)[:, 0].tolist()
    figure.suptitle(f"{title}\n", x=0.012, ha="left", fontsize=14, fontweight="bold", color=INK)
    figure.text(0.012, 1 - 0.5 / height, subtitle, ha="left", va="center", fontsize=9.5, color=QUIET)
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(GRID)
        panel.tick_params(colors=QUIET, labelsize=9, length=0)
        panel.grid(axis="y", color=GRID, linewidth=0.8)
        panel.set_axisbelow(True)
    return figure, axes


def over_days(panel: Axes, days: pd.DatetimeIndex) -> None:
    """Readable dates below a panel that spans `days`, known or not: as few as fit, the year where it begins."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    # No more dates than days: the locator would go on to hours.
    locator = AutoDateLocator(minticks=max(1, min(4, len(days) - 1)), maxticks=9)
    formats = ["%Y", "%b", "%d %b", "%d %b", "%d %b", "%d %b"]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator, formats=formats, zero_formats=["", "%b\n%Y", "%b", *formats[3:]], show_offset=False
        )
    )
    first, last = (float(date2num(day)) for day in (days[0], days[-1]))
    panel.set_xlim(first, max(last, first + 1))


def thousands(panel: Axes) -> None:
    """Counts of users, without fractions, with thousands set apart."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panel.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))


def percents(axis: Any, digits: int = 0) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1, decimals=digits))


def name_lines(panel: Axes, names: dict[str, tuple[float, str]], *, apart: float) -> None:
    """Names beside the right ends of lines, {name: (height, colour)}, moved so that they are at least `apart` (share of
    the panel's height).
    """
    low, high = panel.get_ylim()
    gap, floor = apart * (high - low), -float("inf")
    for name, (height, colour) in sorted(names.items(), key=lambda item: item[1][0]):
        floor = max(height, floor + gap)
        panel.annotate(
            name,
            (1, floor),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            color=colour,
            annotation_clip=False,
        )
