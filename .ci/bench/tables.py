"""Reading, cleaning, grid, daily table and publishing without Dagster, against SQL and against the textbook."""

from __future__ import annotations

from pathlib import Path

from bench.measure import GIBIBYTE, Benchmark, Command, module
from bench.store import DAYS, EVENTS_PER_USER_DAY, Store, copied

MANY_USERS, FEW_USERS = 100_000, 10_000


def against_sql(store: Store) -> Benchmark:
    users = store.users(MANY_USERS)
    data = store.world(users)
    return Benchmark(
        name="sql",
        work=_work(users),
        against="the fastest DuckDB SQL for the same tables, without gate, hashes and ledger",
        ours=lambda folder: _ours(data, folder),
        theirs=lambda folder: Command(module("duckdb_sql", data / "landing", folder / "warehouse.duckdb")),
        at_most=1.5,
        peak_bytes_at_most=3 * GIBIBYTE,
    )


def against_textbook(store: Store) -> Benchmark:
    users = store.users(FEW_USERS)
    data = store.world(users)
    return Benchmark(
        name="textbook",
        work=_work(users),
        against="pandas as tutorials have it: cross join, groupby with lambdas, CSV out",
        ours=lambda folder: _ours(data, folder),
        theirs=lambda folder: Command(module("textbook", data / "landing", folder)),
        at_most=0.1,
    )


def _work(users: int) -> str:
    events = users * DAYS * EVENTS_PER_USER_DAY / 1e6
    return f"the tables without Dagster: {events:.2g}M events, {users:,} users, {DAYS} days"


def _ours(data: Path, folder: Path) -> Command:
    return Command(module("plain_loop", copied(data, folder / "data")))
