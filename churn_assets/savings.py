"""Small SQLite files beside the warehouse that save work and hold no truth: one that is lost, damaged, locked or read-only costs time alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS_TO_WAIT = 30


@dataclass(frozen=True)
class Savings:
    """One such file, with the one table that `schema` creates."""

    path: Path
    schema: str

    def rows(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        """What is known; nothing where the file cannot be read."""
        if not self.path.exists():
            return []
        try:
            with closing(sqlite3.connect(self.path, timeout=SECONDS_TO_WAIT)) as connection:
                return connection.execute(query, parameters).fetchall()
        except sqlite3.Error:
            return []

    def keep(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run the statement for each row, in one transaction, if the file can be written."""
        if not rows:
            return
        try:
            with closing(sqlite3.connect(self.path, timeout=SECONDS_TO_WAIT)) as connection, connection:
                connection.execute(self.schema)
                connection.executemany(statement, rows)
        except sqlite3.OperationalError:  # locked for long, a full disk, a folder that is read-only
            pass
        except sqlite3.DatabaseError:  # damaged
            self.path.unlink(missing_ok=True)
