"""A DuckDB file that stays open between the sessions of one run: opening and closing it costs more than most sessions do.

Who keeps a file open lets go of it between two sessions as soon as another process asks for it, and after a second without a
session. So others wait for the end of a session, as they did before. Knows files and connections; nothing of what is in them.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

IDLE_SECONDS = 1.0
"""Without a session, until the file is closed: its owner is at something else, or waits."""
LOOK_SECONDS = 0.02
"""Between two looks whether somebody asks for the file."""
GIVING_WAY_SECONDS = 1.0
"""At most, that somebody who asked is waited for."""
SHY_SECONDS = 5.0
"""For so long after somebody asked the file is opened and closed for each session."""

FileIdentity = tuple[int, int]
_kept = threading.local()
"""What this thread keeps open, by file."""


_ALL: weakref.WeakSet[Kept] = weakref.WeakSet()


class Asking:
    """Says to whoever keeps a file open that it is waited for; what is asked for is said by a lock, which ends with its process."""

    def __init__(self, file: str) -> None:
        self._lock = FileLock(f"{file}.asked")

    def begin(self) -> None:
        """Where somebody else asks already, that is enough; where the folder cannot be written to, nothing is said."""
        if not self._lock.is_locked:
            with suppress(Timeout, OSError):
                self._lock.acquire(timeout=0)

    def end(self) -> None:
        self._lock.release(force=True)

    def is_going_on(self) -> bool:
        """Whether somebody asks."""
        try:
            with self._lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False  # The folder is gone.


class Kept:
    """One file, kept open for the thread that made this."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._asked = Asking(file)
        self._changed = threading.Condition()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._identity: FileIdentity | None = None
        self._sessions = 0
        self._idle_since = 0.0
        self._shy_until = 0.0
        self._has_ended = False
        self._watcher = threading.Thread(target=self._watch, name="kept open", daemon=True)
        self._watcher.start()
        _ALL.add(self)

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def borrow(self, opened: Callable[[], duckdb.DuckDBPyConnection] | None) -> duckdb.DuckDBPyConnection | None:
        """A connection of its own to the open file, for one session; where it is not open, `opened` opens it for writing. None
        without that, or where somebody asked for the file a moment ago.
        """
        with self._changed:
            if self._is_idle and self._identity != _identity(self.file):
                self._close()  # The file was moved away or replaced.
            if self._connection is None:
                if opened is None or time.monotonic() < self._shy_until:
                    return None
                self._connection, self._identity = opened(), _identity(self.file)
            self._sessions += 1
            return self._connection.cursor()

    def give_back(self, connection: duckdb.DuckDBPyConnection, *, is_sound: bool = True) -> None:
        """End the session. `is_sound`: whether the file may stay open as it is."""
        connection.close()
        with self._changed:
            self._sessions -= 1
            self._idle_since = time.monotonic()
            if not is_sound and not self._sessions:
                self._close()
            self._changed.notify_all()
        self._give_way()

    def let_go(self) -> None:
        """Close the file, unless a session is using it."""
        with self._changed:
            if not self._sessions:
                self._close()

    def end(self) -> None:
        with self._changed:
            self._has_ended = True
            self._close()
            self._changed.notify_all()
        self._watcher.join()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _is_idle(self) -> bool:
        return self._connection is not None and not self._sessions

    def _give_way(self) -> None:
        """Close the file if somebody asks for it, and wait until they have it: else the next session would take it again."""
        with self._changed:
            if not self._is_idle or not self._asked.is_going_on():
                return
            self._yield_to_others()
        until = time.monotonic() + GIVING_WAY_SECONDS
        while self._asked.is_going_on() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def _yield_to_others(self) -> None:
        self._close()
        self._shy_until = time.monotonic() + SHY_SECONDS

    def _watch(self) -> None:
        with self._changed:
            while not self._has_ended:
                if not self._is_idle:
                    self._changed.wait()
                elif self._asked.is_going_on():
                    self._yield_to_others()
                elif time.monotonic() - self._idle_since > IDLE_SECONDS:
                    self._close()
                else:
                    self._changed.wait(LOOK_SECONDS)


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Keep the file open between sessions of this thread, to the end of the block. A block within a block joins it."""
    file = str(path.resolve())
    if of(file) is not None:
        yield
        return
    own = Kept(file)
    setattr(_kept, file, own)
    try:
        yield
    finally:
        delattr(_kept, file)
        own.end()


def of(file: str) -> Kept | None:
    """What this thread keeps of the file."""
    return getattr(_kept, file, None)


def is_kept_elsewhere(file: str) -> bool:
    """Whether another thread of this process has the file open and keeps it so."""
    own = of(file)
    return any(kept.is_open and kept is not own for kept in list(_ALL) if kept.file == file)


def _identity(file: str) -> FileIdentity | None:
    try:
        status = Path(file).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _leave_to_the_parent() -> None:
    """What is open is the parent's: a child neither uses nor closes it, and has no watcher."""
    _OF_PARENT.extend(_ALL)
    _ALL.clear()
    _kept.__dict__.clear()


_OF_PARENT: list[Kept] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
