"""Lands a made-up world day by day: a continuous calendar with a users and an events file for each of its days.

The same parameters give the same bytes, and more days only add to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from churn_assets.errors import ChurnError
from churn_assets.landing.folder import Deliveries
from churn_assets.landing.incoming import incoming, publish
from churn_assets.product import DEFAULT_PRODUCT, Product, read_product
from churn_assets.settings import SourceName
from churn_assets.synthetic.derived import event_names, world_of
from churn_assets.synthetic.events import LONGEST_DELAY_DAYS, Events, event_dtype, make_day, make_habits
from churn_assets.synthetic.faults import Planted, Planter
from churn_assets.synthetic.files import FileFormat, write_faulty_table, write_table
from churn_assets.synthetic.tables import events_table, users_table, with_text_times
from churn_assets.synthetic.users import make_users


@dataclass(frozen=True)
class GeneratedWorld:
    """What was landed: how many users and events, how many events came late, and how many rows are changes of a user."""

    start: date
    end: date
    days: int
    users: int
    events: int
    late_events: int
    user_changes: int
    unchanged: bool
    planted: tuple[Planted, ...] = ()


def generate(
    landing_dir: Path,
    *,
    product: str | Product = DEFAULT_PRODUCT,
    start: date,
    days: int,
    users: int = 2000,
    seed: int = 42,
    file_format: FileFormat = "csv",
    events_per_user_day: float | None = None,
    signup_during: float = 0.1,
    late_share: float | None = None,
    churn: bool = True,
    weekly: bool = True,
    with_latent: bool = False,
    faults: float | None = None,
    lateness_days: int = 3,
    replace: bool = False,
    on_day: Callable[[date], None] | None = None,
) -> GeneratedWorld:
    """Land `days` days from `start` in `landing_dir`, as `{users,events}/date=.../{users,events}.<file_format>`.

    The world is that of `product`, a shipped declaration's name or any declaration: what is declared occurs, in the
    columns and paths where the declaration looks for it. `signup_during` is the share of users that sign up from `start`
    on rather than before, half of them within about a month; who comes after the last day is not landed. `churn=False`,
    `weekly=False` and `signup_during=0` make every day alike. `events_per_user_day` counts users that have not left.
    `late_share` of events land 1 or 2 days late; None: as many as the world says. `with_latent` adds the hidden cause,
    `engagement_score`, to the users. `faults` is how many faulty rows are planted per row; to be too late, an event must
    land over `lateness_days` after its day. Times are naive, to be read as UTC. Raises ChurnError for a parameter that
    makes no world, and if one of these days is there already with other content and not `replace`.
    """
    if days < 1 or users < 1 or seed < 0:
        raise ChurnError("A world needs at least one day, one user and a seed that is not negative; give others.")
    if not (0 <= signup_during <= 1 and 0 <= (late_share or 0) <= 1):
        raise ChurnError("signup_during and late_share are shares; give each a number from 0 to 1.")
    if faults is not None and not 0 < faults <= 1:
        raise ChurnError("The rate of faults is a share; give a number above 0, and at most 1.")
    if (date.max - start).days < days:
        raise ChurnError("The calendar would run past the year 9999; start earlier.")
    declared = read_product(product) if isinstance(product, str) else product
    world, types = world_of(declared), event_names(declared)
    people = make_users(users, seed, world, signup_during=signup_during, churn=churn)
    habits = make_habits(people, types, events_per_user_day, weekly=weekly, late_share=late_share)
    nothing: Events = np.zeros(0, event_dtype(people))
    waiting = [nothing] * (LONGEST_DELAY_DAYS + 1)
    event_count = late_count = change_count = 0
    planter = None
    if faults is not None:
        planter = Planter(declared, seed, faults, lateness_days=lateness_days, can_break=file_format != "parquet")
    with incoming(landing_dir) as staging:
        for number in range(days):
            day = start + timedelta(days=number)
            happened = make_day(people, habits, seed, number, day)
            for delay in range(LONGEST_DELAY_DAYS + 1):
                waiting[delay] = np.concatenate([waiting[delay], happened[happened["delay"] == delay]])
            landing, waiting = waiting[0], [*waiting[1:], nothing]
            landed_users = users_table(people, declared, start, number, with_latent=with_latent)
            landed_events = events_table(landing, people, declared, types, day, first_id=event_count + 1)
            tables: dict[SourceName, pa.Table] = {"users": landed_users, "events": landed_events}
            for name, table in tables.items():
                path = Deliveries(staging, name).folder(day) / f"{name}.{file_format}"
                path.parent.mkdir(parents=True)
                if planter:
                    place = path.relative_to(staging).as_posix()
                    faulty = planter.plant(with_text_times(table), name, day, number, place)
                    write_faulty_table(faulty.table, faulty.broken, path, file_format)
                else:
                    write_table(table if file_format == "parquet" else with_text_times(table), path, file_format)
            event_count += len(landing)
            late_count += int((landing["delay"] > 0).sum())
            change_count += int(people.changes_on(number).sum())
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
        user_changes=change_count,
        unchanged=unchanged,
        planted=tuple(planter.planted) if planter else (),
    )
