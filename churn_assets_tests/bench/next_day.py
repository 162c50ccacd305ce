"""One more day as one command, late in a calendar against early in it: what is published already must not cost again."""

from __future__ import annotations

from pathlib import Path

from churn_assets_tests.bench.measure import Benchmark, Command
from churn_assets_tests.bench.store import DAYS, Store, churn_assets, copied, nth_day

USERS = 100_000
EARLY_DAY = 10


def next_day(store: Store) -> Benchmark:
    users = store.users(USERS)
    world = store.steady_world(users, DAYS + 1)
    late, early = store.backfilled(world, 1, DAYS), store.backfilled(world, 1, EARLY_DAY - 1)

    def one_more(data: Path, day: int, folder: Path) -> Command:
        return Command((*churn_assets(copied(data, folder / "data")), "backfill", nth_day(day)))

    return Benchmark(
        name="next-day",
        work=f"day {DAYS + 1} on top of {DAYS}, {users:,} users: churn-assets backfill DAY",
        against=f"the same for day {EARLY_DAY} on top of {EARLY_DAY - 1}",
        ours=lambda folder: one_more(late, DAYS + 1, folder),
        theirs=lambda folder: one_more(early, EARLY_DAY, folder),
        at_most=1.15,
    )
