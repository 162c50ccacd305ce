"""The description of a made-up world, read from `products/worlds/<product>.toml`: the numbers and names the engine runs on.

Nothing here draws or computes. Numbers are as the source delivers them; a time or a date is so many days ahead.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORLDS = "worlds"
"""Folder of the shipped worlds, in that of the shipped declarations."""
FLAT_WEEK = (1.0,) * 7
FLAT_HOURS = (1.0,) * 24

Scalar = bool | int | float | str


def _spelled_out(values: Any) -> Any:
    """`{ prefix = "item-", count = 300 }` as its 300 texts."""
    if not isinstance(values, Mapping):
        return values
    width = len(str(values["count"] - 1))
    return tuple(f"{values['prefix']}{number:0{width}d}" for number in range(values["count"]))


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Values = Annotated[tuple[Scalar, ...], BeforeValidator(_spelled_out)]
Where = Mapping[str, Annotated[tuple[Scalar, ...], BeforeValidator(_listed)]]
"""Attributes and the values that count; all must hold."""
Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A part of a description."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Activity(Part):
    """The chance that a user does something on a day is base + slope * engagement, by a rhythm of week and hour."""

    base: float
    slope: float
    sessions: float = Field(ge=1)
    """Mean sessions of an active day."""
    week: tuple[float, ...] = Field(default=FLAT_WEEK, min_length=7, max_length=7)
    """Activity by weekday, Monday first; mean 1."""
    hours: tuple[float, ...] = Field(default=FLAT_HOURS, min_length=24, max_length=24)
    """Session starts by hour of the day, relative."""
    late_share: Share = 0.0
    """Share of events that land one or two days late."""


class Churn(Part):
    """How users leave for good."""

    hazard: float = Field(gt=0)
    """Daily chance of leaving of a user with no engagement at all; it falls with the square of what is missing to 1."""
    fading_days: int = Field(ge=0)
    fading: Share
    """Activity in the last days before a user leaves, relative."""


class Change(Part):
    """One attribute changes to another of its values, at most once per user."""

    attribute: str
    mean_days: float = Field(gt=0)


class FollowUp(Part):
    """What comes after the begin of a session: at most once, by a chance; or a mean number of times, base + slope * engagement."""

    event: str
    chance: Share | None = None
    base: float = 0.0
    slope: float = 0.0


class Sessions(Part):
    """A session is one event and what follows it."""

    begins: str
    gap_seconds: tuple[int, int] = (120, 1500)
    """From one event to the next: at least, and less than."""
    follows: tuple[FollowUp, ...] = ()


class Instead(Part):
    """Another event in its place, by a chance."""

    event: str
    chance: Share


class Scheduled(Part):
    """An event of every so many days since signup, for the users that `where` names."""

    event: str
    every_days: int = Field(ge=1)
    from_day: int = 0
    """Days after signup before which it does not come."""
    where: Where = {}
    instead: Instead | None = None


class Moment(Part):
    """An event of one day of a user's life: of its signup, of its change, or the last before it leaves."""

    on: Literal["signup", "change", "leaving"]
    event: str
    chance: Share = 1.0
    where: Where = {}
    becomes: Mapping[str, Scalar] = {}
    """Attributes of a user that left with this event, from the next day on."""


class Rare(Part):
    """An event by chance, per active day."""

    event: str
    chance: Share


class MadeAttribute(Part):
    """An attribute is one of `values`; or a flag, whether other attributes are as in `where`."""

    name: str
    values: Values = ()
    shares: tuple[float, ...] = ()
    where: Where = {}


class Bell(Part):
    """A number mean + slope * engagement + spread * noise, rounded to decimals and kept within limits."""

    mean: float
    slope: float = 0.0
    spread: float
    decimals: int = 0
    between: tuple[float, float]


class MadeProperty(Part):
    """What an event's property is, on the event types `on`: one of `values`, or a number by `bell`."""

    name: str
    on: tuple[str, ...]
    values: Values = ()
    shares: tuple[float, ...] = ()
    home: Share | None = None
    """Share of events with the user's own of the values; 1: always that one."""
    by: str | None = None
    """The attribute that decides which of the values it is, by `given`."""
    given: Mapping[str, Scalar] = {}
    of: str | None = None
    """The property that decides which of the values it is: equal ones go with equal ones."""
    bell: Bell | None = None
    chance: Share = 1.0
    """Share of events that have it."""
    only_with: str | None = None
    """The property without which it is not given."""
    otherwise: float | None = None
    """What other events have. None: null."""

    @property
    def choices(self) -> tuple[Scalar, ...]:
        """The values it can have, in the order of their codes; none for a number by bell."""
        return tuple(self.given.values()) if self.by else self.values

    @model_validator(mode="after")
    def _has_one_origin(self) -> MadeProperty:
        if sum(map(bool, (self.values, self.given, self.bell))) != 1 or bool(self.by) != bool(self.given):
            raise ValueError(f"property {self.name} needs one of values, by with given, or bell")
        return self


class World(Part):
    """A whole description. Users' own values are drawn in the order of `attributes`, then of `properties`."""

    activity: Activity
    churn: Churn
    change: Change | None = None
    sessions: Sessions
    scheduled: tuple[Scheduled, ...] = ()
    moments: tuple[Moment, ...] = ()
    rare: tuple[Rare, ...] = ()
    attributes: tuple[MadeAttribute, ...] = ()
    properties: tuple[MadeProperty, ...] = ()

    @property
    def events(self) -> frozenset[str]:
        """Every event type that occurs."""
        names = {self.sessions.begins, *(entry.instead.event for entry in self.scheduled if entry.instead)}
        for entries in (self.sessions.follows, self.scheduled, self.moments, self.rare):
            names |= {entry.event for entry in entries}
        return frozenset(names)

    def attribute(self, name: str) -> MadeAttribute:
        return next(entry for entry in self.attributes if entry.name == name)


def shipped_world(name: str) -> World | None:
    """The world that comes with the package for the product of that name, if there is one."""
    path = files("churn_assets.products").joinpath(WORLDS, f"{name}.toml")
    return World.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
