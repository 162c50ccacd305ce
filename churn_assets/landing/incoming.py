"""How whole landing days come into being: written aside, compared with what is there, moved into place at the end.

A reader never sees half a day, a stopped import can be run again, and what differs is never overwritten unasked.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError
from churn_assets.landing.folder import DAY_FOLDER
from churn_assets.settings import SOURCES

INCOMING = ".landing-incoming"
LOCK = ".landing.lock"


@contextmanager
def incoming(landing_dir: Path) -> Iterator[Path]:
    """An empty folder beside the landing, to be filled with `{users,events}/date=.../` and published; gone afterwards.

    Raises ChurnError if another import is under way, or for anything the disk refuses meanwhile.
    """
    staging = landing_dir.parent / f"{INCOMING}-{landing_dir.name}"
    try:
        landing_dir.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(landing_dir.parent / LOCK, timeout=0):
            if staging.exists():  # of an import that was killed
                shutil.rmtree(staging)
            staging.mkdir()
            try:
                yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except Timeout:
        raise ChurnError(
            f"Another import into {landing_dir} is under way; wait until it is done and run this again."
        ) from None
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(
            f"The landing in {landing_dir} cannot be written ({cause}); put that right and run this again."
        ) from error


ADDING = "put files into the day folders yourself, and raise end_date in churn.toml to the last of these days"


def publish(staging: Path, landing_dir: Path, *, replace: bool, whole: bool) -> bool:
    """Move the staged day folders into the landing; True if they were all there already, byte for byte.

    Equal day folders are left alone, so an import that was stopped half-way is completed. Others (`whole`: any day of
    the landing; else: those of the staged days) are refused with ChurnError, or removed first if `replace`.
    """
    planned, existing = _day_folders(staging), _day_folders(landing_dir)
    equal = {day for day in planned if day in existing and _same_files(staging / day, landing_dir / day)}
    others = sorted(day for day in existing if day not in equal and (whole or day in set(planned)))
    if others and not replace:
        raise ChurnError(
            f"{landing_dir} already holds {len(others)} day folders that differ from these, the first being "
            f"{others[0]}; use --replace to remove them, or another data folder."
            + (f" To add to them, {ADDING}." if whole else "")
        )
    for day in others:
        shutil.rmtree(landing_dir / day)
    missing = [day for day in planned if day not in equal]
    for day in missing:
        _move(staging / day, landing_dir / day)
    return not missing and not others


def _day_folders(folder: Path) -> list[str]:
    """`source/date=...` of every day folder that holds something, day by day."""
    found = [
        f"{source}/{day.name}"
        for source in SOURCES
        if (folder / source).is_dir()
        for day in (folder / source).iterdir()
        if DAY_FOLDER.fullmatch(day.name) and any(day.iterdir())
    ]
    return sorted(found, key=lambda day: (day.split("=")[1], day))


def _same_files(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def _move(staged: Path, place: Path) -> None:
    """One day folder into the landing, in one step."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        place.rmdir()
    staged.rename(place)
