"""A warehouse and its log with bits flipped, sectors overwritten or the end cut off, and what is then said of it.

What counts is that no answer is silently wrong: damage is named, or what is read is wholly the old or the new state.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from churn_assets.automation.backfill import planned
from churn_assets.warehouse import publish
from churn_assets_tests.torture.runs import Hashes, Process, State, look, make
from churn_assets_tests.torture.world import deployment

SECTOR_BYTES = 512
NAMED, OLD, NEW, WRONG = "named", "old state", "new state", "WRONG"
TARGETS = ("warehouse.duckdb", "warehouse.duckdb.wal")


def flip_a_bit(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def overwrite_a_sector(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content)) // SECTOR_BYTES * SECTOR_BYTES
    end = min(at + SECTOR_BYTES, len(content))
    content[at:end] = chance.randbytes(end - at)


def cut_the_end(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


HARMS: Mapping[str, Callable[[bytearray, random.Random], None]] = {
    "bit flipped": flip_a_bit,
    "sector overwritten": overwrite_a_sector,
    "end cut off": cut_the_end,
}


def publish_and_die(data: Path) -> None:
    """Do the late files' work in one transaction, commit, and end as a kill does: the log then holds all of it."""
    one = deployment(data)
    with one.warehouse.writing() as connection:
        for work in planned(one).works:
            for step in work.steps:
                for publication in step.publications(one, work.days):
                    publish(connection, publication)
        connection.commit()
        os._exit(0)


def with_log(folder: Path, seed: int) -> tuple[Path, Hashes, Hashes]:
    """A world whose last transaction is in the log alone, and what it holds without the log and with it."""
    data = folder / "damaged"
    shutil.rmtree(data, ignore_errors=True)
    Process(make, data, seed).result()
    old = Process(look, data).result().hashes
    Process(publish_and_die, data).ended()
    assert (data / TARGETS[1]).stat().st_size > 0
    return data, old, Process(look, data).result().hashes


def harm(data: Path, target: str, how: str, seed: int) -> Callable[[], None]:
    """Damage one of the two files; gives what undoes it."""
    originals = {name: (data / name).read_bytes() for name in TARGETS if (data / name).exists()}
    content = bytearray(originals[target])
    HARMS[how](content, random.Random(f"{seed} {target} {how}"))
    (data / target).write_bytes(content)

    def undo() -> None:
        for name, whole in originals.items():
            (data / name).write_bytes(whole)

    return undo


def judged(state: State, old: Hashes, new: Hashes) -> str:
    """What a look at a damaged warehouse amounts to."""
    if state.wrong:
        return NAMED
    return NEW if state.hashes == new else OLD if state.hashes == old else WRONG


def damage_often(folder: Path, seed: int, times: int) -> Counter[tuple[str, str, str]]:
    """How often each outcome came of each harm to each file, `times` harms in all."""
    data, old, new = with_log(folder, seed)
    outcomes: Counter[tuple[str, str, str]] = Counter()
    kinds = [(target, how) for target in TARGETS for how in HARMS]
    for number in range(times):
        target, how = kinds[number % len(kinds)]
        undo = harm(data, target, how, seed * 1_000_000 + number)
        try:
            state = Process(look, data).result()
        except RuntimeError:
            state = State({}, [])  # It crashed instead of saying anything.
        undo()
        outcomes[target, how, judged(state, old, new)] += 1
    return outcomes
