"""Gzip and zip around a text file, known by its content: how it is unpacked within limits, and packed again."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from churn_assets.errors import RefusedFile
from churn_assets.settings import MEBIBYTE, SourceSettings

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
"""How such data begins."""
PIECE_BYTES = 256 * 1024
RATIO_JUDGED_FROM_BYTES = MEBIBYTE
"""A small file of one repeated row compresses past any ratio and harms nobody."""
SPREADSHEET = "[Content_Types].xml"
"""A member that every spreadsheet and document of an office suite has."""
ENCRYPTED = 0x1
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True)
class Packing:
    """What is around a text: nothing, gzip, or a zip archive of the one file `member`."""

    kind: str = ""
    member: zipfile.ZipInfo | None = None

    def packed(self, content: bytes) -> bytes:
        """The content, packed as it was."""
        if self.kind == "gzip":
            return gzip.compress(content, mtime=0)
        if self.member is None:
            return content
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            again = zipfile.ZipInfo(self.member.filename, self.member.date_time)
            again.compress_type, again.external_attr = zipfile.ZIP_DEFLATED, self.member.external_attr
            file.writestr(again, content)
        return archive.getvalue()


PLAIN = Packing()


def unpacked(delivered: bytes, shown: str, settings: SourceSettings, suffix: str) -> tuple[bytes, Packing]:
    """The text within, and what was around it; `suffix` ends in what the name says. Raises RefusedFile; never holds more than the settings allow."""
    limits = Limits(shown, settings, len(delivered))
    if delivered.startswith(ZIP):
        with _archive(io.BytesIO(delivered), shown) as (archive, member):
            return _unzipped(archive, member, limits), Packing("zip", member)
    if suffix.endswith(".zip"):
        raise _no_archive(shown)
    if suffix.endswith(".gz") or delivered.startswith(GZIP):
        return _gunzipped(delivered, limits), Packing("gzip")
    return delivered, PLAIN


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The text of a file on disk, whatever is around it. Raises RefusedFile, or while reading one of DAMAGED."""
    with path.open("rb") as file:
        beginning = file.read(len(ZIP))
        file.seek(0)
        if beginning.startswith(GZIP):
            with gzip.GzipFile(fileobj=file) as text:
                yield text  # type: ignore[misc]
        elif beginning == ZIP:
            with _archive(file, str(path)) as (archive, member), archive.open(member) as text:
                yield text  # type: ignore[misc]
        else:
            yield file


def name_within(path: Path) -> str:
    """The name of the one file in a zip archive, which says the format where the archive's own does not. Raises RefusedFile."""
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:
            raise _no_archive(path.name)
        with _archive(file, path.name) as (_, member):
            return member.filename.lower()


def _no_archive(shown: str) -> RefusedFile:
    return RefusedFile(f"{shown} is not a zip archive, though its name says so; rename it.")


@contextmanager
def _archive(file: BinaryIO, shown: str) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """A zip archive and the one file in it; what begins with a dot or an underscore is none. Raises RefusedFile, while it is read too."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive, _only_member(archive, shown)
    except DAMAGED:
        raise RefusedFile(f"{shown} is not a valid zip archive (damaged or truncated); deliver it again.") from None


def _only_member(archive: zipfile.ZipFile, shown: str) -> zipfile.ZipInfo:
    if SPREADSHEET in archive.namelist():
        raise RefusedFile(f"{shown} is a spreadsheet; export it as CSV.")
    files = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(part[:1] in ("", ".", "_") for part in member.filename.split("/"))
    ]
    if len(files) != 1:
        raise RefusedFile(f"{shown} is a zip archive of {len(files)} files; deliver each of them by itself.")
    if files[0].flag_bits & ENCRYPTED:
        raise RefusedFile(f"{shown} is an encrypted zip archive; deliver it without a password.")
    return files[0]


@dataclass(frozen=True)
class Limits:
    """How much a file may become when it is unpacked. `shown` is its name in messages."""

    shown: str
    settings: SourceSettings
    delivered_bytes: int

    def check(self, output_bytes: int) -> None:
        """Raises RefusedFile past the limits."""
        self.check_size(output_bytes)
        if output_bytes > max(RATIO_JUDGED_FROM_BYTES, self.settings.max_compression_ratio * self.delivered_bytes):
            raise RefusedFile(
                f"{self.shown} unpacks to more than {self.settings.max_compression_ratio} times its size, which looks like a "
                "decompression bomb; raise max_compression_ratio if this is expected."
            )

    def check_size(self, output_bytes: int) -> None:
        """The same for what is no ratio's business."""
        if output_bytes > self.settings.max_file_mebibytes * MEBIBYTE:
            raise RefusedFile(
                f"{self.shown} is larger, unpacked, than the {self.settings.max_file_mebibytes} MiB of max_file_mebibytes; "
                "split it, or raise the setting if this size is expected."
            )


def _unzipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> bytes:
    """The member, whose length and CRC zipfile checks."""
    output = bytearray()
    with archive.open(member) as text:
        while piece := text.read(PIECE_BYTES):
            output += piece
            limits.check(len(output))
    return bytes(output)


def _gunzipped(delivered: bytes, limits: Limits) -> bytes:
    """All members of a gzip file. zlib checks their CRC and length."""
    shown = limits.shown
    if delivered[:2] != GZIP[: len(delivered)]:
        raise RefusedFile(
            f"{shown} is not valid gzip (it does not begin like it); deliver it again, or without .gz in its name if it is not "
            "compressed."
        )
    view, at, output = memoryview(delivered), 0, bytearray()
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
            limits.check(len(output))
    return bytes(output)
