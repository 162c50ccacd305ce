"""The people of the made-up product: what each is like, when each comes, changes plan and leaves.

All of it follows from the seed and the user's number, whatever the length of the calendar. Days count from its first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churn_assets.synthetic.randomness import Floats, Ints, Purpose, beta_2_25, stream, waiting_days

COUNTRIES = ("AU", "CA", "IN", "SG", "UK", "US")
MARKETING_SOURCES = ("ads", "community", "organic", "referral", "youtube")
COURSES = ("argo-cd", "devops-warrior", "k8s-mastery", "linux-pro", "mlops-foundation", "observability", "terraform")
PRICES = (399, 449, 499, 549, 599)
"""Monthly, in the source's currency. A user keeps the price it signed up for."""

PAID_SHARE = 0.35
SIGNUP_DAYS_BEFORE = 30
SIGNUP_MEAN_DAYS = 45
"""Mean wait, from the first day, of those who sign up during the calendar."""
PLAN_CHANGE_MEAN_DAYS = 2000
"""About 1.5 % of users change plan in a month, each at most once."""
CHURN_HAZARD = 0.0055
"""Daily chance of leaving of a user with no engagement at all; it falls with the square of what is missing to 1."""
NEVER = 10**9
"""Days. Past any calendar."""


@dataclass(frozen=True)
class Users:
    """One entry per user. `change_day` flips the plan, `left_day` is the first silent day; NEVER where none comes."""

    signup_day: Ints
    is_paid_at_signup: Ints
    country: Ints
    marketing_source: Ints
    engagement: Floats
    price: Ints
    home_course: Ints
    change_day: Ints
    left_day: Ints

    def __len__(self) -> int:
        return len(self.signup_day)

    @property
    def landing_day(self) -> Ints:
        """Day the user's first row lands: the signup day, or the first of the calendar."""
        return np.maximum(self.signup_day, 0)

    def is_paid(self, day: int) -> Ints:
        return np.where(self.change_day <= day, 1 - self.is_paid_at_signup, self.is_paid_at_signup)

    def is_here(self, day: int) -> npt.NDArray[np.bool_]:
        return (self.signup_day <= day) & (day < self.left_day)


def make_users(count: int, seed: int, *, signup_during: float, churn: bool) -> Users:
    """`count` users, of whom a share `signup_during` signs up during the calendar, the others in the 30 days before."""

    def uniforms(attribute: int) -> Floats:
        return stream(seed, Purpose.USERS, attribute).random(count)

    def one_of(choices: tuple[object, ...], attribute: int) -> Ints:
        return np.floor(uniforms(attribute) * len(choices)).astype(np.int64)

    before = -1 - np.floor(uniforms(0) * SIGNUP_DAYS_BEFORE)
    during = np.floor(waiting_days(SIGNUP_MEAN_DAYS, uniforms(1)))
    signup_day = np.where(uniforms(2) < signup_during, during, before).astype(np.int64)
    engagement = beta_2_25(uniforms(3))
    first_day = np.maximum(signup_day, 0)
    if churn:
        missing = np.maximum(1 - engagement, 0.01)
        hazard = CHURN_HAZARD * missing * missing
        left_day = first_day + 1 + np.floor(np.minimum(waiting_days(1 / hazard, uniforms(4)), NEVER)).astype(np.int64)
    else:
        left_day = np.full(count, NEVER)
    change_day = first_day + 1 + np.floor(waiting_days(PLAN_CHANGE_MEAN_DAYS, uniforms(5))).astype(np.int64)
    return Users(
        signup_day=signup_day,
        is_paid_at_signup=(uniforms(6) < PAID_SHARE).astype(np.int64),
        country=one_of(COUNTRIES, 7),
        marketing_source=one_of(MARKETING_SOURCES, 8),
        engagement=engagement,
        price=np.array(PRICES)[one_of(PRICES, 9)],
        home_course=one_of(COURSES, 10),
        change_day=np.where(change_day < left_day, change_day, NEVER),
        left_day=left_day,
    )
