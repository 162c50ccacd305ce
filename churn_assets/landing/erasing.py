"""Taking users' records out of landed files: which files hold them, and each such file written again without.

Other records keep their bytes (Parquet: their typed values). A file is replaced in one step, so a stop leaves it as it
was or as it should be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.files import UNFINISHED, replace_content
from churn_assets.landing.erased import Erased
from churn_assets.landing.folder import is_delivered, is_marker
from churn_assets.landing.records import is_without, read_records
from churn_assets.settings import SOURCES, Settings, SourceName


@dataclass(frozen=True)
class FoundFile:
    """A landed file and how many of its records are sought ones."""

    source: SourceName
    path: Path
    records: int


@dataclass(frozen=True)
class Search:
    """What was found, and files that no run reads and that nobody could look into for certain."""

    found: Sequence[FoundFile]
    undecided: Sequence[Path]


def search_landing(settings: Settings, sought: Erased, user: str) -> Search:
    """Every file below the landing folder, whether a run reads it or not. `user` is the sought id as text.

    Raises RefusedFile for a file of a day that cannot be read for certain: nobody could say that the user is not in it.
    """
    found: list[FoundFile] = []
    undecided: list[Path] = []
    landing, looked_into = settings.landing_dir, set[Path]()
    files = [path for path in landing.rglob("*") if path.is_file() and path.stat().st_size]
    # Files of days first: a link in a day's folder says which source its target belongs to, and the target's own place may not.
    for path in sorted(files, key=lambda path: (not is_delivered(path, landing), path)):
        source, *_ = path.relative_to(landing).parts
        is_of_a_day = is_delivered(path, landing)
        if not is_of_a_day and path.resolve() in looked_into:
            continue
        looked_into.add(path.resolve())
        for name in (source,) if source in SOURCES else SOURCES:
            try:
                if records := _sought(settings, name, path, sought)[0]:
                    found.append(FoundFile(name, path, records))
                break
            except RefusedFile:
                if is_of_a_day:
                    raise
        else:
            if _may_name(path, user):
                undecided.append(path)
    return Search(found, undecided)


def _may_name(path: Path, user: str) -> bool:
    """Whether a file that is none of a source's may hold the id: it does as text, or is no text. Markers are taken as they are."""
    content = path.read_bytes()
    if re.search(rb"(?<!\w)" + re.escape(user.encode()) + rb"(?!\w)", content):
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return not is_marker(path.name)
    return b"\0" in content and not is_marker(path.name)


def rewrite_without(settings: Settings, found: FoundFile, sought: Erased) -> None:
    """Write the file again without the sought users' records. Raises ChurnError, with the file as it was."""
    records, content = _sought(settings, found.source, found.path, sought)
    if not records:
        return
    path = found.path.resolve()  # of a link within the landing, the file itself
    try:
        replace_content(path, content)
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(f"{path} cannot be written ({cause}); put that right and run the erasure again.") from error


def remove_leftovers(settings: Settings) -> None:
    """What an erasure that was killed left beside the landed files."""
    for leftover in settings.landing_dir.rglob(f".*{UNFINISHED}"):
        leftover.unlink(missing_ok=True)


def rename_without(settings: Settings, text: str, instead: str) -> None:
    """Take a text out of the names of landed files."""
    for path in sorted(settings.landing_dir.rglob("*")):
        if text in path.name and path.is_file():
            path.rename(_free(path.with_name(path.name.replace(text, instead))))


def _free(path: Path) -> Path:
    """The path, or one beside it with a number in front of the name, that is not taken."""
    names = (path.with_name(f"{number}-{path.name}") for number in count(2))
    return path if not path.exists() else next(name for name in names if not name.exists())


def _sought(settings: Settings, source: SourceName, path: Path, sought: Erased) -> tuple[int, bytes]:
    """How many records of the file are sought ones, and the file without them, compressed as it was.

    Raises RefusedFile unless all other records would be as they were.
    """
    records = read_records(path, source, settings, settings.landing_dir)
    found = sought.among(records.read, records.binder, records.delivery.format)
    if records.delivery.format == "jsonl" and found.any() and not (records.read.is_bound & ~found).any():
        # Unreadable lines alone are no file: it would be refused, and with it everybody's day.
        found[:] = True
    if not found.any():
        return 0, b""
    content = records.rows.only(~found)
    if not is_without(records, found, content):
        raise records.delivery.refused(
            "cannot be written again so that all other records stay as they are; take the user's records out yourself"
        )
    return int(found.sum()), records.delivery.packing.packed(content)
