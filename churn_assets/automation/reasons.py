"""Why partitions are to be computed, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from churn_assets.errors import first_few
from churn_assets.warehouse.definitions import Changes

NOT_PUBLISHED = "not published yet"
MOST_NAMED = 3
"""Columns of one kind that a reason names."""


@dataclass(frozen=True)
class Judged:
    """One day of a step: what its ledger rows say, held against today's inputs and definitions."""

    is_published: bool
    is_asked: bool
    has_other_inputs: bool
    has_other_code: bool
    changes: Mapping[str, Changes | None] = field(default_factory=dict)
    """What became of each table's columns since; None where the ledger does not know them."""
    is_touched: bool = False
    """Whether its window holds a day about to be computed that it would notice."""

    def is_due(self, *, any_code: bool) -> bool:
        """Whether it is to be computed for itself; `any_code`: a version of other code will do."""
        return not self.is_published or self.is_asked or self.has_other_inputs or (self.has_other_code and not any_code)

    def columns(self, table: str) -> Collection[str] | None:
        """The columns of a table that may come out otherwise; None: all of them."""
        if not self.is_published or self.is_asked or self.has_other_inputs or self.is_touched:
            return None
        changes = self.changes.get(table)
        # Nothing is known to have changed but the version: then anything may have.
        return changes.names if changes and any(own and own.names for own in self.changes.values()) else None

    def why(self, table: str) -> str:
        """The reason in a few words. New code comes with new inputs where it reads another window."""
        if not self.is_published:
            return NOT_PUBLISHED
        if self.is_asked:
            return "asked for"
        if not self.has_other_code:
            return "new inputs" if self.has_other_inputs else "what it reads is computed again"
        changes = self.changes.get(table)
        if changes is None or not (changes.added or changes.dropped or changes.same):
            return "new code or settings"
        parts = [
            f"{_named(names)} {verb}"
            for names, verb in (
                (changes.added, "added"),
                (changes.changed if changes.same else (), "changed"),
                (changes.dropped, "dropped"),
            )
            if names
        ]
        if changes.changed and not changes.same:
            parts.append("all others changed")
        return f"new definition: {', '.join(parts)}" if parts else "new code or settings"


@dataclass(frozen=True)
class Reason:
    """How many partitions of some tables are to be computed for one reason."""

    tables: tuple[str, ...]
    partitions: int
    why: str

    @property
    def is_first(self) -> bool:
        """Whether they were never published."""
        return self.why == NOT_PUBLISHED

    def __str__(self) -> str:
        noun = "partition" if self.partitions == 1 else "partitions"
        return f"{', '.join(self.tables)}: {self.partitions:,} {noun}, {self.why}"


def summed(tables: tuple[str, ...], judged: Iterable[Judged]) -> Iterator[Reason]:
    """The reasons of one step's days, the commonest first. Tables with the same days for the same reason share one."""
    days = list(judged)
    shared: dict[tuple[str, int], list[str]] = {}
    for table in tables:
        for why, count in Counter(one.why(table) for one in days).most_common():
            shared.setdefault((why, count), []).append(table)
    for (why, count), own in shared.items():
        yield Reason(tuple(own), count * len(own), why)


def _named(names: tuple[str, ...]) -> str:
    return first_few(names, MOST_NAMED)
