"""What runs took in: the rows of the landing days that they cleaned, and what became of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from churn_assets.assets.step import Deployment
from churn_assets.settings import SourceName
from churn_assets.warehouse import Ledger


@dataclass(frozen=True)
class Intake:
    """Rows of one source on `days` landing days: read = accepted + duplicate + unchanged + quarantined."""

    source: SourceName
    days: int
    read: int
    accepted: int
    duplicate: int
    unchanged: int
    quarantined: int
    reasons: tuple[tuple[str, int], ...]
    """The quarantined rows by reason, the most frequent first."""


def intakes(deployment: Deployment, run_ids: Collection[str]) -> list[Intake]:
    """Of each source that the runs cleaned, what stands now on those days."""
    if not run_ids or not deployment.settings.warehouse_path.exists():
        return []
    sources = deployment.settings.landed_sources
    found = []
    with deployment.warehouse.reading() as connection:
        ledger = Ledger.read(connection, [f"clean_{source}" for source in sources])
        for source in sources:
            days = [day for day, entry in ledger.of(f"clean_{source}").items() if entry.run_id in run_ids]
            if not days:
                continue
            on_these = "landing_date IN (SELECT unnest(?::DATE[]))"
            read, accepted, duplicate, unchanged, quarantined = connection.execute(
                f"""SELECT coalesce(sum(rows_read), 0)::BIGINT, coalesce(sum(rows_accepted), 0)::BIGINT, coalesce(sum(rows_duplicate), 0)::BIGINT,
                    coalesce(sum(rows_unchanged), 0)::BIGINT, coalesce(sum(rows_quarantined), 0)::BIGINT
                FROM churn.{source}_reconciliation WHERE {on_these}""",
                [days],
            ).fetchall()[0]
            reasons = connection.execute(
                f"SELECT reason, count(*) AS n FROM churn.quarantined_{source} WHERE {on_these} GROUP BY 1 ORDER BY n DESC, reason",
                [days],
            ).fetchall()
            found.append(Intake(source, len(days), read, accepted, duplicate, unchanged, quarantined, tuple(reasons)))
    return found
