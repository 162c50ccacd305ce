"""What the properties of made-up events are: drawn as whole numbers, and decoded into a source's columns.

A code is a position among a property's values, or a number times a power of ten; NONE where an event has none.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churn_assets.product import Property
from churn_assets.synthetic.randomness import Floats, Ints, bell, one_of
from churn_assets.synthetic.users import Users
from churn_assets.synthetic.world import Bell, MadeProperty, Scalar

NONE = np.iinfo(np.int64).min
ARROW_TYPES = {"number": pa.float64(), "integer": pa.int64(), "flag": pa.bool_()}
"""Of a declared type; texts otherwise."""
DAYS = np.dtype("timedelta64[D]")


def fill(
    events: npt.NDArray[np.void],
    users: Users,
    types: Collection[str],
    names: tuple[str, ...],
    day: int,
    rng: np.random.Generator,
) -> None:
    """Draw the properties of events that happen on `day`, in place. `types` may be among them, `names` are by code."""
    noise = None
    for entry in users.world.properties:
        if entry.otherwise is not None:
            events[entry.name] = round(entry.otherwise * 10 ** (entry.bell.decimals if entry.bell else 0))
        if set(types).isdisjoint(entry.on):
            continue
        given = np.array([name in entry.on for name in names])[events["type"]]
        if entry.chance < 1:
            given &= rng.random(len(events)) < entry.chance
        if entry.only_with:
            given &= events[entry.only_with] != NONE
        if entry.bell:
            noise = bell(rng, len(events)) if noise is None else noise
            codes = _by_bell(entry.bell, users.engagement[events["user"]], noise)
        else:
            codes = _chosen(entry, events, users, day, rng)
        events[entry.name] = np.where(given & (codes != NONE), codes, events[entry.name])


def _by_bell(shape: Bell, engagement: Floats, noise: Floats) -> Ints:
    scale = 10.0**shape.decimals
    low, high = shape.between
    numbers = shape.mean + shape.slope * engagement + shape.spread * noise
    return np.clip(np.round(numbers * scale), low * scale, high * scale).astype(np.int64)


def _chosen(
    entry: MadeProperty, events: npt.NDArray[np.void], users: Users, day: int, rng: np.random.Generator
) -> Ints:
    if entry.by:
        values = users.world.attribute(entry.by).values
        given = list(entry.given)
        code_of = np.array([given.index(str(value)) if str(value) in given else NONE for value in values])
        return code_of[users.codes(entry.by, day)[events["user"]]]
    if entry.of:
        return np.where(events[entry.of] == NONE, NONE, events[entry.of] % len(entry.values))
    if entry.home is None:
        return one_of(entry, rng.random(len(events)))
    own = users.own[entry.name][events["user"]]
    if entry.home == 1:
        return own
    at_home = rng.random(len(events)) < entry.home
    return np.where(at_home, own, one_of(entry, rng.random(len(events))))


def decoded(codes: Ints, entry: MadeProperty, declared: Property, happened: npt.NDArray[np.datetime64]) -> pa.Array:
    """The column of one property; `happened` are the events' days."""
    is_none = codes == NONE
    if entry.bell:
        numbers = codes / 10.0**entry.bell.decimals
        whole = declared.type == "integer"
        return pa.array(np.where(is_none, 0, numbers).astype(np.int64) if whole else numbers, mask=is_none)
    return values_of(entry.choices, declared.type, np.where(is_none, 0, codes), happened, is_none)


def values_of(
    choices: tuple[Scalar, ...],
    kind: str,
    codes: Ints,
    start: npt.NDArray[np.datetime64],
    is_none: npt.NDArray[np.bool_] | None = None,
) -> pa.Array:
    """The choices at `codes` as values of a declared type. A date or time is that many days after `start`."""
    if kind in ("date", "time"):
        ahead = np.array(choices, dtype=np.int64)[codes].astype(DAYS)
        return pa.array((start + ahead).astype("datetime64[D]" if kind == "date" else "datetime64[s]"), mask=is_none)
    arrow_type = ARROW_TYPES.get(kind, pa.string())
    return pa.array(choices, arrow_type).take(pa.array(codes, mask=is_none))
