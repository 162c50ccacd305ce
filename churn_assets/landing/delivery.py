"""One delivered file as bytes: where it lies, how large it may be, its digest, its decompression.

Nothing here looks at what the bytes mean; that is for the readers of each format.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from churn_assets.errors import RefusedFile, shown_name
from churn_assets.landing.digest import digest_of
from churn_assets.landing.packing import GZIP, PLAIN, ZIP, Limits, Packing, name_within, unpacked
from churn_assets.settings import SourceSettings

TEXTS = {".csv": "csv", ".jsonl": "jsonl", ".tsv": "csv", ".json": "jsonl", ".ndjson": "jsonl"}
FORMATS = {
    **{f"{suffix}{packing}": text for suffix, text in TEXTS.items() for packing in ("", ".gz", ".zip")},
    ".parquet": "parquet",
}
"""By how a file's name ends. What exporters name .json is JSON Lines; one JSON array is not."""
TAR_AT, TAR = 257, b"ustar"
"""Where in a tar archive stands what it is."""
KNOWN_NAMES = f"{', '.join(TEXTS)} (each also with .gz or .zip behind it), .parquet"
BEGINNINGS = {
    b"PAR1": ("a Parquet file", "name it .parquet"),
    ZIP: ("a zip archive or a spreadsheet", "deliver the files in it, as text"),
    GZIP: ("gzip data", "unpack it once"),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "export it as CSV"),
    b"BZh": ("bzip2 data", "unpack it, or pack it with gzip"),
    b"\xfd7zXZ\x00": ("xz data", "unpack it, or pack it with gzip"),
    b"\x28\xb5\x2f\xfd": ("zstd data", "unpack it, or pack it with gzip"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it, or pack it with gzip"),
    b"Obj\x01": ("an Avro file", "export it as JSON Lines or Parquet"),
    b"ORC": ("an ORC file", "export it as JSON Lines or Parquet"),
    b"ARROW1": ("an Arrow file", "export it as Parquet"),
    b"SQLite format 3\x00": ("a SQLite database", "export its table as CSV"),
    b"%PDF-": ("a PDF", "export it as CSV"),
    b"<!DOCTYPE": ("a web page", "download the file itself"),
    b"<html": ("a web page", "download the file itself"),
}
"""How files begin that are no text of ours, what they are, and what to do about it."""


@dataclass(frozen=True)
class Delivery:
    """`data` is decompressed, `digest` is of the bytes as delivered, `source_file` relative to the landing folder."""

    source_file: str
    shown: str
    format: str
    data: bytes
    delivered_bytes: int
    digest: str
    packing: Packing = PLAIN

    def refused(self, cause: str) -> RefusedFile:
        return RefusedFile(f"{self.shown} {cause}.")


def take_delivery(path: Path, *, settings: SourceSettings, landing_dir: Path) -> Delivery:
    """The file at `path`, decompressed. Raises RefusedFile if it may not or cannot be read whole."""
    source_file, shown = _names(path, landing_dir)
    suffix, file_format = _format(path, shown, settings)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RefusedFile(f"{shown} is not a regular file; deliver the file itself.")
        Limits(shown, settings, status.st_size).check_size(status.st_size)
        delivered = path.read_bytes()
    except OSError as error:
        raise RefusedFile(
            f"{shown} cannot be read ({error.strerror or type(error).__name__}); check that it exists and may be read."
        ) from None
    data, packing = delivered, PLAIN
    if file_format != "parquet":  # By its content: downloads come compressed under the plain name, too.
        data, packing = unpacked(delivered, shown, settings, suffix)
    if not data:
        raise RefusedFile(
            f"{shown} is empty (zero bytes); deliver it again (an empty day is a header and no rows; of JSON Lines, an empty line)."
        )
    if file_format != "parquet" and (known := next((begin for begin in BEGINNINGS if data.startswith(begin)), None)):
        what, remedy = BEGINNINGS[known]
        raise RefusedFile(f"{shown} is {what} and no {file_format.upper()}, by its content; {remedy}.")
    if file_format != "parquet" and data[TAR_AT : TAR_AT + len(TAR)] == TAR:
        raise RefusedFile(
            f"{shown} is a tar archive and no {file_format.upper()}, by its content; deliver the files in it."
        )
    return Delivery(
        source_file=source_file,
        shown=shown,
        format=file_format,
        data=data,
        delivered_bytes=len(delivered),
        packing=packing,
        digest=digest_of([delivered]),
    )


def _names(path: Path, landing_dir: Path) -> tuple[str, str]:
    """Path relative to the landing folder, and the same as messages show it. Raises RefusedFile outside of it."""
    try:
        resolved, root = path.resolve(), landing_dir.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of symlinks, a NUL in the name
        raise RefusedFile(f"{shown_name(str(path))} cannot be resolved; replace the link by the file itself.") from None
    if not resolved.is_relative_to(root):
        raise RefusedFile(
            f"{shown_name(str(path))} lies outside the landing folder {shown_name(str(landing_dir))}; "
            "copy the file in instead of linking to it."
        )
    inside = path.is_relative_to(landing_dir) and ".." not in path.parts
    source_file = (path.relative_to(landing_dir) if inside else resolved.relative_to(root)).as_posix()
    shown = shown_name(f"{root.name}/{source_file}")
    try:
        source_file.encode()
    except UnicodeEncodeError:
        raise RefusedFile(f"{shown} has a name that is not valid UTF-8; rename it.") from None
    return source_file, shown


def suffix_of(path: Path) -> str | None:
    """How its name ends, if that says a format: its own, or that of the one file in a zip archive. Raises RefusedFile."""
    name = path.name.lower()
    suffix = next((suffix for suffix in FORMATS if name.endswith(suffix)), None)
    if suffix or not name.endswith(".zip"):
        return suffix
    within = name_within(path)
    return next((f"{suffix}.zip" for suffix in TEXTS if within.endswith(suffix)), None)


def _format(path: Path, shown: str, settings: SourceSettings) -> tuple[str, str]:
    suffix = suffix_of(path)
    if suffix is None:
        raise RefusedFile(f"{shown} is of no known format; its name must end in one of {KNOWN_NAMES}.")
    if settings.format is not None and FORMATS[suffix] != settings.format:
        raise RefusedFile(
            f"{shown} is not of the declared format {settings.format}; deliver that, or change the setting 'format'."
        )
    return suffix, FORMATS[suffix]
