"""One round: a copy of the world, a run or two on it, a SIGKILL at a random moment, a look, and a backfill that finishes."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from churn_assets_tests.torture.runs import (
    Hashes,
    Process,
    State,
    bring_up_to_date,
    compute_all_days,
    compute_one_day,
    look,
    make,
)

KINDS: Mapping[str, tuple[Callable[[Path], State], ...]] = {
    "single day": (compute_one_day,),
    "range": (compute_all_days,),
    "backfill": (bring_up_to_date,),
    "two at once": (bring_up_to_date, compute_all_days),
    "first backfill": (bring_up_to_date,),
}
"""What is at work when the kill comes; of two processes each is killed at a moment of its own."""
FIRST = "first backfill"
"""On an empty warehouse: old is then that there is nothing."""
LATEST = 1.1
"""Kills come uniformly between the start and this many times the time the run takes undisturbed."""


@dataclass(frozen=True)
class Undisturbed:
    """Of a kind of run that nobody kills: what it leaves, and how long it takes."""

    hashes: Hashes
    seconds: float


@dataclass(frozen=True)
class World:
    """A deployment to copy, what it holds, and what it must hold in the end."""

    data: Path
    old: Hashes
    finished: Hashes
    kinds: Mapping[str, Undisturbed]


@dataclass(frozen=True)
class Outcome:
    """Of one kill: how many partitions were old, new and neither, and every sentence about what is wrong."""

    kind: str
    number: int
    was_at_work: bool
    old: int
    new: int
    wrong: tuple[str, ...]
    seconds: float


def prepare(folder: Path, seed: int, kinds: Sequence[str]) -> World:
    """Make the world and do each of these kinds of run undisturbed. Raises RuntimeError where that fails already."""
    data = folder / "world"
    Process(make, data, seed).result()
    old = _state(look, data).hashes
    finished = _state(bring_up_to_date, _copy(data, folder / "finished")).hashes
    undisturbed = {}
    for kind in kinds:
        runs = KINDS[kind]
        copy = _copy(data, folder / "undisturbed", empty=kind == FIRST)
        started = time.monotonic()
        states = [_state(run, copy) for run in runs]
        undisturbed[kind] = Undisturbed(states[-1].hashes, (time.monotonic() - started) / len(runs))
    return World(data, old, finished, undisturbed)


def kill_once(world: World, folder: Path, kind: str, number: int, seed: int) -> Outcome:
    """One round. The copy is removed where nothing was wrong, else kept to be looked at."""
    chance = random.Random(f"{seed} {kind} {number}")
    started = time.monotonic()
    data = _copy(world.data, folder / f"{kind.replace(' ', '-')}-{number}", empty=kind == FIRST)
    latest = world.kinds[kind].seconds * LATEST * len(KINDS[kind])
    moments = [chance.uniform(0, latest) for _ in KINDS[kind]]
    running = [Process(run, data) for run in KINDS[kind]]
    begun = time.monotonic()
    killed = {
        at: running[at].kill(max(0.0, begun + moments[at] - time.monotonic()))
        for at in sorted(range(len(running)), key=moments.__getitem__)
    }
    wrong: list[str] = []
    before = {} if kind == FIRST else world.old
    after = world.kinds[kind].hashes
    left, sentences = _try(look, data)
    wrong += [f"after the kill: {sentence}" for sentence in sentences]
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    wrong += [
        f"{table} {day} is neither old nor new" for table, day in sorted(neither_old_nor_new(left, before, after))
    ]
    finished, sentences = _try(bring_up_to_date, data)
    wrong += [f"after the backfill: {sentence}" for sentence in sentences]
    differing = {key for key in finished.keys() | world.finished.keys() if finished.get(key) != world.finished.get(key)}
    wrong += [f"{table} {day} ends otherwise than undisturbed" for table, day in sorted(differing)]
    if not wrong:
        shutil.rmtree(data)
    new = sum(left.get(key) == after.get(key) for key in changed)
    return Outcome(
        kind, number, any(killed.values()), len(changed) - new, new, tuple(wrong), time.monotonic() - started
    )


def neither_old_nor_new(left: Hashes, before: Hashes, after: Hashes) -> set[tuple[str, object]]:
    """Partitions whose content is neither that of before nor that of after; one that is gone or surplus is such, too."""
    return {
        key
        for key in left.keys() | before.keys() | after.keys()
        if left.get(key) not in (before.get(key), after.get(key))
    }


def _copy(data: Path, to: Path, *, empty: bool = False) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(data, to)
    if empty:
        (to / "warehouse.duckdb").unlink()
    return to


def _state(run: Callable[[Path], State], data: Path) -> State:
    state: State = Process(run, data).result()
    if state.wrong:
        raise RuntimeError(f"{run.__name__}, undisturbed: {'; '.join(state.wrong[:3])}")
    return state


def _try(run: Callable[[Path], State], data: Path) -> State:
    try:
        return State(*Process(run, data).result())
    except RuntimeError as error:
        return State({}, [str(error)])
