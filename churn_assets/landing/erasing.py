"""Taking users' records out of landed files: which files hold them, and each such file written again without.

Other records keep their bytes (Parquet: their typed values). A file is replaced in one step, so a stop leaves it as it
was or as it should be.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from churn_assets.errors import ChurnError
from churn_assets.files import UNFINISHED, replace_content
from churn_assets.landing.erased import Erased
from churn_assets.landing.records import read_records
from churn_assets.settings import SOURCES, Settings, SourceName


@dataclass(frozen=True)
class FoundFile:
    """A landed file and how many of its records are sought ones."""

    source: SourceName
    path: Path
    records: int


def search_landing(settings: Settings, sought: Erased) -> Iterator[FoundFile]:
    """The files of every landing day, of the calendar or not, that hold a record of a sought user.

    Raises RefusedFile for one that cannot be read for certain: nobody could say that the user is not in it.
    """
    for source in SOURCES:
        for path in sorted((settings.landing_dir / source).glob("date=*/*")):
            if path.name[0] not in "._" and (records := _sought(settings, source, path, sought)[0]):
                yield FoundFile(source, path, records)


def rewrite_without(settings: Settings, found: FoundFile, sought: Erased) -> None:
    """Write the file again without the sought users' records. Raises ChurnError, with the file as it was."""
    records, content = _sought(settings, found.source, found.path, sought)
    if not records:
        return
    path = found.path.resolve()  # of a link within the landing, the file itself
    if path.name.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    try:
        replace_content(path, content)
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(f"{path} cannot be written ({cause}); put that right and run the erasure again.") from error


def remove_leftovers(settings: Settings) -> None:
    """What an erasure that was killed left beside the landed files."""
    for leftover in settings.landing_dir.glob(f"*/date=*/.*{UNFINISHED}"):
        leftover.unlink(missing_ok=True)


def rename_without(settings: Settings, text: str, instead: str) -> None:
    """Take a text out of the names of landed files."""
    for path in sorted(settings.landing_dir.glob("*/date=*/*")):
        if text in path.name:
            path.rename(_free(path.with_name(path.name.replace(text, instead))))


def _free(path: Path) -> Path:
    """The path, or one beside it with a number in front of the name, that is not taken."""
    names = (path.with_name(f"{number}-{path.name}") for number in count(2))
    return path if not path.exists() else next(name for name in names if not name.exists())


def _sought(settings: Settings, source: SourceName, path: Path, sought: Erased) -> tuple[int, bytes]:
    """How many records of the file are sought ones, and the file without them."""
    records = read_records(path, source, settings, settings.landing_dir)
    found = sought.among(records.read, records.binder, records.delivery.format)
    if records.delivery.format == "jsonl" and found.any() and not (records.read.is_bound & ~found).any():
        # Unreadable lines alone are no file: it would be refused, and with it everybody's day.
        found[:] = True
    return int(found.sum()), records.rows.only(~found) if found.any() else b""
