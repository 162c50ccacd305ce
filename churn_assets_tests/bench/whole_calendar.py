"""The peer's whole calendar with all checks, against Dagster doing nothing as often."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from churn_assets_tests.bench.measure import Benchmark, Command, module, timed
from churn_assets_tests.bench.store import Store, churn_assets, copied, environment, landing_days


def whole_calendar(store: Store) -> Benchmark:
    """One command here and there; the empty graph has our assets, our checks and our days."""
    data = store.peer_world()
    days = landing_days(data)
    shape = store.folder / "shape.json"
    timed(Command(module("shape", shape), environment(data)))
    assets = json.loads(shape.read_text())

    def ours(folder: Path) -> Command:
        return Command((*churn_assets(copied(data, folder / "data")), "backfill"))

    def theirs(folder: Path) -> Command:
        home = folder / "dagster_home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        materialize = ("-m", "dagster", "asset", "materialize", "-m", f"{__package__}.empty_graph", "--select", "*")
        return Command(
            (sys.executable, *materialize, "--partition-range", f"{days[0]}...{days[-1]}"),
            {"DAGSTER_HOME": str(home), "BENCH_SHAPE": str(shape), "BENCH_DAYS": f"{days[0]} {days[-1]}"},
        )

    return Benchmark(
        name="calendar",
        work=f"{data.name} world, {len(days)} days, all checks on: churn-assets backfill",
        against=f"empty Dagster graph: {len(assets)} assets, {sum(assets.values())} checks a day, stock SQLite",
        ours=ours,
        theirs=theirs,
        at_most=0.7,
    )
