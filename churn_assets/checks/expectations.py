"""Expectations of stored data: some per table, a warning for each partition.

They look at a profile of the table with one row per partition, measured in SQL, and not at the rows themselves: each
partition gets its own result in a range run as in a single one, and a partition without rows is judged too. A figure is held
against its limits here, as Great Expectations would, which shows the same in its Data Docs (docs/decisions/0004-expectations.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.checks.profile import Expectation, expectations
from churn_assets.checks.verdict import EVERY_DAY, EXPECTED, Check, Stored, Verdict
from churn_assets.contracts import Contract
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import qualified, quoted


def expectation_checks(settings: Settings, contracts: Mapping[str, Contract]) -> list[Check]:
    return [_check(contracts[table], suite) for table, suite in expectations(settings).items()]


def _check(contract: Contract, suite: Sequence[Expectation]) -> Check:
    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        profile = measure(stored, contract, suite, days)
        breaches = validate(profile, suite)
        return {
            row["day"].date(): Verdict(
                not breaches[row["day"]],
                {
                    **{one.figure: float(row[one.figure]) for one in suite},
                    **_explained(row, suite, breaches[row["day"]]),
                },
            )
            for row in profile.to_dict("records")
        }

    return Check(
        table=contract.table,
        name="expectations",
        description="; ".join(one.meaning for one in suite) + ".",
        blocking=False,
        judge=judge,
    )


def _explained(row: Mapping[Any, Any], suite: Sequence[Expectation], breached: set[str]) -> dict[str, str]:
    """What was expected, and the names behind it, where a figure breached."""
    if not breached:
        return {}
    names = {
        f"{one.figure}_names": str(row[f"{one.figure}_names"]) for one in suite if one.names and one.figure in breached
    }
    return {EXPECTED: "; ".join(one.meaning for one in suite if one.figure in breached), **names}


def measure(stored: Stored, contract: Contract, suite: Sequence[Expectation], days: DayRange) -> pd.DataFrame:
    """One row per day: `day`, each expectation's figure as float64, and names where an expectation has them."""
    figures = [f"({one.sql})::DOUBLE AS {quoted(one.figure)}" for one in suite]
    figures += [
        f"array_to_string(({one.names}), ', ') AS {quoted(one.figure + '_names')}" for one in suite if one.names
    ]
    day = quoted(contract.day)
    # A day without rows is one row of the left join with nulls in it: the aggregates must see no row there.
    query = f"""{EVERY_DAY},
    found AS (SELECT {day} AS day, {", ".join(figures)} FROM {qualified(contract.table)} t
        WHERE {day} BETWEEN $first AND $last GROUP BY 1),
    nothing AS (SELECT {", ".join(figures)} FROM {qualified(contract.table)} t WHERE false)
    SELECT days.day, {", ".join(f"CASE WHEN found.day IS NULL THEN nothing.{n} ELSE found.{n} END AS {n}" for n in _names(suite))}
    FROM days LEFT JOIN found USING (day) CROSS JOIN nothing ORDER BY days.day"""
    measured = stored.by_day(query, days)
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(list(measured)),
            **{n.strip('"'): [f[n.strip('"')] for f in measured.values()] for n in _names(suite)},
        }
    )
    return frame.astype({one.figure: "float64" for one in suite})


def _names(suite: Sequence[Expectation]) -> list[str]:
    return [quoted(one.figure) for one in suite] + [quoted(one.figure + "_names") for one in suite if one.names]


def validate(profile: pd.DataFrame, suite: Sequence[Expectation]) -> dict[pd.Timestamp, set[str]]:
    """For each day the figures that breach their expectation. A figure that is missing is a breach."""
    breaches: dict[pd.Timestamp, set[str]] = {day: set() for day in profile["day"]}
    for one in suite:
        for day, figure in zip(profile["day"], profile[one.figure], strict=True):
            if not one.holds(figure):
                breaches[day].add(one.figure)
    return breaches
