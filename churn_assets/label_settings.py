"""Settings of churn_labels, `[labels]` of churn.toml: which kind of churn, its horizon, who is at risk, known outages.

Whether the names they use are names of the product is judged in `label_names.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from churn_assets.product.condition import Conditions
from churn_assets.product.entries import Scalar
from churn_assets.product.fields import Names
from churn_assets.product.measures import TOTAL_EVENTS

LONGEST_DAYS = 365
KEYS = {
    "silence": {"activity", "silence_days"},
    "event": {"event", "at_risk", "starts"},
    "lapse": {"paid_until", "renewal_events", "grace_days"},
}
"""Keys that say something of one kind of churn alone."""


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

    kind: Literal["silence", "event", "lapse"] = "silence"
    """What churn is: no active day, an event such as a cancellation, or a paid_until date that passes without a renewal."""
    horizon_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """A label looks at the days d + 1 .. d + horizon_days."""
    at_risk_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """Silence: a user active within [d - at_risk_days + 1, d] is at risk of churning on d. Every kind: an outage of a part of
    the product concerns who took part in it within these days.
    """
    activity: Annotated[Names, AfterValidator(_some_activity)] = (TOTAL_EVENTS,)
    """Silence: a day is active if one of these measures is above 0."""
    silence_days: int | None = Field(default=None, ge=1, le=LONGEST_DAYS)
    """Silence, survival columns: so many silent days in a row are a churn. None: horizon_days."""
    event: Names = ()
    """Event: a user churns with an event of one of these types."""
    at_risk: Conditions = ()
    """Event: at risk is whose attributes as of the day meet these conditions."""
    starts: Names = ()
    """Event: at risk is who has had an event of these types, and none of `event` since."""
    paid_until: str | None = None
    """Lapse: the attribute, or with renewal_events their property, with the last day a user has the product for."""
    renewal_events: Names = ()
    """Lapse: event types with which a user pays on."""
    grace_days: int = Field(default=7, ge=0, le=LONGEST_DAYS)
    """Lapse: so many days after the paid_until date a renewal still counts as one."""
    partial_follow_up: bool = False
    """Survival columns are also given before the horizon has closed, as far as it can be seen, and computed again daily."""
    outages: tuple[Outage, ...] = ()

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> LabelSettings:
        for kind, keys in KEYS.items():
            given = [key for key in sorted(keys) if getattr(self, key) != type(self).model_fields[key].default]
            if kind != self.kind and given:
                raise ValueError(
                    f"{given[0]} is for kind = '{kind}', and kind is '{self.kind}'; take it out, or change kind"
                )
        if self.kind == "event":
            self._check_event()
        if self.kind == "lapse" and not self.paid_until:
            raise ValueError(
                "kind 'lapse' needs paid_until: the attribute, or the property of renewal_events, with the date"
            )
        if self.silence_days and self.silence_days > self.horizon_days:
            raise ValueError(
                f"silence_days {self.silence_days} is above horizon_days {self.horizon_days}, so that no such silence could be "
                "seen; lower it, or raise horizon_days"
            )
        return self

    def _check_event(self) -> None:
        if not self.event:
            raise ValueError("kind 'event' needs event: the event types with which a user churns")
        if bool(self.at_risk) == bool(self.starts):
            both = "both say" if self.at_risk else "neither says"
            raise ValueError(f"at_risk and starts: {both} who is at risk; give one of them")
        if shared := sorted(set(self.event) & set(self.starts)):
            raise ValueError(f"'{shared[0]}' is named by event and by starts; it can only do one of both")

    @property
    def churned_column(self) -> str:
        return f"churned_{self.horizon_days}d"

    @property
    def reach_days(self) -> int:
        """How many days after a day its label looks at."""
        return self.horizon_days + (self.grace_days if self.kind == "lapse" else 0)

    @property
    def confirmation_days(self) -> int:
        """How many days from a churn on it takes to see that it is one, besides the day itself."""
        return {"silence": (self.silence_days or self.horizon_days) - 1, "event": 0, "lapse": self.grace_days}[
            self.kind
        ]

    @property
    def followed_table(self) -> str:
        """The table in whose published days a label sees what happens."""
        if self.kind == "silence":
            return "user_daily"
        return "clean_events" if self.kind == "event" or self.renewal_events else "user_day_grid"

    @property
    def state_events(self) -> tuple[str, ...]:
        """Event types whose latest event says how a user stands; none where attributes or the days before do."""
        if self.kind == "event":
            return (*self.event, *self.starts) if self.starts else ()
        return self.renewal_events

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
