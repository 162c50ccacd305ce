"""Settings of churn_labels, `[labels]` of churn.toml: horizon, at-risk window, what counts as activity, known outages.

Whether the names they use are names of the product is judged in `label_names.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from churn_assets.product.entries import Scalar
from churn_assets.product.fields import Names
from churn_assets.product.measures import TOTAL_EVENTS

LONGEST_DAYS = 365


def _some_activity(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f"an empty list cannot count as activity; name one or more measures, such as {TOTAL_EVENTS}")
    return tuple(dict.fromkeys(names))


class Outage(BaseModel):
    """Days first..last on which a source is known to be missing. No last: it goes on.

    Any further key is a property of events, and its value the part of the product that is missing: `device = "ios"`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Scalar] = Field(init=False)

    first: date
    last: date | None = None

    @model_validator(mode="after")
    def _days_in_order(self) -> Outage:
        if self.last and self.last < self.first:
            raise ValueError(f"an outage's last day {self.last} lies before its first, {self.first}")
        return self

    @model_validator(mode="after")
    def _one_part_at_most(self) -> Outage:
        further = self.model_extra or {}
        if len(further) > 1:
            raise ValueError(
                f"an outage names {' and '.join(map(repr, further))}; name one property, and write an outage for each part"
            )
        if "" in further.values():
            raise ValueError(f"an outage names {next(iter(further))!r} without a value; give the value, or take it out")
        return self

    @property
    def part(self) -> tuple[str, Scalar] | None:
        """Property and value of the events that are missing; None: all are."""
        return next(iter((self.model_extra or {}).items()), None)


class LabelSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """A label looks at the days d + 1 .. d + horizon_days."""
    at_risk_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """A user active within [d - at_risk_days + 1, d] is at risk of churning on d."""
    activity: Annotated[Names, AfterValidator(_some_activity)] = (TOTAL_EVENTS,)
    """A day is active if one of these measures is above 0."""
    outages: tuple[Outage, ...] = ()

    @property
    def churned_column(self) -> str:
        return f"churned_{self.horizon_days}d"

    @property
    def outage_parts(self) -> Mapping[str, tuple[Scalar, ...]]:
        """Properties that outages name, each with its values."""
        parts: dict[str, tuple[Scalar, ...]] = {}
        for name, value in (outage.part for outage in self.outages if outage.part):
            parts[name] = tuple(dict.fromkeys((*parts.get(name, ()), value)))
        return parts

    @property
    def part_lookback_days(self) -> int | None:
        """How far before a day its label looks for events of outage_parts; None: since the calendar's start.

        From at_risk_days before an outage, which say whom it concerns, to the last day on which it is among the
        at_risk_days before.
        """
        outages = [outage for outage in self.outages if outage.part]
        if any(outage.last is None for outage in outages):
            return None
        lengths = [(outage.last - outage.first).days for outage in outages if outage.last]
        return max(lengths, default=0) + 2 * (self.at_risk_days - 1)
