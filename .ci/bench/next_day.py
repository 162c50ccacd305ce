"""One more day as one command, late in a calendar against early in it: what is published already must not cost again."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Benchmark, Command
from bench.store import DAYS, Store, churn_assets, copied, nth_day
from churn_assets.checks.memory import FILE

USERS = 100_000
FEWER_USERS = 30_000
QUIET_USERS = 20_000
EARLY_DAY = 10
FULL_WINDOWS_DAY = 121
"""From then on each window reaches as far back as it ever does: 90 days of features, a horizon of labels before those."""


def next_day(store: Store) -> Benchmark:
    """To user_daily: no window before that is longer than the days there are early in the calendar."""
    selected = ("--select", "*user_daily,unmatched_events")
    return _one_more(store, "next-day", "to user_daily", *selected, users=USERS, days=(EARLY_DAY, DAYS + 1))


def next_day_of_everything(store: Store) -> Benchmark:
    """Every table. Features and labels read up to 120 days: against a day that has those, too."""
    return _one_more(store, "next-day-all", "every table", users=USERS, days=(FULL_WINDOWS_DAY, DAYS + 1))


def day_1000(store: Store) -> Benchmark:
    """Every table: what came before the windows must cost nothing."""
    return _one_more(store, "day-1000", "every table", users=FEWER_USERS, days=(100, 1000), at_most=1.1)


def nothing_to_do(store: Store) -> Benchmark:
    """A backfill of days that are up to date: against one that must hold all of them against the blocking checks again."""
    users = store.users(QUIET_USERS)
    done = store.backfilled(store.steady_world(users, DAYS), 1, DAYS)

    def again(folder: Path, *, forgotten: bool) -> Command:
        data = copied(done, folder / "data")
        if forgotten:
            (data / FILE).unlink()
        return Command((*churn_assets(data), "backfill", nth_day(1), nth_day(DAYS)))

    return Benchmark(
        name="nothing",
        work=f"nothing to do on {DAYS} days, {users:,} users: churn-assets backfill",
        against="the same where no verdict is remembered",
        ours=lambda folder: again(folder, forgotten=False),
        theirs=lambda folder: again(folder, forgotten=True),
        at_most=0.6,
    )


def _one_more(
    store: Store, name: str, what: str, *selected: str, users: int, days: tuple[int, int], at_most: float = 1.15
) -> Benchmark:
    users, (early_day, late_day) = store.users(users), days
    world = store.steady_world(users, late_day)
    late, early = store.backfilled(world, 1, late_day - 1), store.backfilled(world, 1, early_day - 1)

    def one_more(data: Path, day: int, folder: Path) -> Command:
        return Command((*churn_assets(copied(data, folder / "data")), "backfill", nth_day(day), *selected))

    return Benchmark(
        name=name,
        work=f"day {late_day} on top of {late_day - 1}, {users:,} users, {what}: churn-assets backfill DAY",
        against=f"the same for day {early_day} on top of {early_day - 1}",
        ours=lambda folder: one_more(late, late_day, folder),
        theirs=lambda folder: one_more(early, early_day, folder),
        at_most=at_most,
    )
