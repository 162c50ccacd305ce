"""A figure as PNG bytes, with what it shows in words: for a file, for a page, for the Dagster UI."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from churn_assets.figures.evaluation import lift, precision_recall, reliability
from churn_assets.figures.growth import active_users, growth_accounting
from churn_assets.figures.retention import described, retention

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110
COLOURS = 128
"""The figures have few; PNGs of a palette are a third of the size, and the UI's event log keeps one per run."""


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows."""

    png: bytes
    shows: str

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{b64encode(self.png).decode()}"


def growth_pictures(growth: pd.DataFrame) -> Mapping[str, Picture]:
    """Pictures of growth_daily by name; none of no rows."""
    if growth.empty:
        return {}
    return {
        "active_users": _picture(active_users(growth), "Daily, weekly and monthly active users, and stickiness"),
        "growth_accounting": _picture(growth_accounting(growth), "Users by monthly state, and quick ratio"),
    }


def retention_pictures(cohorts: pd.DataFrame) -> Mapping[str, Picture]:
    """The picture of retention_cohorts by name; none where no cohort was seen from its beginning."""
    seen = described(cohorts)
    if seen.empty:
        return {}
    return {"retention": _picture(retention(seen), "Share of each signup week's users active in the weeks since")}


def evaluation_pictures(curves: pd.DataFrame, bins: pd.DataFrame) -> Mapping[str, Picture]:
    """Pictures of an evaluation's `curves` and `reliability` by name; none of no rows."""
    pictures = {}
    if not curves.empty:
        pictures["precision_recall"] = _picture(precision_recall(curves), "Precision over recall, model and recency")
        pictures["lift"] = _picture(lift(curves), "Lift by the share of users ranked highest, model and recency")
    if not bins.empty:
        pictures["reliability"] = _picture(reliability(bins), "Share that churned by predicted probability")
    return pictures


def _picture(figure: Figure, shows: str) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    pixels = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    written = BytesIO()
    pixels.quantize(COLOURS, dither=Image.Dither.NONE).save(written, format="png", optimize=True)
    return Picture(written.getvalue(), shows)
