"""The peer's whole calendar, and one more day, with all checks, against Dagster doing nothing as often."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import Benchmark, Command, module, timed
from bench.store import Store, churn_assets, copied, environment, landing_days, nth_day

USERS = 30_000
DAY = 100


def whole_calendar(store: Store) -> Benchmark:
    """One command here and there; the empty graph has our assets, our checks and our days."""
    data = store.peer_world()
    days = landing_days(data)
    empty = EmptyGraph(store, data)
    return Benchmark(
        name="calendar",
        work=f"{data.name} world, {len(days)} days, all checks on: churn-assets backfill",
        against=f"{empty}, the same days",
        ours=lambda folder: Command((*churn_assets(copied(data, folder / "data")), "backfill")),
        theirs=empty.over(days[0], days[-1]),
        at_most=0.12,
    )


def one_day(store: Store) -> Benchmark:
    """What a day costs that somebody waits for in the morning."""
    users = store.users(USERS)
    data = store.backfilled(store.steady_world(users, DAY), 1, DAY - 1)
    empty = EmptyGraph(store, data)
    return Benchmark(
        name="day",
        work=f"day {DAY} on top of {DAY - 1}, {users:,} users, every table and check: churn-assets backfill DAY",
        against=f"{empty}, one day",
        ours=lambda folder: Command((*churn_assets(copied(data, folder / "data")), "backfill", nth_day(DAY))),
        theirs=empty.over(nth_day(DAY), nth_day(DAY)),
        at_most=1.0,
    )


class EmptyGraph:
    """Assets and checks in the numbers of a deployment's, which do nothing, with a Dagster instance as it comes."""

    def __init__(self, store: Store, data: Path) -> None:
        self._shape = store.folder / "shape.json"
        timed(Command(module("shape", self._shape), environment(data)))
        self._checks = json.loads(self._shape.read_text())

    def __str__(self) -> str:
        return (
            f"empty Dagster graph: {len(self._checks)} assets, {sum(self._checks.values())} checks a day, stock SQLite"
        )

    def over(self, first: str, last: str) -> Callable[[Path], Command]:
        """The command that materializes the days first..last in one run."""

        def command(folder: Path) -> Command:
            home = folder / "dagster_home"
            home.mkdir()
            (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
            materialize = ("-m", "dagster", "asset", "materialize", "-m", f"{__package__}.empty_graph", "--select", "*")
            return Command(
                (sys.executable, *materialize, "--partition-range", f"{first}...{last}"),
                {"DAGSTER_HOME": str(home), "BENCH_SHAPE": str(self._shape), "BENCH_DAYS": f"{first} {last}"},
            )

        return command
