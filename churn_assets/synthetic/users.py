"""The people of the made-up product: what each is like, when each comes, changes and leaves.

All of it follows from the seed and the user's number, whatever the length of the calendar. Days count from its first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from churn_assets.synthetic.randomness import Floats, Ints, Purpose, beta_2_25, one_of, stream, waiting_days
from churn_assets.synthetic.world import MadeAttribute, MadeProperty, Where, World

Bools = npt.NDArray[np.bool_]

SIGNUP_DAYS_BEFORE = 30
SIGNUP_MEAN_DAYS = 45
"""Mean wait, from the first day, of those who sign up during the calendar."""
NEVER = 10**9
"""Days. Past any calendar."""
LEAVING, CHANGING, FIRST_TRAIT = 4, 5, 6
"""Streams of the users: when they leave and change, and the first of what they are like."""


@dataclass(frozen=True)
class Users:
    """One entry per user. `left_day` is the first silent day, `change_day` the one of the change; NEVER where none comes.

    `at_signup`, `changed` and `left` hold codes (positions in an attribute's values); -1 in `left` where leaving changes
    nothing. `own` holds the code of the user's own value by property, `takes_part` who has each moment of the world.
    """

    world: World
    signup_day: Ints
    engagement: Floats
    left_day: Ints
    change_day: Ints
    at_signup: Mapping[str, Ints]
    changed: Mapping[str, Ints]
    own: Mapping[str, Ints]
    takes_part: Sequence[Bools]
    left: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.signup_day)

    @property
    def landing_day(self) -> Ints:
        """Day the user's first row lands: the signup day, or the first of the calendar."""
        return np.maximum(self.signup_day, 0)

    def codes(self, attribute: str, day: int | Ints) -> Ints:
        """Position of each user's value among the attribute's, as of the day."""
        codes = self.at_signup[attribute]
        if attribute in self.changed:
            codes = np.where(self.change_day <= day, self.changed[attribute], codes)
        if attribute in self.left:
            codes = np.where((self.left_day <= day) & (self.left[attribute] >= 0), self.left[attribute], codes)
        return codes

    def match(self, where: Where, day: int | Ints) -> Bools:
        """Which users' attributes are as `where` says on the day."""
        matched = np.ones(len(self), dtype=bool)
        for name, values in where.items():
            attribute = self.world.attribute(name)
            if attribute.where:
                is_set = self.match(attribute.where, day).astype(np.int64)
                matched &= np.array([False in values, True in values])[is_set]
            else:
                matched &= np.array([value in values for value in attribute.values])[self.codes(name, day)]
        return matched

    def changes_on(self, day: int) -> Bools:
        """Which users have another row on the day, since something about them is no longer as it was."""
        changed = self.change_day == day
        for codes in self.left.values():
            changed |= (self.left_day == day) & (codes >= 0)
        return changed

    def is_here(self, day: int) -> Bools:
        return (self.signup_day <= day) & (day < self.left_day)


def make_users(count: int, seed: int, world: World, *, signup_during: float, churn: bool) -> Users:
    """`count` users, of whom a share `signup_during` signs up during the calendar, the others in the 30 days before."""

    def uniforms(*path: int) -> Floats:
        return stream(seed, Purpose.USERS, *path).random(count)

    before = -1 - np.floor(uniforms(0) * SIGNUP_DAYS_BEFORE)
    during = np.floor(waiting_days(SIGNUP_MEAN_DAYS, uniforms(1)))
    signup_day = np.where(uniforms(2) < signup_during, during, before).astype(np.int64)
    engagement = beta_2_25(uniforms(3))
    first_day = np.maximum(signup_day, 0)
    left_day = np.full(count, NEVER)
    if churn:
        missing = np.maximum(1 - engagement, 0.01)
        hazard = world.churn.hazard * missing * missing
        wait = np.minimum(waiting_days(1 / hazard, uniforms(LEAVING)), NEVER)
        left_day = first_day + 1 + np.floor(wait).astype(np.int64)
    drawn = [entry for entry in world.attributes if entry.values]
    owned = [entry for entry in world.properties if entry.home is not None]
    choices: list[MadeAttribute | MadeProperty] = [*drawn, *owned]
    codes = [one_of(entry, uniforms(FIRST_TRAIT + n)) for n, entry in enumerate(choices)]
    at_signup = {entry.name: code for entry, code in zip(drawn, codes, strict=False)}
    change_day, changed = np.full(count, NEVER), {}
    if world.change:
        wait = np.floor(waiting_days(world.change.mean_days, uniforms(CHANGING)))
        change_day = first_day + 1 + wait.astype(np.int64)
        change_day = np.where(change_day < left_day, change_day, NEVER)
        name = world.change.attribute
        size = len(world.attribute(name).values)
        steps = 1 + np.floor(uniforms(CHANGING, 1) * (size - 1)).astype(np.int64)
        changed[name] = (at_signup[name] + steps) % size
    users = Users(
        world=world,
        signup_day=signup_day,
        engagement=engagement,
        left_day=left_day,
        change_day=change_day,
        at_signup=at_signup,
        changed=changed,
        own={entry.name: code for entry, code in zip(owned, codes[len(drawn) :], strict=True)},
        takes_part=[uniforms(LEAVING, n) < moment.chance for n, moment in enumerate(world.moments, 1)],
    )
    return _with_endings(users)


def _with_endings(users: Users) -> Users:
    """The users with what becomes of those who leave with an event."""
    last_day = users.left_day - 1
    left: dict[str, Ints] = {}
    for moment, takes_part in zip(users.world.moments, users.takes_part, strict=True):
        if moment.on != "leaving":
            continue
        leaves = takes_part & users.match(moment.where, last_day) & (users.left_day < NEVER)
        for name, value in moment.becomes.items():
            code = users.world.attribute(name).values.index(value)
            is_new = leaves & (users.codes(name, last_day) != code)
            left[name] = np.where(is_new, code, left.get(name, np.full(len(users), -1)))
    return Users(**{**vars(users), "left": left})
