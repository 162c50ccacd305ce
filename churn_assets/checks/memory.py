"""What blocking checks found, day by day, so that days which passed are not judged again while what they hold stays the same.

A verdict is remembered with what it was about: the content of its table's partition and of the same day of the tables it reads,
what is declared, the settings and the code. The file may be deleted at any time, and then everything is judged again.
What is stored is trusted to be as published here; `verify` is who looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from churn_assets.checks.verdict import Check, Stored, Verdict, in_words
from churn_assets.savings import Savings
from churn_assets.settings import Settings

FILE = "verdicts.sqlite"
SCHEMA = """CREATE TABLE IF NOT EXISTS verdicts (
    name TEXT NOT NULL, day TEXT NOT NULL, about TEXT NOT NULL, failure TEXT, PRIMARY KEY (name, day))"""
OF_NO_CHECK = {"data_dir", "end_date", "lock_timeout_seconds", "block_rows", "backfill_chunk_days"}
"""Settings that change no verdict."""
Days = Mapping[date, str]


@dataclass(frozen=True)
class Memory:
    """Verdicts of a deployment."""

    savings: Savings
    rules: str
    """A digest of what is declared, the settings and the code."""

    @classmethod
    def of(cls, settings: Settings) -> Memory:
        rules = _digest(f"{_code()}\n{settings.model_dump_json(exclude=OF_NO_CHECK)}")
        return cls(Savings(settings.data_dir / FILE, SCHEMA), rules)

    def about(self, check: Check, stored: Stored, days: Collection[date]) -> Days:
        """What a verdict on each of the published ones among `days` is about."""
        tables = [stored.published(table) for table in (check.table, *check.reads)]
        own = tables[0]
        found = {}
        for day in days:
            if day in own:
                before = [own.get(day - timedelta(days=n)) for n in range(check.trailing_days, 0, -1)]
                rows = [*before, *(table.get(day) for table in tables)]
                parts = ["-" if row is None else f"{row.content_hash}{row.definition}" for row in rows]
                found[day] = _digest("|".join([self.rules, *parts]))
        return found

    def passed(self, check: Check, about: Days) -> set[date]:
        """The days on which the check is known to pass."""
        known = {day: of for day, of, failure in self._rows(check.qualified_name) if failure is None}
        return {day for day, of in about.items() if known.get(day) == of}

    @property
    def knows_failures(self) -> bool:
        """Whether any verdict was a failure, of whatever days."""
        return bool(self.savings.rows("SELECT 1 FROM verdicts WHERE failure IS NOT NULL LIMIT 1"))

    def failures(self, check: Check, about: Days) -> dict[date | None, str]:
        """The days on which the check is known to fail, with what is wrong."""
        known = {day: (of, failure) for day, of, failure in self._rows(check.qualified_name) if failure is not None}
        return {day: known[day][1] for day, of in about.items() if day in known and known[day][0] == of}

    def note(self, check: Check, about: Days, verdicts: Mapping[date, Verdict]) -> None:
        """Keep the verdicts on the days that were judged."""
        rows = [
            (check.qualified_name, day.isoformat(), of, in_words(verdict.figures) if verdict.failed else None)
            for day, of in about.items()
            if (verdict := verdicts.get(day)) is not None and verdict.passed is not None
        ]
        self.savings.keep("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", rows)

    def _rows(self, name: str) -> list[tuple[date, str, str | None]]:
        rows = self.savings.rows("SELECT day, about, failure FROM verdicts WHERE name = ?", name)
        return [(date.fromisoformat(day), of, failure) for day, of, failure in rows]


@cache
def _code() -> str:
    """All of the package: a check recomputes with much of it."""
    package = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
