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
