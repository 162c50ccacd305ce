"""Faults of every kind a row can have, planted into a made-up landing: one more row each, and a list of what was planted.

What is clean stays, so that a test can tell a fault that was missed from a clean row that was lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from churn_assets.settings import SourceName
from churn_assets.synthetic.randomness import Purpose, stream

Outcome = Literal["quarantined", "duplicate", "repaired"]
Row = dict[str, str | None]
FIRST_ID = 10**12
"""Ids of planted rows, past those of any world."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault: how a good row becomes it, and what must become of it. `is_copy`: it keeps its original's id, and
    stands after it. `is_broken`: its line is not that of a row, which Parquet cannot hold.
    """

    kind: str
    outcome: Outcome
    reason: str
    edit: Callable[[Row, date], Row] = lambda row, _: row
    is_copy: bool = False
    is_broken: bool = False


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


def _set(**values: str | None) -> Callable[[Row, date], Row]:
    return lambda row, _: row | values


def _of_day(days: int) -> Callable[[Row, date], Row]:
    """Happened that many days from its landing day."""
    return lambda row, day: row | {"event_time": f"{day + timedelta(days=days)}T12:00:00"}


def _quarantined(kind: str, reason: str, **values: str | None) -> Fault:
    return Fault(kind, "quarantined", reason, _set(**values))


def _repaired(kind: str, reason: str, **values: str | None) -> Fault:
    return Fault(kind, "repaired", reason, _set(**values))


def _with_decimal_id(column: str) -> Callable[[Row, date], Row]:
    return lambda row, _: row | {column: f"{row[column]}.0"}


_BROKEN = Fault("a field too few, or half an object", "quarantined", "malformed_row", is_broken=True)
_COPY = Fault("a row again", "duplicate", "", is_copy=True)
_VIDEO = {"event_type": "video_watch", "course_id": "course_01", "quiz_score": None, "amount": None}
_QUIZ = {"event_type": "quiz_attempt", "watch_minutes": "0", "amount": None}
_PAYMENT = {"event_type": "payment_success", "watch_minutes": "0", "quiz_score": None}


def event_faults(lateness_days: int) -> tuple[Fault, ...]:
    return (
        _BROKEN,
        _COPY,
        Fault("an id again, other minutes", "quarantined", "conflict", _set(watch_minutes="77.7"), is_copy=True),
        _quarantined("NUL in course_id", "nul_byte", course_id="c\0"),
        _quarantined("no user_id", "bad_user_id", user_id=None),
        _quarantined("fractional user_id", "bad_user_id", user_id="12.7"),
        _quarantined("negative user_id", "bad_user_id", user_id="-3"),
        _quarantined("no event_id", "bad_event_id", event_id=None),
        _quarantined("event_id past 2^63", "bad_event_id", event_id="9223372036854775808"),
        _quarantined("event_id in letters", "bad_event_id", event_id="e-77"),
        _quarantined("no event_time", "bad_event_time", event_time=None),
        _quarantined("30 February", "bad_event_time", event_time="2026-02-30T10:00:00"),
        _quarantined("another date format", "bad_event_time", event_time="05/01/2026 10:00"),
        _quarantined("undeclared epoch", "bad_event_time", event_time="1767607200"),
        _quarantined("no event_type", "bad_event_type", event_type=None),
        _quarantined("decimal comma", "bad_number", **_VIDEO, watch_minutes="12,5"),
        _quarantined("NaN minutes", "bad_number", **_VIDEO, watch_minutes="NaN"),
        _quarantined("infinite amount", "bad_number", **_PAYMENT, amount="inf"),
        _quarantined("negative minutes", "negative_minutes", **_VIDEO, watch_minutes="-5"),
        _quarantined("quiz without score", "quiz_without_score", **_QUIZ, quiz_score=None),
        _quarantined("score past 100", "score_out_of_range", **_QUIZ, quiz_score="100.5"),
        _quarantined("score below 0", "score_out_of_range", **_QUIZ, quiz_score="-1"),
        _quarantined("payment of nothing", "payment_not_positive", **_PAYMENT, amount="0"),
        Fault("tomorrow's", "quarantined", "future", _of_day(1)),
        Fault("too late", "quarantined", "too_late", _of_day(-lateness_days - 1)),
        Fault("decimal event_id", "repaired", "id_written_as_decimal", _with_decimal_id("event_id")),
        _repaired("video without minutes", "minutes_missing", **_VIDEO, watch_minutes=None),
        _repaired(
            "score on a login",
            "score_not_applicable",
            **_PAYMENT | {"event_type": "login", "quiz_score": "50"},
            amount=None,
        ),
        _repaired("amount on a login", "amount_not_applicable", **_PAYMENT | {"event_type": "login"}, amount="9"),
        _repaired("padded event_type", "text_normalised", **_VIDEO | {"event_type": " Video_Watch "}),
    )


USER_FAULTS = (
    _BROKEN,
    _COPY,
    Fault("a user again, another country", "quarantined", "conflict", _set(country="ZZ"), is_copy=True),
    _quarantined("NUL in plan", "nul_byte", plan="fr\0ee"),
    _quarantined("no user_id", "bad_user_id", user_id=None),
    _quarantined("user_id in letters", "bad_user_id", user_id="u-77"),
    _quarantined("no signup_date", "bad_signup_date", signup_date=None),
    _quarantined("30 February", "bad_signup_date", signup_date="2026-02-30"),
    _quarantined("another date format", "bad_signup_date", signup_date="05.01.2026"),
    Fault("decimal user_id", "repaired", "id_written_as_decimal", _with_decimal_id("user_id")),
    _repaired("a plan nobody sells", "plan", plan="gold"),
    _repaired("country in lower case", "country", country="de"),
    _repaired("no marketing_source", "marketing_source", marketing_source=None),
    _repaired("is_paid not told", "is_paid", is_paid=None),
)


class Planter:
    """Plants faults into one file after the other, every kind in its turn, and remembers them."""

    def __init__(self, seed: int, rate: float, *, lateness_days: int, can_break: bool) -> None:
        """`rate` is faults per clean row. `can_break`: the format has lines."""
        self.planted: list[Planted] = []
        self._seed, self._rate = seed, rate
        kinds: Mapping[SourceName, tuple[Fault, ...]] = {"users": USER_FAULTS, "events": event_faults(lateness_days)}
        self._kinds = {
            name: [one for one in faults if can_break or not one.is_broken] for name, faults in kinds.items()
        }
        self._counts = dict.fromkeys(self._kinds, 0)

    def plant(self, table: pa.Table, source: SourceName, day: date, number: int, file: str) -> FaultyFile:
        """`table` as text with faults among its rows; `number` is the day's in the calendar."""
        text = pa.table([column.cast(pa.string()) for column in table.columns], names=table.column_names)
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
        return FaultyFile(planted, frozenset(n for n, (_, of) in enumerate(rows) if of is not None and of.is_broken))


def write_manifest(path: Path, planted: Sequence[Planted], *, seed: int, rate: float) -> None:
    """What was planted, as JSON: one fault a line, so that two manifests can be compared."""
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in planted)
    path.write_text(f'{{"seed": {seed}, "rate": {rate}, "faults": [\n{lines}\n]}}\n', encoding="utf-8")
