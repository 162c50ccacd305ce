"""Replacing a file: whenever the process or the machine stops, it is the old one or the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".replacing"
"""How the name ends of what is being written, which begins with a dot: no ending a source would give its own files, since
what a killed erasure left of them in the landing is removed.
"""


def unfinished_at(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A name next to `path` to write to, which takes its place if the block ends, and of which nothing is left if it raises."""
    unfinished = unfinished_at(path)
    unfinished.unlink(missing_ok=True)
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_content(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file anew: beside the old one, to the disk, then in its place. `mode` None: that of the old one.

    Raises OSError, with the old one as it was.
    """
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    try:
        opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is None and path.exists():
            shutil.copymode(path, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
