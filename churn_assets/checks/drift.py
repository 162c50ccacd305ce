"""Drift of distributions from one week to the next, as the population stability index (PSI): 0.1 warns, 0.25 is an error.

An error here stops nothing: a deadline, a holiday or a new offer moves a distribution as far as a broken mapping does
(docs/decisions/0008-drift.md), and only a person can tell which it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from churn_assets.calendar import DayRange
from churn_assets.checks.verdict import Check, Stored, Verdict, not_judged
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import literal, quoted

WARN, ERROR = 0.1, 0.25
"""Of the PSI, by convention: below 0.1 no change worth a look, above 0.25 another population."""
TRAILING_DAYS = 7
FEWEST_ROWS = 500
"""Of a day, and of what it is held against. Chance alone makes a PSI of about (bins - 1) x (1/n + 1/m): 0.02 with 6 bins of
500 against 500.
"""
HALF_A_ROW = 0.5
"""Added to each bin, so that an empty one is rare and not impossible."""

Bins = Mapping[str, int]


@dataclass(frozen=True)
class Distribution:
    """Rows of `table` with `among`, counted by day and by the expression `bin`."""

    name: str
    table: str
    day: str
    bin: str
    among: str
    of: str


def drift_checks(settings: Settings) -> list[Check]:
    return [_check(one) for one in distributions(settings)]


def distributions(settings: Settings) -> tuple[Distribution, ...]:
    """Of event types, of the properties that have `bins`, and of the attributes that want it."""
    return (_of_event_types(settings), *_of_properties(settings), *_of_attributes(settings))


def _of_event_types(settings: Settings) -> Distribution:
    product = settings.declaration
    vocabulary = _texts((*product.event_vocabulary, *settings.sources.events.event_types))
    scheduled = [event.name for event in product.event_types if event.scheduled]
    return Distribution(
        name="event_type",
        table="clean_events",
        day="landing_date",
        bin=f"CASE WHEN event_type IN ({vocabulary}) THEN event_type ELSE 'other' END" if vocabulary else "event_type",
        among=f"event_type NOT IN ({_texts(scheduled)})" if scheduled else "true",
        of="event types, scheduled ones apart," if scheduled else "event types",
    )


def _of_properties(settings: Settings) -> Iterator[Distribution]:
    """A value falls into the bin of how many edges it exceeds. Null is in a bin of its own."""
    for entry in settings.declaration.properties:
        if entry.bins:
            edges = ", ".join(f"{edge:g}" for edge in entry.bins)
            yield Distribution(
                name=entry.name,
                table="clean_events",
                day="landing_date",
                bin=" + ".join(f"({quoted(entry.name)} > {edge!r})::INTEGER" for edge in entry.bins),
                among=f"event_type IN ({_texts(entry.bins_of)})" if entry.bins_of else "true",
                of=f"{entry.name}{' of ' + ', '.join(entry.bins_of) if entry.bins_of else ''} (bins above {edges})",
            )


def _of_attributes(settings: Settings) -> Iterator[Distribution]:
    for entry in settings.declaration.attributes:
        if entry.drift:
            name = quoted(entry.name)
            yield Distribution(entry.name, "user_day_grid", "as_of_date", name, "true", f"{entry.name} among all users")


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(literal, values))


def psi(one: Bins, other: Bins) -> float:
    """Population stability index of two counts by bin: 0 where the shares are equal, without a limit above."""
    bins = sorted(one.keys() | other.keys())
    totals = [sum(counts.values()) + HALF_A_ROW * len(bins) for counts in (one, other)]
    index = 0.0
    for name in bins:
        p, q = ((counts.get(name, 0) + HALF_A_ROW) / total for counts, total in zip((one, other), totals, strict=True))
        index += (p - q) * math.log(p / q)
    return index


def nearest_psi(day: Bins, trailing: Sequence[Bins]) -> float | None:
    """The least PSI of `day` against the trailing days together and against each that has enough rows; None where `day`
    or the days together have too few.

    Against each, too, so that what comes round every week, a quiet Sunday or a weekly event, is none.
    """
    together: dict[str, int] = {}
    for bins in trailing:
        for name, count in bins.items():
            together[name] = together.get(name, 0) + count
    against = [bins for bins in (together, *trailing) if sum(bins.values()) >= FEWEST_ROWS]
    if sum(day.values()) < FEWEST_ROWS or not against:
        return None
    return min(psi(day, bins) for bins in against)


def _check(one: Distribution) -> Check:
    query = f"""SELECT {one.day} AS day, map(list(bin), list(n)) AS bins FROM (
            SELECT {one.day}, ({one.bin})::VARCHAR AS bin, count(*) AS n FROM churn.{one.table}
            WHERE {one.day} BETWEEN $first AND $last AND {one.among} GROUP BY ALL)
        GROUP BY 1"""

    def judge(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        looked_at = DayRange(days.first - timedelta(days=TRAILING_DAYS), days.last)
        found: dict[date, Bins] = {day: row["bins"] for day, row in stored.by_day(query, looked_at).items()}
        return {day: _verdict(found, day) for day in days}

    return Check(
        table=one.table,
        name=f"drift_of_{one.name}",
        description=f"The mix of {one.of} is near that of the trailing {TRAILING_DAYS} days, or of one of them: PSI below "
        f"{WARN} (from {ERROR} on an error, which stops nothing).",
        blocking=False,
        judge=judge,
    )


def _verdict(found: Mapping[date, Bins], day: date) -> Verdict:
    own = found.get(day, {})
    trailing = [found[at] for n in range(1, TRAILING_DAYS + 1) if (at := day - timedelta(days=n)) in found]
    rows, before = sum(own.values()), sum(sum(bins.values()) for bins in trailing)
    index = nearest_psi(own, trailing)
    if index is None:
        return not_judged(f"judged from {FEWEST_ROWS} rows on", rows=rows, trailing_rows=before)
    figures = {"psi": round(index, 4), "rows": rows, "trailing_rows": before}
    return Verdict(index < WARN, figures, is_error=index >= ERROR)
