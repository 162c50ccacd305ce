"""Digests of landed files, remembered so that a plan does not read again what lies as it lay.

A file lies as it lay while its place on the disk, its size and both its times are the same: no program can set the time of the last
change to what is known of a file (ctime). A digest is remembered only of a file that had lain still for a while when it was read,
since two changes within one tick of a clock look like one. It is a saving and no truth: rows are published with the digest of the
bytes that they were read from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from churn_assets.landing.digest import digest_of
from churn_assets.savings import Savings
from churn_assets.settings import SourceName

FILE = "digests.sqlite"
SCHEMA = """CREATE TABLE IF NOT EXISTS digests (
    path TEXT NOT NULL PRIMARY KEY, device INTEGER, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER, digest TEXT NOT NULL)"""
STILL_SECONDS = 60
"""More than the coarsest clock of a file system, and than clocks of a server and its clients differ by."""
HAS_CHANGE_TIMES = os.name != "nt"
"""Windows has the time of creation in its place, so there every file is read."""
State = tuple[int, ...]


class KnownDigests:
    """What is remembered of the files of one source, and what will be, once `within` ends."""

    def __init__(self, savings: Savings, source: SourceName) -> None:
        rows = savings.rows("SELECT * FROM digests WHERE path BETWEEN ? AND ?", f"{source}/", f"{source}0")
        self._known: dict[str, tuple[State, str]] = {path: (tuple(state), digest) for path, *state, digest in rows}
        self._new: dict[str, tuple[State, str]] = {}

    @classmethod
    @contextmanager
    def within(cls, data_dir: Path, source: SourceName) -> Iterator[KnownDigests]:
        """What is known of the source's files; what is learnt in the block is kept after it."""
        savings = Savings(data_dir / FILE, SCHEMA)
        known = cls(savings, source)
        yield known
        rows = [(path, *state, digest) for path, (state, digest) in known._new.items()]
        savings.keep("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def of(self, path: Path, name: str) -> str:
        """The digest of the file, known by its name below the landing folder. Raises OSError."""
        state = _state(path)
        if (known := self._known.get(name)) and known[0] == state:
            return known[1]
        digest = file_digest(path)
        if HAS_CHANGE_TIMES and _state(path) == state and _lay_still(state):
            self._new[name] = (state, digest)
        return digest


def file_digest(path: Path) -> str:
    """Over all bytes of the file."""
    with path.open("rb") as file:
        return digest_of(iter(partial(file.read, 1 << 20), b""))


def _state(path: Path) -> State:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _lay_still(state: State) -> bool:
    return max(state[-2:]) + STILL_SECONDS * 1_000_000_000 <= time.time_ns()
