"""One column of user_features: what it is made from, over which days, in which unit and limits, and what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureColumn:
    """One column of user_features. `sources` are table.column; the window ends with as_of_date and includes it."""

    name: str
    type: str
    """label, flag, integer, number, date, text or time."""
    operation: str
    """attribute, tenure, weekday, weekend, segment; observed, days, sum, daily_mean, weighted_mean, min, max, last, distinct, ratio,
    trend; since; or a figure of a rhythm (`windows.RHYTHM`).
    """
    sources: tuple[str, ...]
    window_days: int
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False
    version: int = 1
    of: tuple[str, ...] = ()
    """Measures (or the attribute) it is computed from: of a ratio the parts, of a weighted mean the mean and its weight."""
    whole: tuple[str, ...] = ()
    """Of a ratio, what the parts are divided by."""
    shorter_days: int = 0
    """Of a trend, the window that is held against the whole of `window_days`."""
    most: float | None = None
    pii: bool = False

    @property
    def sees(self) -> str:
        """Why it cannot leak: the days it looks at, and how late they may have landed."""
        back = self.window_days - 1
        looked_at = f"as_of_date - {back} .. as_of_date" if back else "as_of_date"
        return f"{looked_at}, as landed by each day + lateness_days; nothing of a later day"
