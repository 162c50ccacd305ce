"""Where deliveries lie: `<landing>/<source>/date=YYYY-MM-DD/`. Finding files, not reading them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from churn_assets.calendar import days_behind
from churn_assets.errors import RefusedFile
from churn_assets.landing.known_digests import KnownDigests
from churn_assets.settings import SOURCES, Settings, SourceName

NOT_READ = "not read"
DAY = "date="
DAY_FOLDER = re.compile(r"date=\d{4}-\d{2}-\d{2}")


def is_marker(name: str) -> bool:
    """Whether a file or folder of this name is none of a source's: it begins with a dot or an underscore."""
    return name[0] in "._"


def day_of(folder: str) -> date | None:
    """The landing day that a folder of this name holds; None if it is no such folder."""
    try:
        return date.fromisoformat(folder.removeprefix(DAY)) if DAY_FOLDER.fullmatch(folder) else None
    except ValueError:
        return None


def is_delivered(path: Path, landing_dir: Path) -> bool:
    """Whether a file below the landing folder is one of a source's landing day."""
    parts = path.relative_to(landing_dir).parts
    return len(parts) == 3 and parts[0] in SOURCES and day_of(parts[1]) is not None and not is_marker(parts[2])


@dataclass(frozen=True)
class Deliveries:
    """The landing days of one source, each a folder of files. Names beginning with a dot or an underscore are markers, not
    deliveries.
    """

    landing_dir: Path
    source: SourceName
    lag_days: int = 0
    """The folder of a day is complete so many days later in the business zone: that is its landing day."""
    is_quiet: bool = False
    """Whether a day without a file is an empty day, and not one that is yet to be delivered."""
    had_rows: frozenset[date] = frozenset()
    """Days of which rows are published: without a file they are no empty days, but days whose files are gone."""

    @classmethod
    def of(cls, settings: Settings, source: SourceName, had_rows: Iterable[date] = ()) -> Deliveries:
        own = settings.source(source)
        lag = 0 if own.landing_timezone is None else days_behind(own.landing_timezone, settings.timezone)
        return cls(settings.landing_dir, source, lag, own.quiet_days == "empty", frozenset(had_rows))

    def folder(self, day: date) -> Path:
        """The folder of a landing day."""
        return self.landing_dir / self.source / f"{DAY}{day - timedelta(days=self.lag_days)}"

    def landing_day(self, folder: str) -> date | None:
        """The landing day that a folder of this name holds; None if it is no such folder."""
        day = day_of(folder)
        try:
            return None if day is None else day + timedelta(days=self.lag_days)
        except OverflowError:
            return None

    def files(self, day: date) -> list[Path]:
        """The files of one landing day by name. Raises RefusedFile naming the path looked for where there is none and the source
        is not quiet: no delivery is never an empty day by itself.
        """
        folder = self.folder(day)
        try:
            files = sorted(path for path in folder.iterdir() if not is_marker(path.name))
        except OSError:
            files = []
        if not files and not self._may_be_empty(day):
            raise RefusedFile(
                f"{self.lacking(day)}; an empty day is a file with a header and no rows (of JSON Lines: with an empty line)."
            )
        return files

    def lacking(self, day: date) -> str:
        """What to say of a day without a file, but for the remedy."""
        gone = ", and its rows are published: its files are gone" if self.is_quiet else ""
        return f"No {self.source} were delivered for {day}{gone}: looked for a file in {self.folder(day)}"

    def _may_be_empty(self, day: date) -> bool:
        return self.is_quiet and day not in self.had_rows

    def has_files(self, day: date) -> bool:
        return has_delivery(self.folder(day))

    def is_complete(self, day: date) -> bool:
        """Whether the day can be read: it has files, or needs none."""
        return self._may_be_empty(day) or self.has_files(day)

    def digests(self, day: date, known: KnownDigests) -> dict[str, str]:
        """The digest of each file that lies there now, by name; empty where nothing does.

        What a reader would refuse unread (a link out of the landing folder, a pipe) is not read here either.
        """
        try:
            folder_is_inside = self._is_inside(self.folder(day))
            names = {f"{self.source}/{path.parent.name}/{path.name}": path for path in self.files(day)}
            return {
                name: known.of(path, name)
                if folder_is_inside and path.is_file() and (not path.is_symlink() or self._is_inside(path))
                else NOT_READ
                for name, path in names.items()
            }
        except (RefusedFile, OSError):
            return {}

    @cached_property
    def _root(self) -> Path:
        return self.landing_dir.resolve()

    def _is_inside(self, path: Path) -> bool:
        """Whether what lies there lies below the landing folder, wherever links lead."""
        return path.resolve().is_relative_to(self._root)

    def day_digest(self, day: date, known: KnownDigests) -> str | None:
        """`day_digest` of what lies there now, None where nothing was delivered. Reads the bytes of files that are not known."""
        digests = self.digests(day, known)
        return day_digest(digests) if digests or self.is_quiet else None


def files_of_dump(path: Path) -> list[Path]:
    """The file at `path`, or those of the folder at `path` and its subfolders, by name; markers are none.

    Raises RefusedFile where a folder holds no file.
    """
    if not path.is_dir():
        return [path]
    inside = (file for file in path.rglob("*") if file.is_file())
    files = sorted(file for file in inside if not any(is_marker(part) for part in file.relative_to(path).parts))
    if not files:
        raise RefusedFile(f"{path} is a folder without a file; name a file, or a folder that holds some.")
    return files


def day_digest(digests: Mapping[str, str]) -> str:
    """What a landing day holds: a hash over its files' names and digests."""
    lines = "\n".join(f"{name}\t{digest}" for name, digest in sorted(digests.items()))
    return hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()


def has_delivery(folder: Path) -> bool:
    """Whether a landing day's folder holds a file that is not a marker."""
    return folder.is_dir() and any(not is_marker(entry.name) for entry in folder.iterdir())


def landing_fingerprint(landing_dir: Path) -> str:
    """That of every landing day's folder."""
    days = (folder for source in SOURCES for folder in sorted((landing_dir / source).glob("date=*")))
    return fingerprint(days, landing_dir)


def fingerprint(folders: Iterable[Path], landing_dir: Path) -> str:
    """Changes whenever a file comes, goes or is written to. Looks at names, sizes and times, and opens nothing."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in filter(Path.is_dir, folders):
        for path in sorted(path for path in folder.iterdir() if not is_marker(path.name)):
            status = path.stat()
            digest.update(
                f"{path.relative_to(landing_dir)}\t{status.st_size}\t{status.st_mtime_ns}\t{status.st_ctime_ns}\n".encode()
            )
    return digest.hexdigest()
