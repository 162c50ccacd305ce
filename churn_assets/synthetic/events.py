"""What the users do on one day: who comes, for how many sessions, and what happens in each.

A day follows from the seed, its number and the users, so days can be made in any order and a longer calendar begins
with the days of a shorter one. Rates are the peer project's (shared/reference); rhythms of week and hour are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from churn_assets.errors import ChurnError
from churn_assets.product import read_product
from churn_assets.synthetic.randomness import Floats, Ints, Purpose, bell, stream, whole
from churn_assets.synthetic.users import COURSES, Users

KNOWN_EVENT_TYPES = read_product().event_vocabulary
LOGIN, ENROLL, VIDEO, QUIZ, PAID, PAYMENT_FAILED, TICKET = range(len(KNOWN_EVENT_TYPES))
"""Event types by their place in KNOWN_EVENT_TYPES."""
NONE = -1
EVENT = np.dtype(
    [(name, np.int64) for name in ("second", "user", "type", "course", "minutes_x100", "score_x10", "amount", "delay")]
)
"""`second` counts from midnight, `user` and `course` are positions; `delay` is days from happening to landing."""

DAY_SECONDS = 86_400
SESSIONS = 2.0
"""Mean sessions of an active day, each begun by a login."""
BILLING_DAYS = 30
PAYMENT_FAILURE_RATE = 0.072
TICKET_RATE = 0.0055
"""Per active day."""
HOME_COURSE_SHARE = 0.5
WEEK = (1.06, 1.08, 1.08, 1.06, 1.02, 0.84, 0.86)
"""Activity by weekday, Monday first; mean 1."""
HOURS = (4, 2, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 13, 12, 12, 13, 14, 16, 19, 22, 23, 20, 14, 8)
"""Session starts by hour of the day, relative."""
FADING_DAYS = 14
FADING = 0.6
"""Activity in the last two weeks before a user leaves, relative."""
LONGEST_DELAY_DAYS = 2
MOST_LIKELY = 0.98


@dataclass(frozen=True)
class Habits:
    """How much is done: chance of a day's activity by user, mean sessions of an active day, what follows a login."""

    activity: Floats
    sessions: float
    followed_by: float
    weekly: bool
    late_share: float


def make_habits(users: Users, events_per_user_day: float | None, *, weekly: bool, late_share: float) -> Habits:
    """`events_per_user_day` is the mean over users that have not left; None: as engaged as they are, about 2.2.

    A smaller figure makes active days both fewer and shorter, a larger one makes them longer. Raises ChurnError if
    payments alone are more.
    """
    activity = 0.13 + 0.80 * users.engagement
    habits = Habits(activity, SESSIONS, 1.0, weekly, late_share)
    if events_per_user_day is None:
        return habits
    payments = float(users.is_paid_at_signup.mean()) / BILLING_DAYS
    wanted = events_per_user_day - payments
    if wanted <= 0:
        raise ChurnError(
            f"events_per_user_day = {events_per_user_day} is less than payments alone; ask for over {payments:.3f}."
        )
    per_active_day = SESSIONS * (1 + float(_follow_ups(users.engagement).mean()))
    scale = wanted / float((activity * _events_per_active_day(users, habits)).mean())
    depth = max(float(np.sqrt(scale)) if scale < 1 else scale, 1.2 / per_active_day)
    sessions = max(1.0, SESSIONS * depth)
    followed_by = (per_active_day * depth / sessions - 1) / (per_active_day / SESSIONS - 1)
    habits = Habits(activity, sessions, followed_by, weekly, late_share)
    activity = activity * (wanted / float((activity * _events_per_active_day(users, habits)).mean()))
    return Habits(activity, sessions, followed_by, weekly, late_share)


def make_day(users: Users, habits: Habits, seed: int, number: int, day: date) -> npt.NDArray[np.void]:
    """The events that happen on day `number` of the calendar, as EVENT, in no order."""
    rng = stream(seed, Purpose.DAY, number)
    here = users.is_here(number)
    chance = habits.activity * (WEEK[day.weekday()] if habits.weekly else 1.0)
    chance = np.where(users.left_day - number <= FADING_DAYS, chance * FADING, chance)
    active = np.flatnonzero(here & (rng.random(len(users)) < np.minimum(chance, MOST_LIKELY)))
    due = np.flatnonzero(here & (users.is_paid(number) == 1) & ((number - users.signup_day) % BILLING_DAYS == 0))
    events = np.concatenate([_sessions(users, habits, active, rng), _payments(users, due, rng), _tickets(active, rng)])
    is_late = rng.random(len(events)) < habits.late_share
    events["delay"] = np.where(is_late, 1 + np.floor(rng.random(len(events)) * LONGEST_DELAY_DAYS), 0)
    return events


def _follow_ups(engagement: Floats) -> Floats:
    """Mean events after a login: an enrolment, videos, quizzes."""
    return 0.05 + _videos(engagement) + _quizzes(engagement)


def _videos(engagement: Floats) -> Floats:
    return 0.30 + 0.76 * engagement


def _quizzes(engagement: Floats) -> Floats:
    return 0.16 + 0.50 * engagement


def _events_per_active_day(users: Users, habits: Habits) -> Floats:
    return TICKET_RATE + habits.sessions * (1 + habits.followed_by * _follow_ups(users.engagement))


def _sessions(users: Users, habits: Habits, active: Ints, rng: np.random.Generator) -> npt.NDArray[np.void]:
    """Logins and what follows them, 2 to 25 minutes apart."""
    per_user = 1 + whole(habits.sessions - 1, rng, len(active))
    owner = np.repeat(active, per_user)
    count = len(owner)
    engagement = users.engagement[owner]
    enrolments = (rng.random(count) < 0.05 * habits.followed_by).astype(np.int64)
    videos = whole(habits.followed_by * _videos(engagement), rng, count)
    quizzes = whole(habits.followed_by * _quizzes(engagement), rng, count)
    sizes = 1 + enrolments + videos + quizzes

    first = np.cumsum(sizes) - sizes
    session = np.repeat(np.arange(count), sizes)
    total = len(session)
    place = np.arange(total) - first[session]
    events = _blank(total)
    events["user"] = owner[session]
    events["type"] = np.select(
        [place == 0, place <= enrolments[session], place <= (enrolments + videos)[session]],
        [LOGIN, ENROLL, VIDEO],
        default=QUIZ,
    )
    gaps = np.where(place == 0, 0, 120 + np.floor(rng.random(total) * 1380)).astype(np.int64)
    since_start = np.cumsum(gaps)
    since_begin = since_start - since_start[first[session]]
    lasts = since_begin[first + sizes - 1]
    # Scaled so that even the latest session ends before midnight.
    begin = np.floor(_time_of_day(rng, count) * (DAY_SECONDS - lasts)).astype(np.int64)
    events["second"] = begin[session] + since_begin

    at_home = rng.random(total) < HOME_COURSE_SHARE
    elsewhere = np.floor(rng.random(total) * len(COURSES)).astype(np.int64)
    course = np.where(at_home, users.home_course[events["user"]], elsewhere)
    events["course"] = np.where(place == 0, NONE, course)
    noise, drive = bell(rng, total), users.engagement[events["user"]]
    minutes = np.clip(np.round((29 + 22 * drive + 11.8 * noise) * 100), 200, 12_000)
    events["minutes_x100"] = np.where(events["type"] == VIDEO, minutes, 0)
    score = np.clip(np.round((58 + 24 * drive + 15.5 * noise) * 10), 0, 1000)
    events["score_x10"] = np.where(events["type"] == QUIZ, score, NONE)
    return events


def _payments(users: Users, due: Ints, rng: np.random.Generator) -> npt.NDArray[np.void]:
    events = _blank(len(due))
    events["user"] = due
    events["type"] = np.where(rng.random(len(due)) < PAYMENT_FAILURE_RATE, PAYMENT_FAILED, PAID)
    events["amount"] = users.price[due]
    events["second"] = np.floor(_time_of_day(rng, len(due)) * DAY_SECONDS)
    return events


def _tickets(active: Ints, rng: np.random.Generator) -> npt.NDArray[np.void]:
    owner = active[rng.random(len(active)) < TICKET_RATE]
    events = _blank(len(owner))
    events["user"], events["type"] = owner, TICKET
    events["second"] = np.floor(_time_of_day(rng, len(owner)) * DAY_SECONDS)
    return events


def _time_of_day(rng: np.random.Generator, size: int) -> Floats:
    """Shares of the day that are over, by the rhythm of the hours."""
    cumulative = np.concatenate(([0], np.cumsum(HOURS))) / sum(HOURS)
    return np.interp(rng.random(size), cumulative, np.arange(len(HOURS) + 1) / len(HOURS))


def _blank(size: int) -> npt.NDArray[np.void]:
    events = np.zeros(size, EVENT)
    for name in ("course", "score_x10", "amount"):
        events[name] = NONE
    return events
