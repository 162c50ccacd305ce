"""What a report says, taken from the warehouse: no markup here, and nothing computed that a table or a check does not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import duckdb
import pandas as pd

from churn_assets.assets.scoring_steps import segments
from churn_assets.assets.settled import unsettled
from churn_assets.assets.step import Deployment
from churn_assets.calendar import DayRange
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored, in_words
from churn_assets.contracts.metrics import MONTH_DAYS
from churn_assets.errors import ChurnError
from churn_assets.report.at_risk import Lists, at_risk
from churn_assets.transforms.outcomes import quality_score
from churn_assets.warehouse import Extent, Ledger, read_days
from churn_assets.warehouse.frames import quoted

JUDGED_DAYS = 2 * MONTH_DAYS
"""Checks are judged on as many last days as the newest figures of growth rest on."""
MOST_GROUPS = 12
"""Labels of an attribute that are named; the rest are summed up."""


@dataclass(frozen=True)
class Quality:
    """What became of a source's landed rows, over all days; `score` as on each landing partition, null if none counts."""

    source: str
    read: int
    accepted: int
    duplicate: int
    unchanged: int
    quarantined: int
    score: float | None
    worst_day: date | None
    worst_score: float | None


@dataclass(frozen=True)
class Warned:
    """A check that fails on some of the judged days. `expects`: what is wrong on the last of them where it blocks, else what was
    expected.
    """

    check: str
    blocking: bool
    days: int
    last: date
    expects: str


@dataclass(frozen=True)
class Contents:
    """All of a report. `growth` and `cohorts` are growth_daily and retention_cohorts; `groups` are (label, users, active)
    by attribute.
    """

    day: date
    published: dict[str, Extent]
    waiting: list[str]
    """Tables of which nothing is published."""
    quality: list[Quality]
    reasons: list[tuple[str, str, int]]
    warnings: list[Warned]
    judged: DayRange
    groups: dict[str, list[tuple[str, int, int]]]
    growth: pd.DataFrame
    cohorts: pd.DataFrame
    lists: Lists | None
    """Whom to call; None while nobody is scored."""


def gather(deployment: Deployment) -> Contents:
    """The report of what is published now, as of growth_daily's last day, or of the last day of any table while that one waits
    for a blocking check. Raises ChurnError where nothing is published.
    """
    with deployment.warehouse.reading() as connection:
        ledger = Ledger.read(connection)
        published = {table: known for table in deployment.contracts if (known := ledger.extent(table))}
        if not published:
            raise ChurnError("Nothing is published yet; run 'churn-assets backfill' first.")
        of_growth = published.get("growth_daily")
        day = of_growth.last if of_growth else max(known.last for known in published.values())
        every = DayRange(
            min(known.first for known in published.values()), max(known.last for known in published.values())
        )
        judged = DayRange(max(every.first, day - timedelta(days=JUDGED_DAYS - 1)), day)
        return Contents(
            day=day,
            published=published,
            waiting=[table for table in deployment.contracts if table not in published],
            quality=[_quality(connection, source) for source in _cleaned(deployment, published)],
            reasons=_reasons(connection, _cleaned(deployment, published)),
            warnings=list(_warnings(deployment, connection, ledger, judged, every)),
            judged=judged,
            groups={
                name: _groups(connection, name, day)
                for name in segments(deployment.settings)
                if "user_daily" in published
            },
            growth=read_days(connection, deployment.contracts["growth_daily"]),
            cohorts=read_days(connection, deployment.contracts["retention_cohorts"]),
            lists=at_risk(connection, deployment.settings.declaration),
        )


def _cleaned(deployment: Deployment, published: Mapping[str, Extent]) -> list[str]:
    return [source for source in deployment.settings.landed_sources if f"{source}_reconciliation" in published]


def _quality(connection: duckdb.DuckDBPyConnection, source: str) -> Quality:
    days = connection.execute(
        f"""SELECT landing_date, sum(rows_accepted)::BIGINT, sum(rows_read)::BIGINT, sum(rows_duplicate)::BIGINT,
            sum(rows_unchanged)::BIGINT, sum(rows_quarantined)::BIGINT
        FROM churn.{source}_reconciliation GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    scores = [(score, day) for day, *counts, _ in days if (score := quality_score(*counts)) is not None]
    accepted, read, duplicate, unchanged, quarantined = (sum(row[at] for row in days) for at in range(1, 6))
    worst_score, worst_day = min(scores, default=(None, None))
    score = quality_score(accepted, read, duplicate, unchanged)
    return Quality(source, read, accepted, duplicate, unchanged, quarantined, score, worst_day, worst_score)


def _reasons(connection: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> list[tuple[str, str, int]]:
    """(source, reason, rows) of what was rejected."""
    if not sources:
        return []
    parts = " UNION ALL ".join(
        f"SELECT '{source}' AS source, reason, count(*) AS n FROM churn.quarantined_{source} GROUP BY ALL"
        for source in sources
    )
    return connection.execute(f"FROM ({parts}) ORDER BY n DESC, source, reason").fetchall()


def _warnings(
    deployment: Deployment, connection: duckdb.DuckDBPyConnection, ledger: Ledger, latest: DayRange, every: DayRange
) -> Iterator[Warned]:
    """Checks that stored data fails on published days: the blocking ones on every day, the others on the latest."""
    stored = Stored(connection, deployment.contracts, deployment.settings, partial(unsettled, deployment))
    for check in all_checks(deployment.settings):
        published = ledger.of(check.table)
        if not published:
            continue
        judged = verdicts(check, stored, every if check.blocking else latest)
        failing = [day for day, v in judged.items() if day in published and v.failed]
        if failing:
            name, last = check.qualified_name, max(failing)
            why = in_words(judged[last].figures) if check.blocking else check.description
            yield Warned(name, check.blocking, len(failing), last, why)


def _groups(connection: duckdb.DuckDBPyConnection, column: str, day: date) -> list[tuple[str, int, int]]:
    """(value, users, active on the day) by an attribute, largest first, the smallest together as `other`."""
    found = connection.execute(
        f"""SELECT coalesce({quoted(column)}::VARCHAR, 'none'), count(*), count(*) FILTER (is_active) FROM churn.user_daily WHERE as_of_date = ?
        GROUP BY 1 ORDER BY 2 DESC, 1""",
        [day],
    ).fetchall()
    rest = found[MOST_GROUPS:]
    others = [(f"{len(rest)} others", sum(row[1] for row in rest), sum(row[2] for row in rest))] if rest else []
    return found[:MOST_GROUPS] + others
