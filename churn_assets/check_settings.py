"""Settings of the checks, `[checks]` of churn.toml. Apart from the sources' own, since changing one recomputes nothing."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class CheckSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    max_volume_ratio: float = Field(default=10, gt=1)
    """A landing day with more than this many times its trailing week's rows is stopped."""
    expected_surges: tuple[date, ...] = ()
    """Landing days whose volume is known to be right, however large."""
    max_rejected_share: float = Field(default=0.5, gt=0, le=1)
    """A landing day with a larger share of its rows rejected is stopped."""
    expected_rejections: tuple[date, ...] = ()
    """Landing days whose rows are rightly rejected, however many."""
    max_unmatched_share: float = Field(default=0.01, gt=0, le=1)
    """A day with a larger share of its admitted events without a user-day is stopped."""
    expected_unmatched: tuple[date, ...] = ()
    """Days whose events are rightly of nobody, however many."""
