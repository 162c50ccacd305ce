"""Lands a made-up world day by day: a continuous calendar with a users and an events file for each of its days.

The same parameters give the same bytes, and more days only add to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.errors import ChurnError
from churn_assets.landing.incoming import incoming, publish
from churn_assets.product import read_product
from churn_assets.settings import SourceName
from churn_assets.synthetic.events import DAY_SECONDS, EVENT, LONGEST_DELAY_DAYS, NONE, make_day, make_habits
from churn_assets.synthetic.faults import Planted, Planter
from churn_assets.synthetic.files import FileFormat, write_faulty_table, write_table
from churn_assets.synthetic.randomness import Ints
from churn_assets.synthetic.users import COUNTRIES, COURSES, MARKETING_SOURCES, Users, make_users

KNOWN_EVENT_TYPES = read_product().event_vocabulary
PLANS = ("free", "paid")


@dataclass(frozen=True)
class GeneratedWorld:
    """What was landed: `users` of them, and of the rows how many came late or changed a plan."""

    start: date
    end: date
    days: int
    users: int
    events: int
    late_events: int
    plan_changes: int
    unchanged: bool
    planted: tuple[Planted, ...] = ()


def generate(
    landing_dir: Path,
    *,
    start: date,
    days: int,
    users: int = 2000,
    seed: int = 42,
    file_format: FileFormat = "csv",
    events_per_user_day: float | None = None,
    signup_during: float = 0.1,
    late_share: float = 0.005,
    churn: bool = True,
    weekly: bool = True,
    with_latent: bool = False,
    faults: float | None = None,
    lateness_days: int = 3,
    replace: bool = False,
    on_day: Callable[[date], None] | None = None,
) -> GeneratedWorld:
    """Land `days` days from `start` in `landing_dir`, as `{users,events}/date=.../{users,events}.<file_format>`.

    `signup_during` is the share of users that sign up from `start` on rather than before, half of them within about a
    month; who comes after the last day is not landed. `churn=False`, `weekly=False` and `signup_during=0` make every
    day alike. `events_per_user_day` counts users that have not left. `late_share` of events land 1 or 2 days late.
    `with_latent` adds the hidden cause, `engagement_score`, to the users. `faults` is how many faulty rows are planted
    per row; to be too late, an event must land over `lateness_days` after its day. Times are naive, to be read as UTC. Raises
    ChurnError for a parameter that makes no world, and if one of these days is there already with other content and
    not `replace`.
    """
    if days < 1 or users < 1 or seed < 0:
        raise ChurnError("A world needs at least one day, one user and a seed that is not negative; give others.")
    if not (0 <= signup_during <= 1 and 0 <= late_share <= 1):
        raise ChurnError("signup_during and late_share are shares; give each a number from 0 to 1.")
    if faults is not None and not 0 < faults <= 1:
        raise ChurnError("The rate of faults is a share; give a number above 0, and at most 1.")
    if (date.max - start).days < days:
        raise ChurnError("The calendar would run past the year 9999; start earlier.")
    people = make_users(users, seed, signup_during=signup_during, churn=churn)
    habits = make_habits(people, events_per_user_day, weekly=weekly, late_share=late_share)
    waiting: list[npt.NDArray[np.void]] = [np.zeros(0, EVENT) for _ in range(LONGEST_DELAY_DAYS + 1)]
    event_count = late_count = change_count = 0
    planter = None
    if faults is not None:
        planter = Planter(seed, faults, lateness_days=lateness_days, can_break=file_format != "parquet")
    with incoming(landing_dir) as staging:
        for number in range(days):
            day = start + timedelta(days=number)
            happened = make_day(people, habits, seed, number, day)
            for delay in range(LONGEST_DELAY_DAYS + 1):
                waiting[delay] = np.concatenate([waiting[delay], happened[happened["delay"] == delay]])
            landing, waiting = waiting[0], [*waiting[1:], np.zeros(0, EVENT)]
            landed_users = _users_table(people, start, number, with_latent=with_latent)
            landed_events = _events_table(landing, day, first_id=event_count + 1)
            tables: dict[SourceName, pa.Table] = {"users": landed_users, "events": landed_events}
            for name, table in tables.items():
                path = staging / name / f"date={day.isoformat()}" / f"{name}.{file_format}"
                path.parent.mkdir(parents=True)
                if planter:
                    place = path.relative_to(staging).as_posix()
                    faulty = planter.plant(_with_text_times(table), name, day, number, place)
                    write_faulty_table(faulty.table, faulty.broken, path, file_format)
                else:
                    write_table(table if file_format == "parquet" else _with_text_times(table), path, file_format)
            event_count += len(landing)
            late_count += int((landing["delay"] > 0).sum())
            change_count += int((people.change_day == number).sum())
            if on_day is not None:
                on_day(day)
        unchanged = publish(staging, landing_dir, replace=replace, whole=False)
    return GeneratedWorld(
        start=start,
        end=start + timedelta(days=days - 1),
        days=days,
        users=int((people.landing_day < days).sum()),
        events=event_count,
        late_events=late_count,
        plan_changes=change_count,
        unchanged=unchanged,
        planted=tuple(planter.planted) if planter else (),
    )


def _users_table(users: Users, start: date, number: int, *, with_latent: bool) -> pa.Table:
    """Rows that land on day `number`: users who are new to the source, and those whose plan changed."""
    rows = np.flatnonzero((users.landing_day == number) | (users.change_day == number))
    is_paid = users.is_paid(number)[rows]
    signup = np.datetime64(start, "D") + users.signup_day[rows]
    columns = {
        "user_id": pa.array(rows + 1),
        "signup_date": pa.array(signup),
        "plan": _named(PLANS, is_paid),
        "is_paid": pa.array(is_paid),
        "country": _named(COUNTRIES, users.country[rows]),
        "marketing_source": _named(MARKETING_SOURCES, users.marketing_source[rows]),
    }
    if with_latent:
        columns["engagement_score"] = pa.array(np.round(users.engagement[rows] * 10_000) / 10_000)
    return pa.table(columns)


def _events_table(landing: npt.NDArray[np.void], day: date, *, first_id: int) -> pa.Table:
    """The events that land on `day`, by the time they happened, numbered from `first_id`."""
    moment = landing["second"] - DAY_SECONDS * landing["delay"]
    order = np.lexsort((landing["type"], landing["user"], moment))
    events, moment = landing[order], moment[order]
    midnight = np.datetime64(datetime.combine(day, time()), "s")
    return pa.table(
        {
            "event_id": pa.array(np.arange(first_id, first_id + len(events))),
            "user_id": pa.array(events["user"] + 1),
            "event_time": pa.array(midnight + moment.astype("timedelta64[s]")),
            "event_type": _named(KNOWN_EVENT_TYPES, events["type"]),
            "course_id": _named(COURSES, events["course"]),
            "watch_minutes": pa.array(events["minutes_x100"] / 100),
            "quiz_score": _number(events["score_x10"], divisor=10),
            "amount": _number(events["amount"], divisor=1),
        }
    )


def _named(names: tuple[str, ...], codes: Ints) -> pa.Array:
    return pa.array(names).take(pa.array(codes, mask=codes == NONE))


def _number(values: Ints, *, divisor: int) -> pa.Array:
    return pa.array(values / divisor, mask=values == NONE)


def _with_text_times(table: pa.Table) -> pa.Table:
    """Dates and times as ISO 8601 text with a `T`."""
    columns = {
        name: pc.replace_substring(values.cast(pa.string()), " ", "T") if pa.types.is_temporal(values.type) else values
        for name, values in zip(table.column_names, table.columns, strict=True)
    }
    return pa.table(columns)
