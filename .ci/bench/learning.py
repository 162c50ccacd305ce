"""From landing files to a training set, against the textbook's way of computing the same features."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Benchmark, Command, module
from bench.store import Store, copied, landing_days


def landing_to_training_set(store: Store) -> Benchmark:
    data = store.peer_world()

    def ours(folder: Path) -> Command:
        return Command(module("plain_loop", copied(data, folder / "data"), "learning"))

    return Benchmark(
        name="learning",
        work=f"landing to features, labels and training set without Dagster: {data.name} world, {len(landing_days(data))} days",
        against="pandas as tutorials have it: user_daily with lambdas, groupby-rolling for each column and window, CSV out",
        ours=ours,
        theirs=lambda folder: Command(module("textbook_learning", data / "landing", folder)),
        at_most=0.15,
    )
