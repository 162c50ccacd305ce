"""What was delivered and no run looks at: days outside the calendar, and files that belong to no day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from churn_assets.calendar import ONE_DAY, calendar_days
from churn_assets.errors import first_few
from churn_assets.landing.folder import Deliveries, has_delivery, is_marker
from churn_assets.settings import SETTINGS_FILE, Settings

MOST_NAMED = 5


@dataclass(frozen=True)
class Unclaimed:
    """Landing days before and after the calendar, and paths relative to the landing folder that are no landing day's."""

    before: Sequence[date]
    after: Sequence[date]
    loose: Sequence[Path]


def unclaimed(settings: Settings) -> Unclaimed:
    """Looks at names alone, and into no folder of a day that the calendar has."""
    end = settings.end_date or calendar_days(settings).last + ONE_DAY  # today's delivery may have begun
    deliveries = [Deliveries.of(settings, source) for source in settings.landed_sources]
    outside: set[date] = set()
    loose: list[Path] = []
    for path in _entries(settings):
        source = next((one for one in deliveries if path.parent == settings.landing_dir / one.source), None)
        day = source.landing_day(path.name) if source else None
        if day is None or not path.is_dir():
            loose += _files(path, settings.landing_dir)
        elif not settings.calendar_start <= day <= end and has_delivery(path):
            outside.add(day)
    before, after = ([day for day in sorted(outside) if (day > end) == is_after] for is_after in (False, True))
    return Unclaimed(before, after, sorted(loose))


def _entries(settings: Settings) -> Iterator[Path]:
    """What lies in the folders of the sources, and beside these."""
    if settings.landing_dir.is_dir():
        for path in settings.landing_dir.iterdir():
            if path.name in settings.landed_sources and path.is_dir():
                yield from path.iterdir()
            else:
                yield path


def _files(path: Path, landing_dir: Path) -> Iterator[Path]:
    for file in path.rglob("*") if path.is_dir() else (path,):
        inside = file.relative_to(landing_dir)
        if file.is_file() and not any(map(is_marker, inside.parts)):
            yield inside


def sentences(settings: Settings) -> Iterator[str]:
    """One for each way in which deliveries are overlooked: how many, which, and the remedy."""
    found, where = unclaimed(settings), settings.data_dir / SETTINGS_FILE
    if found.before:
        yield (
            f"{_days(found.before)} not computed: the first is {found.before[0]}, and the calendar starts on "
            f"{settings.calendar_start}; lower start_date in {where}, or take them away."
        )
    if found.after and settings.end_date:
        yield (
            f"{_days(found.after)} not computed: the last is {found.after[-1]}, and the calendar ends on {settings.end_date}; "
            f"raise end_date in {where}, or take it out to go on until yesterday."
        )
    elif found.after:
        yield f"{_days(found.after)} not computed: the last is {found.after[-1]}, which is yet to come; check its folder's name."
    if found.loose:
        named = first_few([path.as_posix() for path in found.loose], MOST_NAMED)
        files = "file lies" if len(found.loose) == 1 else "files lie"
        yield (
            f"{len(found.loose):,} {files} in {settings.landing_dir} and belong to no day, so that no run reads them: {named}; "
            f"deliver into {' or '.join(settings.landed_sources)}/date=YYYY-MM-DD/."
        )


def _days(days: Sequence[date]) -> str:
    return f"{len(days):,} landed {'day is' if len(days) == 1 else 'days are'}"
