"""What the users do on one day: who comes, for how many sessions, and what happens in each.

A day follows from the seed, its number and the users, so days can be made in any order and a longer calendar begins
with the days of a shorter one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from churn_assets.errors import ChurnError
from churn_assets.synthetic.properties import NONE, fill
from churn_assets.synthetic.randomness import Floats, Ints, Purpose, stream, whole
from churn_assets.synthetic.users import Users
from churn_assets.synthetic.world import FollowUp

DAY_SECONDS = 86_400
LONGEST_DELAY_DAYS = 2
MOST_LIKELY = 0.98
"""Chance of activity of the most active user on the best day."""
Events = npt.NDArray[np.void]


@dataclass(frozen=True)
class Habits:
    """How much is done: chance of a day's activity by user, mean sessions of an active day, what follows their begin."""

    types: tuple[str, ...]
    """Event types by code."""
    activity: Floats
    sessions: float
    followed_by: float
    weekly: bool
    late_share: float


def event_dtype(users: Users) -> np.dtype[np.void]:
    """`second` counts from midnight, `user` and `type` are positions, `delay` is days from happening to landing; then codes."""
    names = ("second", "user", "type", "delay", *(entry.name for entry in users.world.properties))
    return np.dtype([(name, np.int64) for name in names])


def make_habits(
    users: Users, types: tuple[str, ...], events_per_user_day: float | None, *, weekly: bool, late_share: float | None
) -> Habits:
    """`events_per_user_day` is the mean over users that have not left; None: as engaged as they are.

    A smaller figure makes active days both fewer and shorter, a larger one makes them longer. Raises ChurnError if
    scheduled events alone are more.
    """
    usual = users.world.activity
    share = usual.late_share if late_share is None else late_share
    activity = usual.base + usual.slope * users.engagement
    habits = Habits(types, activity, usual.sessions, 1.0, weekly, share)
    if events_per_user_day is None:
        return habits
    scheduled = sum(
        float(users.match(entry.where, users.signup_day).mean()) / entry.every_days for entry in users.world.scheduled
    )
    wanted = events_per_user_day - scheduled
    if wanted <= 0:
        raise ChurnError(
            f"events_per_user_day = {events_per_user_day} is less than scheduled events alone; ask for over {scheduled:.3f}."
        )
    per_active_day = usual.sessions * (1 + float(_all_follow_ups(users).mean()))
    scale = wanted / float((activity * _events_per_active_day(users, habits)).mean())
    depth = max(float(np.sqrt(scale)) if scale < 1 else scale, 1.2 / per_active_day)
    sessions = max(1.0, usual.sessions * depth)
    longest = per_active_day / usual.sessions - 1
    followed_by = (per_active_day * depth / sessions - 1) / longest if longest else 1.0
    habits = Habits(types, activity, sessions, followed_by, weekly, share)
    activity = activity * (wanted / float((activity * _events_per_active_day(users, habits)).mean()))
    return Habits(types, activity, sessions, followed_by, weekly, share)


def make_day(users: Users, habits: Habits, seed: int, number: int, day: date) -> Events:
    """The events that happen on day `number` of the calendar, as event_dtype, in no order."""
    rng = stream(seed, Purpose.DAY, number)
    usual, churn = users.world.activity, users.world.churn
    here = users.is_here(number)
    chance = habits.activity * (usual.week[day.weekday()] if habits.weekly else 1.0)
    chance = np.where(users.left_day - number <= churn.fading_days, chance * churn.fading, chance)
    active = np.flatnonzero(here & (rng.random(len(users)) < np.minimum(chance, MOST_LIKELY)))
    events = np.concatenate(
        [
            _sessions(users, habits, active, number, rng),
            *_scheduled(users, habits, here, number, rng),
            *_moments(users, habits, here, number, rng),
            *_rare(users, habits, active, number, rng),
        ]
    )
    is_late = rng.random(len(events)) < habits.late_share
    events["delay"] = np.where(is_late, 1 + np.floor(rng.random(len(events)) * LONGEST_DELAY_DAYS), 0)
    return events


def _mean(follow_up: FollowUp, engagement: Floats) -> Floats:
    if follow_up.chance is not None:
        return np.full(len(engagement), follow_up.chance)
    return follow_up.base + follow_up.slope * engagement


def _all_follow_ups(users: Users) -> Floats:
    """Mean events after the begin of a session."""
    return np.sum([_mean(entry, users.engagement) for entry in users.world.sessions.follows], axis=0)


def _events_per_active_day(users: Users, habits: Habits) -> Floats:
    rare = sum(entry.chance for entry in users.world.rare)
    return rare + habits.sessions * (1 + habits.followed_by * _all_follow_ups(users))


def _sessions(users: Users, habits: Habits, active: Ints, number: int, rng: np.random.Generator) -> Events:
    """The begins of sessions and what follows them, a gap apart."""
    kinds = users.world.sessions
    owner = np.repeat(active, 1 + whole(habits.sessions - 1, rng, len(active)))
    count = len(owner)
    counts = [np.ones(count, dtype=np.int64)]
    for entry in kinds.follows:
        mean = habits.followed_by * _mean(entry, users.engagement[owner])
        counts.append(whole(mean, rng, count) if entry.chance is None else (rng.random(count) < mean).astype(np.int64))
    sizes: Ints = np.sum(counts, axis=0)

    first = np.cumsum(sizes) - sizes
    session = np.repeat(np.arange(count), sizes)
    place = np.arange(len(session)) - first[session]
    events = _blank(users, owner[session])
    codes = [habits.types.index(name) for name in (kinds.begins, *(entry.event for entry in kinds.follows))]
    events["type"] = np.repeat(np.tile(codes, count), np.column_stack(counts).ravel())
    shortest, longest = kinds.gap_seconds
    gaps = np.where(place == 0, 0, shortest + np.floor(rng.random(len(session)) * (longest - shortest)))
    since_start = np.cumsum(gaps.astype(np.int64))
    since_begin = since_start - since_start[first[session]]
    # Scaled so that even the latest session ends before midnight, and the longest within the day.
    lasts = np.minimum(since_begin[first + sizes - 1], DAY_SECONDS - 1)
    begin = np.floor(_time_of_day(users, rng, count) * (DAY_SECONDS - lasts)).astype(np.int64)
    events["second"] = np.minimum(begin[session] + since_begin, DAY_SECONDS - 1)
    fill(events, users, {kinds.begins, *(entry.event for entry in kinds.follows)}, habits.types, number, rng)
    return events


def _scheduled(
    users: Users, habits: Habits, here: npt.NDArray[np.bool_], number: int, rng: np.random.Generator
) -> Iterator[Events]:
    since_signup = number - users.signup_day
    for entry in users.world.scheduled:
        is_due = here & (since_signup % entry.every_days == 0) & (since_signup >= entry.from_day)
        due = np.flatnonzero(is_due & users.match(entry.where, number))
        events = _blank(users, due)
        events["type"] = habits.types.index(entry.event)
        types = {entry.event}
        if entry.instead:
            other = habits.types.index(entry.instead.event)
            events["type"] = np.where(rng.random(len(due)) < entry.instead.chance, other, events["type"])
            types.add(entry.instead.event)
        yield _at_some_time(events, users, habits, types, number, rng)


def _moments(
    users: Users, habits: Habits, here: npt.NDArray[np.bool_], number: int, rng: np.random.Generator
) -> Iterator[Events]:
    day_of = {"signup": users.signup_day, "change": users.change_day, "leaving": users.left_day - 1}
    for entry, takes_part in zip(users.world.moments, users.takes_part, strict=True):
        comes = here & takes_part & (day_of[entry.on] == number)
        events = _blank(users, np.flatnonzero(comes & users.match(entry.where, number)))
        events["type"] = habits.types.index(entry.event)
        yield _at_some_time(events, users, habits, {entry.event}, number, rng)


def _rare(users: Users, habits: Habits, active: Ints, number: int, rng: np.random.Generator) -> Iterator[Events]:
    for entry in users.world.rare:
        events = _blank(users, active[rng.random(len(active)) < entry.chance])
        events["type"] = habits.types.index(entry.event)
        yield _at_some_time(events, users, habits, {entry.event}, number, rng)


def _at_some_time(
    events: Events, users: Users, habits: Habits, types: Collection[str], number: int, rng: np.random.Generator
) -> Events:
    events["second"] = np.floor(_time_of_day(users, rng, len(events)) * DAY_SECONDS)
    fill(events, users, types, habits.types, number, rng)
    return events


def _time_of_day(users: Users, rng: np.random.Generator, size: int) -> Floats:
    """Shares of the day that are over, by the rhythm of the hours."""
    hours = users.world.activity.hours
    cumulative = np.concatenate(([0], np.cumsum(hours))) / sum(hours)
    return np.interp(rng.random(size), cumulative, np.arange(len(hours) + 1) / len(hours))


def _blank(users: Users, owners: Ints) -> Events:
    """Events of these users without a time, of the first type, and without properties."""
    events = np.zeros(len(owners), event_dtype(users))
    events["user"] = owners
    for entry in users.world.properties:
        events[entry.name] = NONE
    return events
