"""One kept connection for each of many SQLite files, and one transaction at a time: what the event log stands on.

Knows files, connections, threads and forks. Knows nothing of Dagster or of what the files hold.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.event import listen
from sqlalchemy.pool import QueuePool

OPEN_FILES = 32  # besides the one always open: a webserver that lives for months must not keep a file open per run
BUSY_TIMEOUT_SECONDS = 30  # how long a writer waits for another process's; Dagster's own figure

FileIdentity = tuple[int, int] | None  # device and inode; None where there is no file


class _Open(NamedTuple):
    engine: Engine
    file: FileIdentity


class SqlitePool:
    """Transactions on named SQLite files. One thread at a time is inside; a file is created when first asked for."""

    def __init__(
        self,
        path_of: Callable[[str], str],
        url_of: Callable[[str], str],
        create_tables: Callable[[Engine], None],
        always_open: str,
    ) -> None:
        self._path_of, self._url_of, self._create_tables = path_of, url_of, create_tables
        self._always_open = always_open
        self._open: OrderedDict[str, _Open] = OrderedDict()  # least recently used first
        self._created: dict[str, FileIdentity] = {}
        self._blocks: dict[str, Connection] = {}  # open transactions; only the holder of the lock looks here
        self._new: bytes | None = None  # a file whose tables were just created, as all but the one always open begin
        self.lock = threading.RLock()
        _POOLS.add(self)

    @contextmanager
    def transaction(self, name: str) -> Iterator[Connection]:
        """Commits at the end of the block, rolls back if it raises. A block inside one on the same file joins it."""
        with self.lock:
            if name in self._blocks:
                yield self._blocks[name]
                return
            with self._engine(name).connect() as connection, connection.begin():
                self._blocks[name] = connection
                try:
                    yield connection
                finally:
                    del self._blocks[name]

    def close(self) -> None:
        """Let go of every file. The next transaction opens what it needs again."""
        with self.lock:
            for name in list(self._open):
                self._close(name)

    def _engine(self, name: str) -> Engine:
        file = _identity(self._path_of(name))  # else, after a delete, we would go on writing into an unlinked file
        if file is None and self._new and name != self._always_open:
            file = self._created[name] = _placed(self._new, Path(self._path_of(name)))
        kept = self._open.get(name)
        if kept and kept.file == file:
            self._open.move_to_end(name)
            return kept.engine
        self._close(name)
        engine = create_engine(
            self._url_of(name),
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=-1,  # creating the tables needs more than one connection at a time; only one is kept
            connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        listen(engine, "connect", _set_pragmas)
        if file is None or self._created.get(name) != file:
            self._create_tables(engine)
            engine.dispose()  # of connections from before the file was made a WAL file
            if file is None and name != self._always_open:
                self._new = Path(self._path_of(name)).read_bytes()
            file = self._created[name] = _identity(self._path_of(name))
        self._open[name] = _Open(engine, file)
        idle = [other for other in self._open if other != self._always_open and other not in self._blocks]
        for oldest in idle[: max(0, len(idle) - OPEN_FILES)]:
            self._close(oldest)
        return engine

    def _close(self, name: str) -> None:
        if kept := self._open.pop(name, None):
            kept.engine.dispose()


def _set_pragmas(dbapi_connection: Any, _: Any) -> None:
    # Under WAL (which Dagster sets) NORMAL can never corrupt a file, and loses nothing when the process dies. It saves
    # an fsync per commit; a crash of the operating system may lose the last transactions, never half of one.
    dbapi_connection.execute("PRAGMA synchronous=NORMAL")


def _placed(content: bytes, path: Path) -> FileIdentity:
    """Make the file from `content`; gives None, and makes nothing, where somebody else has made it meanwhile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    try:
        os.link(beside, path)
    except FileExistsError:
        return None
    finally:
        beside.unlink()
    return _identity(str(path))


def _identity(path: str) -> FileIdentity:
    try:
        status = os.stat(path)  # noqa: PTH116  # asked at every block; a Path object costs more than the answer
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


# SQLite forbids taking an open database through fork(): the child's copy believes in locks that only the parent holds.
# So everything is closed just before, and both sides open their own. Starting another program does not come here.
_POOLS: "weakref.WeakSet[SqlitePool]" = weakref.WeakSet()
_HELD: list[SqlitePool] = []


def _before_fork() -> None:
    for pool in list(_POOLS):
        pool.lock.acquire()
        _HELD.append(pool)
        pool.close()


def _after_fork() -> None:
    while _HELD:
        _HELD.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
