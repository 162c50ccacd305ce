"""Faults planted into a made-up landing: one more row each, and a list of what was planted.

What is clean stays, so that a test can tell a fault that was missed from a clean row that was lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from churn_assets.product import Product
from churn_assets.settings import SourceName
from churn_assets.synthetic.fault_kinds import Fault, Outcome, Row, event_faults, user_faults
from churn_assets.synthetic.randomness import Purpose, stream
from churn_assets.synthetic.tables import flat, nested

FIRST_ID = 10**12
"""Ids of planted rows, past those of any world."""


@dataclass(frozen=True)
class Planted:
    """One fault: `file` is relative to the landing folder, `row` counts from 1; `reason` is that of the quarantine, or the
    kind of repair.
    """

    file: str
    row: int
    kind: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class FaultyFile:
    """Rows as text, planted ones among them. `broken` are the positions of those whose lines are still to be broken."""

    table: pa.Table
    broken: frozenset[int] = field(default_factory=frozenset)


class Planter:
    """Plants faults into one file after the other, every kind in its turn, and remembers them."""

    def __init__(self, product: Product, seed: int, rate: float, *, lateness_days: int, can_break: bool) -> None:
        """`rate` is faults per clean row. `can_break`: the format has lines."""
        self.planted: list[Planted] = []
        self._seed, self._rate = seed, rate
        kinds: Mapping[SourceName, tuple[Fault, ...]] = {
            "users": user_faults(product),
            "events": event_faults(product, lateness_days),
        }
        self._kinds = {
            name: [one for one in faults if can_break or not one.is_broken] for name, faults in kinds.items()
        }
        self._counts = dict.fromkeys(self._kinds, 0)

    def plant(self, table: pa.Table, source: SourceName, day: date, number: int, file: str) -> FaultyFile:
        """`table` as text with faults among its rows; `number` is the day's in the calendar."""
        text = flat(table)
        rows: list[tuple[Row, Fault | None]] = [(row, None) for row in text.to_pylist()]
        rng = stream(self._seed, Purpose.FAULTS, number, ("users", "events").index(source))
        for _ in range(int(np.floor(self._rate * len(text) + rng.random()))):
            if not rows:
                break
            count, self._counts[source] = self._counts[source], self._counts[source] + 1
            fault = self._kinds[source][count % len(self._kinds[source])]
            at = int(rng.random() * len(text))
            original = text.slice(at, 1).to_pylist()[0]
            key = "user_id" if source == "users" else "event_id"
            fresh = original if fault.is_copy else original | {key: str(FIRST_ID + count)}
            first = next(place for place, (row, of) in enumerate(rows) if of is None and row == original) + 1
            first = first if fault.is_copy else 0
            rows.insert(first + int(rng.random() * (len(rows) + 1 - first)), (fault.edit(fresh, day), fault))
        self.planted += [
            Planted(file, place, of.kind, of.outcome, of.reason)
            for place, (_, of) in enumerate(rows, 1)
            if of is not None
        ]
        planted = pa.Table.from_pylist([row for row, _ in rows], schema=text.schema)
        columns = dict(zip(planted.column_names, planted.columns, strict=True))
        return FaultyFile(
            nested(columns), frozenset(n for n, (_, of) in enumerate(rows) if of is not None and of.is_broken)
        )


def write_manifest(path: Path, planted: Sequence[Planted], *, seed: int, rate: float) -> None:
    """What was planted, as JSON: one fault a line, so that two manifests can be compared."""
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in planted)
    path.write_text(f'{{"seed": {seed}, "rate": {rate}, "faults": [\n{lines}\n]}}\n', encoding="utf-8")
