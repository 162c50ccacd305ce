"""Features of one day for many users, late in a calendar, against SQL on the same warehouse."""

from __future__ import annotations

from bench.measure import Benchmark, Command, module
from bench.store import DAYS, Store, copied, nth_day

USERS = 100_000


def one_day_of_features(store: Store) -> Benchmark:
    users, day = store.users(USERS), nth_day(DAYS)
    data = store.computed(store.world(users), module("plain_loop"))
    return Benchmark(
        name="features",
        work=f"user_features of day {DAYS}, {users:,} users, without Dagster",
        against="the fastest DuckDB SQL for the same columns, without gate, hashes and ledger",
        ours=lambda folder: Command(module("features_day", copied(data, folder / "data"), day)),
        theirs=lambda folder: Command(module("features_sql", copied(data, folder / "data") / "warehouse.duckdb", day)),
        at_most=1.5,
    )
