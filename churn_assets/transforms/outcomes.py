"""What becomes of each landed row: accepted, duplicate, unchanged or quarantined.

One outcome a row, so that counts add up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.transforms.parsing import Bools, holds_nul

ACCEPTED, DUPLICATE, UNCHANGED = 0, -1, -2
"""Outcomes; a positive one is a reason of quarantine, counted from 1 in the order of the reasons."""


@dataclass(frozen=True)
class Cleaned:
    """Result of cleaning: accepted rows, quarantined rows, and a reconciliation row per landed file."""

    accepted: pd.DataFrame
    quarantined: pd.DataFrame
    reconciliation: pd.DataFrame


class Outcomes:
    """Outcome per row, first reason wins. `reasons` are all that there may be."""

    def __init__(self, rows: int, reasons: Iterable[str]) -> None:
        self.code: npt.NDArray[np.int16] = np.zeros(rows, dtype="int16")
        self._reasons = list(reasons)
        self._code_of = {reason: code for code, reason in enumerate(self._reasons, start=1)}

    @property
    def valid(self) -> Bools:
        return self.code == ACCEPTED

    @property
    def quarantined(self) -> Bools:
        return self.code > ACCEPTED

    def quarantine(self, rows: Any, reason: str) -> None:
        self.code[np.asarray(rows, dtype=bool) & self.valid] = self._code_of[reason]

    def judge_copies(self, first: npt.NDArray[np.int64], same: Callable[[Any, Any], Bools]) -> None:
        """Of rows whose key came before, at the positions `first`: an equal payload is a duplicate, another a conflict."""
        copies = np.flatnonzero(first != np.arange(len(first)))
        self.code[copies] = np.where(same(copies, first[copies]), DUPLICATE, self._code_of["conflict"])

    def refuse_unreadable(self, raw: pd.DataFrame, columns: Iterable[str]) -> None:
        """Rows the reader could not bind to the header, and rows with a NUL byte in one of `columns`."""
        self.quarantine(raw["read_error"].notna(), "malformed_row")
        for column in columns:
            self.quarantine(holds_nul(raw[column]), "nul_byte")

    def reasons(self, quarantined: Bools) -> pd.Categorical:
        """Reason of each of the rows `quarantined`."""
        codes: Any = self.code[quarantined] - 1
        return pd.Categorical.from_codes(codes, categories=pd.Index(self._reasons, dtype=object))


def cleaned(
    raw: pd.DataFrame,
    typed: pd.DataFrame,
    outcome: Outcomes,
    repairs: Mapping[str, Bools],
    first_day: date,
    last_day: date,
) -> Cleaned:
    """The rows landed on [first_day, last_day] by what became of them; `typed` has a row for each of `raw`."""
    landed = raw["landing_date"].between(pd.Timestamp(first_day), pd.Timestamp(last_day)).to_numpy()
    rejected = landed & outcome.quarantined
    return Cleaned(
        accepted=typed[landed & outcome.valid].reset_index(drop=True),
        quarantined=raw[rejected].assign(reason=outcome.reasons(rejected)).reset_index(drop=True),
        reconciliation=reconcile(raw, landed, outcome, repairs),
    )


def landing_order(raw: pd.DataFrame) -> pd.DataFrame:
    """Rows as they landed: by landing day, file name, row number. A frame in that order already is not copied."""
    files = pd.Categorical(raw["source_file"])
    name_rank = np.empty(len(files.categories), dtype="int64")
    name_rank[np.argsort(files.categories.to_numpy(dtype=str))] = np.arange(len(files.categories))
    landed = raw["landing_date"].to_numpy().astype("datetime64[D]").astype("int64")
    keys = raw["source_row"].to_numpy(), name_rank[files.codes] if len(name_rank) else files.codes, landed
    order = np.lexsort(keys)
    if bool((order == np.arange(len(raw))).all()):
        return raw.reset_index(drop=True)
    return raw.take(order).reset_index(drop=True)


def reconcile(raw: pd.DataFrame, landed: Bools, outcome: Outcomes, repairs: Mapping[str, Bools]) -> pd.DataFrame:
    """One row per landing day and file of the rows `landed`: rows by outcome, and repairs of accepted rows by kind."""
    files = raw.loc[landed, ["landing_date", "source_file"]].groupby(
        ["landing_date", "source_file"], observed=True, sort=True
    )
    code = files.ngroup().to_numpy()
    groups = files.size().index

    def count(rows: Bools) -> npt.NDArray[np.int64]:
        return np.bincount(code[rows], minlength=len(groups)).astype("int64")

    became = outcome.code[landed]
    accepted = became == ACCEPTED
    repaired_as = {kind: rows[landed] & accepted for kind, rows in repairs.items()}
    by_kind = {kind: count(rows) for kind, rows in repaired_as.items() if rows.any()}
    return pd.DataFrame(
        {
            "landing_date": groups.get_level_values(0),
            "source_file": groups.get_level_values(1),
            "rows_read": count(np.ones(len(became), dtype=bool)),
            "rows_accepted": count(accepted),
            "rows_duplicate": count(became == DUPLICATE),
            "rows_unchanged": count(became == UNCHANGED),
            "rows_quarantined": count(became > ACCEPTED),
            "rows_repaired": count(np.logical_or.reduce([np.zeros_like(accepted), *repaired_as.values()])),
            "repairs": [
                json.dumps({kind: int(counts[i]) for kind, counts in sorted(by_kind.items()) if counts[i]})
                for i in range(len(groups))
            ],
        }
    )


def first_seen(key: pd.Series[Any], landed: pd.Series[Any], usable: Bools, lookback_days: int) -> npt.NDArray[np.int64]:
    """For each usable row the position of the first usable row with its key landed in [its day - lookback, its day].

    Rows must be in landing order. A row that is the first itself, and a row that is not usable, gets its own position.
    """
    first = np.arange(len(key))
    candidates = np.flatnonzero(usable)
    repeated = key.iloc[candidates].duplicated(keep=False).to_numpy()
    rows: npt.NDArray[np.int64] = candidates[repeated]
    if not len(rows):
        return first
    group: npt.NDArray[np.int64] = pd.factorize(key.iloc[rows])[0].astype("int64")
    day: npt.NDArray[np.int64] = landed.iloc[rows].to_numpy().astype("datetime64[D]").astype("int64")
    day -= day.min() - lookback_days
    by_group = np.argsort(group, kind="stable")
    group, day, rows = group[by_group], day[by_group], rows[by_group]
    span = int(day.max()) + 1
    reach = np.searchsorted(group * span + day, group * span + day - lookback_days)
    first[rows] = rows[reach]
    return first


def same_payload(frame: pd.DataFrame, columns: list[str], left: Any, right: Any) -> Bools:
    """Whether rows at positions `left` and `right` agree in `columns`, null equal to null."""
    same = np.ones(len(left), dtype=bool)
    for name in columns:
        codes = pd.factorize(frame[name].iloc[np.concatenate([left, right])])[0]
        same &= codes[: len(left)] == codes[len(left) :]
    return same


def combine_reconciliation(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Reconciliation of a file whose rows were cleaned in several parts: counts add up."""
    whole = pd.concat(parts, ignore_index=True)
    by_file = whole.astype({"source_file": "str"}).groupby(["landing_date", "source_file"], sort=True)
    counts = by_file[[name for name in whole.columns if name.startswith("rows_")]].sum()
    return counts.assign(repairs=by_file["repairs"].agg(_added_up)).reset_index()


def _added_up(texts: pd.Series[Any]) -> str:
    total: Counter[str] = Counter()
    for text in texts:
        total.update(json.loads(text))
    return json.dumps(dict(sorted(total.items())))


def quality_score(accepted: int, read: int, duplicate: int, unchanged: int) -> float | None:
    """100 x accepted / (read - duplicates - unchanged); None where nothing was to be judged."""
    judged = read - duplicate - unchanged
    return 100 * accepted / judged if judged else None
