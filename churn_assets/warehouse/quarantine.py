"""What lies in quarantine: how many rows, by reason, landing day and file. Never what a row says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from churn_assets.settings import SOURCES, SourceName
from churn_assets.warehouse.frames import qualified, table_exists


@dataclass(frozen=True)
class Quarantined:
    """Rejected rows of one file for one reason."""

    source: SourceName
    day: date
    file: str
    reason: str
    rows: int


def quarantined(connection: duckdb.DuckDBPyConnection) -> list[Quarantined]:
    """All of it, in order of source, day, file and reason; nothing where nothing is published."""
    found: list[Quarantined] = []
    for source in SOURCES:
        table = f"quarantined_{source}"
        if table_exists(connection, table):
            counts = connection.execute(
                f"SELECT landing_date, source_file, reason, count(*) FROM {qualified(table)} GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            found += [Quarantined(source, *row) for row in counts]
    return found
