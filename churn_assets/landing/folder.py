"""Where deliveries lie: `<landing>/<source>/date=YYYY-MM-DD/`. Finding files, not reading them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from churn_assets.errors import RefusedFile
from churn_assets.settings import SOURCES, SourceName

NOT_READ = "not read"
DAY = "date="
DAY_FOLDER = re.compile(r"date=\d{4}-\d{2}-\d{2}")


def day_folder(landing_dir: Path, source: SourceName, day: date) -> Path:
    return landing_dir / source / f"{DAY}{day.isoformat()}"


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


def delivered_files(landing_dir: Path, source: SourceName, day: date) -> list[Path]:
    """The files of one landing day by name. Names beginning with a dot or an underscore are markers, not deliveries.

    Raises RefusedFile naming the path looked for where there is none: no delivery is never an empty day.
    """
    folder = day_folder(landing_dir, source, day)
    try:
        files = sorted(path for path in folder.iterdir() if not is_marker(path.name))
    except OSError:
        files = []
    if not files:
        raise RefusedFile(
            f"No {source} were delivered for {day}: looked for a file in {folder}; an empty day is a file with a header "
            "and no rows."
        )
    return files


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


def current_day_digest(landing_dir: Path, source: SourceName, day: date) -> str | None:
    """`day_digest` of what lies there now, None where nothing does. Reads the files' bytes, not their contents."""
    digests = current_digests(landing_dir, source, day)
    return day_digest(digests) if digests else None


def current_digests(landing_dir: Path, source: SourceName, day: date) -> dict[str, str]:
    """The digest of each file that lies there now, by name; empty where nothing does.

    What a reader would refuse unread (a link out of the landing folder, a pipe) is not read here either.
    """
    try:
        files, root = delivered_files(landing_dir, source, day), landing_dir.resolve()
        return {
            path.relative_to(landing_dir).as_posix(): _digest(path)
            if path.is_file() and path.resolve().is_relative_to(root)
            else NOT_READ
            for path in files
        }
    except (RefusedFile, OSError):
        return {}


def has_delivery(folder: Path) -> bool:
    """Whether a landing day's folder holds a file that is not a marker."""
    return folder.is_dir() and any(not is_marker(entry.name) for entry in folder.iterdir())


def landing_fingerprint(landing_dir: Path) -> str:
    """Changes whenever a file comes, goes or is written to. Looks at names, sizes and times, and opens nothing."""
    digest = hashlib.blake2b(digest_size=16)
    for source in SOURCES:
        for folder in sorted((landing_dir / source).glob("date=*")):
            for path in sorted(path for path in folder.iterdir() if not is_marker(path.name)):
                status = path.stat()
                digest.update(
                    f"{path.relative_to(landing_dir)}\t{status.st_size}\t{status.st_mtime_ns}\t{status.st_ctime_ns}\n".encode()
                )
    return digest.hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=32)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
