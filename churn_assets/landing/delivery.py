"""One delivered file as bytes: where it lies, how large it may be, its digest, its decompression.

Nothing here looks at what the bytes mean; that is for the readers of each format.
"""

from __future__ import annotations

import hashlib
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from churn_assets.errors import RefusedFile
from churn_assets.settings import MEBIBYTE, SourceSettings

FORMATS = {".csv": "csv", ".csv.gz": "csv", ".jsonl": "jsonl", ".jsonl.gz": "jsonl", ".parquet": "parquet"}
FORMATS |= {".tsv": "csv", ".tsv.gz": "csv"}
FORMATS |= dict.fromkeys((".json", ".json.gz", ".ndjson", ".ndjson.gz"), "jsonl")
"""By how a file's name ends. What exporters name .json is JSON Lines; one JSON array is not."""
PIECE_BYTES = 256 * 1024
GZIP = b"\x1f\x8b"
"""How gzip data begins."""
BEGINNINGS = {
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "deliver the files in it, as text"),
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
RATIO_JUDGED_FROM_BYTES = MEBIBYTE
"""A small file of one repeated row compresses past any ratio and harms nobody."""


@dataclass(frozen=True)
class Delivery:
    """`data` is decompressed, `digest` is of the bytes as delivered, `source_file` relative to the landing folder."""

    source_file: str
    shown: str
    format: str
    data: bytes
    delivered_bytes: int
    digest: str
    is_gzipped: bool = False

    def refused(self, cause: str) -> RefusedFile:
        return RefusedFile(f"{self.shown} {cause}.")


def take_delivery(path: Path, *, settings: SourceSettings, landing_dir: Path) -> Delivery:
    """The file at `path`, decompressed. Raises RefusedFile if it may not or cannot be read whole."""
    source_file, shown = _names(path, landing_dir)
    suffix, file_format = _format(path, shown, settings)
    limit = settings.max_file_mebibytes * MEBIBYTE
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RefusedFile(f"{shown} is not a regular file; deliver the file itself.")
        if status.st_size > limit:
            raise too_large(shown, settings)
        delivered = path.read_bytes()
    except OSError as error:
        raise RefusedFile(
            f"{shown} cannot be read ({error.strerror or type(error).__name__}); check that it exists and may be read."
        ) from None
    # By its content: downloads come compressed under the plain name, too.
    is_gzipped = suffix.endswith(".gz") or (file_format != "parquet" and delivered.startswith(GZIP))
    data = _gunzip(delivered, shown, settings) if is_gzipped else delivered
    if not data:
        raise RefusedFile(
            f"{shown} is empty (zero bytes); deliver it again (an empty day is a header and no rows; of JSON Lines, an empty line)."
        )
    if file_format != "parquet" and (known := next((begin for begin in BEGINNINGS if data.startswith(begin)), None)):
        what, remedy = BEGINNINGS[known]
        raise RefusedFile(f"{shown} is {what} and no {file_format.upper()}, by its content; {remedy}.")
    return Delivery(
        source_file=source_file,
        shown=shown,
        format=file_format,
        data=data,
        delivered_bytes=len(delivered),
        is_gzipped=is_gzipped,
        digest=hashlib.blake2b(delivered, digest_size=32).hexdigest(),
    )


def _names(path: Path, landing_dir: Path) -> tuple[str, str]:
    """Path relative to the landing folder, and the same as messages show it. Raises RefusedFile outside of it."""
    try:
        resolved, root = path.resolve(), landing_dir.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of symlinks, a NUL in the name
        raise RefusedFile(f"{_printable(str(path))} cannot be resolved; replace the link by the file itself.") from None
    if not resolved.is_relative_to(root):
        raise RefusedFile(
            f"{_printable(str(path))} lies outside the landing folder {_printable(str(landing_dir))}; "
            "copy the file in instead of linking to it."
        )
    inside = path.is_relative_to(landing_dir) and ".." not in path.parts
    source_file = (path.relative_to(landing_dir) if inside else resolved.relative_to(root)).as_posix()
    shown = _printable(f"{root.name}/{source_file}")
    try:
        source_file.encode()
    except UnicodeEncodeError:
        raise RefusedFile(f"{shown} has a name that is not valid UTF-8; rename it.") from None
    return source_file, shown


def _printable(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def _format(path: Path, shown: str, settings: SourceSettings) -> tuple[str, str]:
    lower = path.name.lower()
    suffix = next((suffix for suffix in FORMATS if lower.endswith(suffix)), None)
    if suffix is None:
        raise RefusedFile(f"{shown} is of no known format; its name must end in one of {', '.join(FORMATS)}.")
    if settings.format is not None and FORMATS[suffix] != settings.format:
        raise RefusedFile(
            f"{shown} is not of the declared format {settings.format}; deliver that, or change the setting 'format'."
        )
    return suffix, FORMATS[suffix]


def too_large(shown: str, settings: SourceSettings) -> RefusedFile:
    return RefusedFile(
        f"{shown} is larger, unpacked, than the {settings.max_file_mebibytes} MiB of max_file_mebibytes; "
        "split it, or raise the setting if this size is expected."
    )


def decompression_bomb(shown: str, settings: SourceSettings) -> RefusedFile:
    return RefusedFile(
        f"{shown} unpacks to more than {settings.max_compression_ratio} times its size, which looks like a "
        "decompression bomb; raise max_compression_ratio if this is expected."
    )


def _gunzip(delivered: bytes, shown: str, settings: SourceSettings) -> bytes:
    """All members of a gzip file, never holding more than the settings allow. zlib checks their CRC and length."""
    if delivered[:2] != GZIP[: len(delivered)]:
        raise RefusedFile(
            f"{shown} is not valid gzip (it does not begin like it); deliver it again, or without .gz in its name if it is not "
            "compressed."
        )
    view, at, output = memoryview(delivered), 0, bytearray()
    largest = settings.max_file_mebibytes * MEBIBYTE
    suspicious = max(RATIO_JUDGED_FROM_BYTES, settings.max_compression_ratio * len(delivered))
    while at < len(view):
        if at and bytes(view[at : at + 2]) != GZIP:
            raise RefusedFile(f"{shown} has bytes after the end of its gzip data; deliver it again.")
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not member.eof:
            piece = view[at : at + PIECE_BYTES]
            try:
                text = member.decompress(piece, PIECE_BYTES)
            except zlib.error:
                raise RefusedFile(f"{shown} is not valid gzip (corrupt); deliver it again.") from None
            at += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
            if not piece and not text and not member.eof:
                raise RefusedFile(f"{shown} is truncated gzip (it ends before its data does); deliver it again.")
            output += text
            if len(output) > largest:
                raise too_large(shown, settings)
            if len(output) > suspicious:
                raise decompression_bomb(shown, settings)
    return bytes(output)
