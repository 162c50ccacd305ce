"""What is paid before any work: commands that only look, against the import of Dagster, which none of them needs."""

from __future__ import annotations

import sys

from bench.measure import Benchmark, Command
from bench.store import Store, churn_assets, copied

USERS, DAYS = 20, 1000
IMPORT_DAGSTER = Command((sys.executable, "-c", "import dagster"))


def status(store: Store) -> Benchmark:
    """Of a thousand days of every table."""
    users = store.users(USERS)
    done = store.backfilled(store.steady_world(users, DAYS), 1, DAYS)
    return Benchmark(
        name="status",
        work=f"{DAYS:,} days of every table, {users} users: churn-assets status",
        against="import dagster",
        ours=lambda folder: Command((*churn_assets(copied(done, folder / "data")), "status")),
        theirs=lambda _: IMPORT_DAGSTER,
        at_most=1.0,
    )


def usage(_: Store) -> Benchmark:
    return Benchmark(
        name="help",
        work="churn-assets --help",
        against="import dagster",
        ours=lambda folder: Command((*churn_assets(folder), "--help")),
        theirs=lambda _: IMPORT_DAGSTER,
        at_most=0.2,
    )
