"""Which files a dump is made of, and how they are written: format, encoding, delimiter. By their bytes, not their names alone."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from churn_assets.errors import ChurnError
from churn_assets.landing.delivery import FORMATS, KNOWN_NAMES, suffix_of
from churn_assets.landing.encoding import wide_encoding
from churn_assets.landing.folder import files_of_dump
from churn_assets.landing.packing import DAMAGED, GZIP, opened

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
HEAD_BYTES = 65_536
FILES_OPENED = 50
"""Of a folder: how many are opened to see whether their bytes are of the format that their names say."""
LINES_FOR_DELIMITER = 200
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class SourceFiles:
    """The files of one source, all of one format. Empty files are left out."""

    shown: str
    format: str
    paths: tuple[Path, ...]


def source_files(path: Path) -> SourceFiles:
    """The file at `path`, or the files of the folder. Raises ChurnError where they are none, empty, or written differently."""
    if not path.exists():
        raise ChurnError(f"{path} does not exist; name a file or a folder of files.")
    paths = [file for file in files_of_dump(path) if file.stat().st_size]
    if not paths:
        raise ChurnError(f"{path} is empty (zero bytes); export it again.")
    formats = {file: _format_by_name(file) for file in paths}
    found = Counter(formats.values())
    if len(found) > 1:
        counts = " and ".join(f"{count:,} {name}" for name, count in sorted(found.items()))
        raise ChurnError(f"{path} holds files of different formats ({counts}); give each format a folder of its own.")
    for file in paths[:FILES_OPENED]:
        _check_content(file, formats[file])
    return SourceFiles(str(path), next(iter(found)), tuple(paths))


def unpacked(path: Path, most_bytes: int) -> tuple[bytes, bool]:
    """The first bytes of a file, decompressed, and whether they are all of it. Raises ChurnError."""
    try:
        with opened(path) as file:
            data = file.read(most_bytes + 1)
    except DAMAGED as error:
        cause = getattr(error, "strerror", None) or "it is damaged"
        raise ChurnError(f"{path} cannot be read ({cause}); check the file, or export it again.") from None
    return data[:most_bytes], len(data) <= most_bytes


def guessed_encoding(data: bytes, *, is_whole: bool) -> tuple[str, str]:
    """The encoding of text, and the evidence."""
    if (wide := wide_encoding(data)) is not None:
        return wide, "by its byte-order mark or its zero bytes"
    if not is_whole:  # the last character may be cut
        data = data[: data.rfind(b"\n") + 1] or data
    for encoding, evidence in (
        ("utf-8", "every byte looked at is valid UTF-8"),
        ("cp1252", "not valid UTF-8; a guess, as any text of single bytes looks alike: read a few names of it"),
    ):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding, evidence
    return "latin-1", "neither valid UTF-8 nor cp1252; a guess, as any text of single bytes looks alike"


def guessed_delimiter(text: str) -> tuple[str, str]:
    """What separates the values of a CSV text, and the evidence."""
    lines = text[: HEAD_BYTES * 4].splitlines()[:LINES_FOR_DELIMITER]
    best = (0.0, 0, ",")
    for delimiter in DELIMITERS:
        counts = Counter(len(fields) for fields in csv.reader(lines, delimiter=delimiter) if fields)
        width = len(next(csv.reader(lines[:1], delimiter=delimiter), []))
        if width > 1:
            best = max(best, (counts[width] / counts.total() if counts else 0.0, width, delimiter))
    share, width, delimiter = best
    if not width:
        return ",", "no delimiter found: a single column"
    return delimiter, f"{DELIMITERS[delimiter]} splits {round(100 * share)} % of the first lines into {width} values"


def header_of(text: str, delimiter: str) -> list[str]:
    """The first record of a CSV text."""
    return next(csv.reader(io.StringIO(text[: HEAD_BYTES * 4], newline=""), delimiter=delimiter), [])


def _format_by_name(path: Path) -> str:
    suffix = suffix_of(path)
    if suffix is None:
        raise ChurnError(f"{path} is of no known format; its name must end in one of {KNOWN_NAMES}: rename it.")
    with path.open("rb") as file:
        is_gzip = file.read(len(GZIP)) == GZIP
    if suffix.endswith(".gz") and not is_gzip:
        raise ChurnError(f"{path} is not gzip, though its name says otherwise; let it end without .gz.")
    return FORMATS[suffix]


def _check_content(path: Path, expected: str) -> None:
    head, _ = unpacked(path, HEAD_BYTES)
    is_parquet = head.startswith(_PARQUET)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[" and expected == "jsonl":
        raise ChurnError(
            f"{path} holds one JSON array; export it as JSON Lines, one object per line (jq -c '.[]' makes them)."
        )
    looks = "parquet" if is_parquet else "jsonl" if start == b"{" else "csv"
    wide = wide_encoding(head) is not None and expected != "parquet"
    if looks != expected and head.strip() and not wide:
        raise ChurnError(f"{path} looks like {looks}, though its name says {expected}; rename it, or export it again.")
