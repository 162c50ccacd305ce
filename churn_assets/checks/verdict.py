"""What a check says of one partition, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import duckdb

from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract
from churn_assets.settings import Settings
from churn_assets.warehouse import Ledger
from churn_assets.warehouse.ledger import Published
from churn_assets.warehouse.older import older_days

T = TypeVar("T")
Unsettled = Callable[[duckdb.DuckDBPyConnection, str, Collection[str], DayRange], Collection[date]]
"""Of a table, with those that a check reads beside it, and days: the unsettled ones."""


WHY, IF_RIGHT = "why", "if_it_is_right"
"""Figures that are sentences: what is wrong, and what to do about it."""
EXPECTED = "expected"
"""The figure that says what was expected."""
MOST_FIGURES = 8
"""In a sentence."""


@dataclass(frozen=True)
class Verdict:
    """Passed or not, or None where there is too little to judge by, with the figures it rests on. Figures are counts and
    names of ours, never a value of a row.
    """

    passed: bool | None
    figures: Mapping[str, Any] = field(default_factory=dict)
    is_error: bool = False
    """A failure is shown as an error though it stops nothing."""

    @property
    def failed(self) -> bool:
        return self.passed is False


def in_words(figures: Mapping[str, Any]) -> str:
    """The figures of a failure as a part of a sentence: its own words where it has some."""
    if WHY in figures:
        return "; ".join(str(figures[name]) for name in (WHY, IF_RIGHT) if name in figures)
    some = [f"{name} {figure}" for name, figure in figures.items() if figure != ""]
    return ", ".join(some[:MOST_FIGURES]) + (
        f", and {more} more figures" if (more := len(some) - MOST_FIGURES) > 0 else ""
    )


def not_judged(why: str, **figures: Any) -> Verdict:
    """Neither green nor red: Dagster shows such a day as skipped."""
    return Verdict(None, {WHY: why, **figures})


def expected_day(setting: str, **figures: Any) -> Verdict:
    """Passed because a setting of `checks` lists the day."""
    return Verdict(True, {**figures, WHY: f"the day is among checks.{setting}"})


@dataclass(frozen=True)
class Stored:
    """What a check may look at: the published tables, through one read-only session."""

    connection: duckdb.DuckDBPyConnection
    contracts: Mapping[str, Contract]
    settings: Settings
    unsettled: Unsettled = lambda *_: ()
    """Days that are not to be judged, because their inputs, or what they are held against, moved on since they were published."""
    _known: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, name: Hashable, find: Callable[[], T]) -> T:
        """What `find` gives, asked for once in the session, in which nothing changes."""
        if name not in self._known:
            self._known[name] = find()
        return self._known[name]

    def published(self, table: str) -> Mapping[date, Published]:
        """The ledger's rows of the table, by day."""
        return self.once(("published", table), lambda: Ledger.read(self.connection, [table]).of(table))

    def older(self, table: str) -> Mapping[date, list[str]]:
        """Published days of the table that are of an older definition, and the columns that they lack."""
        return self.once(("older", table), lambda: older_days(self.connection, self.contracts[table]))

    def by_day(self, query: str, days: DayRange) -> dict[date, dict[str, Any]]:
        """Rows of `query` by their first column, a day. `$first` and `$last` are the days asked for."""
        parameters = {"first": days.first, "last": days.last}
        used = {name: value for name, value in parameters.items() if f"${name}" in query}
        relation = self.connection.execute(query, used)
        names = [column[0] for column in relation.description or []]
        return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in relation.fetchall()}


@dataclass(frozen=True)
class Check:
    """One check of one table. `judge` gives a verdict for each day that has something to look at; a day without a
    verdict fails. `reads` names the tables besides its own that must be there first.
    """

    table: str
    name: str
    description: str
    blocking: bool
    judge: Callable[[Stored, DayRange], Mapping[date, Verdict]]
    reads: tuple[str, ...] = ()
    trailing_days: int = 0
    """So many days of its own table before a day have a say in the verdict."""

    @property
    def qualified_name(self) -> str:
        """The name with its table's, which no two checks share."""
        return f"{self.table}.{self.name}"


NOTHING_TO_LOOK_AT = Verdict(False, {WHY: "nothing is published for this day, so there was nothing to look at"})
EVERY_DAY = """WITH days AS (
    SELECT CAST(range AS DATE) AS day FROM range($first::TIMESTAMP, $last::TIMESTAMP + INTERVAL 1 DAY, INTERVAL 1 DAY)
)"""
"""The asked-for days, so that a day without rows is judged too."""
