"""Settings of training sets, `[training]` of churn.toml: how often users are sampled, and how the days are divided."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    stride_days: int = Field(default=7, ge=1, le=365)
    """Every so many days from the calendar's start on is an as-of date of the training set."""
    embargo_days: int | None = Field(default=None, ge=1, le=3650)
    """Whole days between two parts, at least as many as a label looks ahead. None: as many."""
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the days, embargoes apart, that the validation part gets."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the days, embargoes apart, that the test part gets, which are the last."""

    @model_validator(mode="after")
    def _leaves_days_to_train_on(self) -> TrainingSettings:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave no days to train on; their sum must be below 1")
        return self
