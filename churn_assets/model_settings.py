"""Settings of the model, `[model]` of churn.toml: what is fitted, how often, and how much of it is explained."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from churn_assets.product.fields import Names

BOOSTING, BG_NBD, RECENCY = "gradient_boosting", "bg_nbd", "recency"
CANDIDATES = (BOOSTING, BG_NBD, RECENCY)
OWN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class ModelSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    candidate: str = BOOSTING
    """gradient_boosting, bg_nbd, recency (the rule alone), or `module:function` that gives an estimator of one's own."""
    refit_days: int = Field(default=28, ge=1, le=3650)
    """A new model is fitted once the training set knows so many days more than the newest model."""
    explained: int = Field(default=200, ge=0)
    """Users of each day, from the first rank on, whose reasons are given."""
    trusted: Names = ()
    """Types of one's own that a stored model may hold, such as `my_models.Mine`."""

    @field_validator("candidate")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in CANDIDATES and not OWN.fullmatch(name):
            known = ", ".join(f"'{candidate}'" for candidate in CANDIDATES)
            raise ValueError(f"'{name}' is no candidate; give {known}, or your own as 'module:function'")
        return name
