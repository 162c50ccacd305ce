"""Opening the warehouse: one writer at a time, waiting instead of failing, always closed.

DuckDB lets one process write or many read. Who finds the file taken waits up to the deployment's lock timeout.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError, WarehouseBusy
from churn_assets.warehouse import kept_open
from churn_assets.warehouse.failures import damaged, is_damage, is_taken, unopened, unwritable

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "custom_user_agent": "churn_assets",
    # Nothing the warehouse does needs other files, the network or code from there. A query that asks for one is refused,
    # whoever wrote it, and cannot switch this back on.
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "lock_configuration": True,
}
"""One for every connection: DuckDB refuses a second connection of a process with other settings."""

_writing = threading.local()
"""The open transaction of this thread by file, whichever object opened it."""


class Warehouse:
    """The DuckDB file of one deployment. Sessions of one thread nest: an inner one joins the outer transaction."""

    def __init__(self, path: Path, lock_timeout_seconds: float = 600) -> None:
        self.path = path
        self._timeout = lock_timeout_seconds
        self._file = str(path.resolve())

    @contextmanager
    def keeping_open(self) -> Iterator[None]:
        """The file stays open between the sessions that this thread has in the block, unless another process wants it."""
        with kept_open.keeping(self.path):
            yield

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only session, or the thread's open transaction, whose snapshot it then sees.

        Raises ChurnError where nothing was published yet.
        """
        if (outer := self._outer()) is not None:
            yield outer
            return
        if not self.path.exists():
            raise ChurnError(f"{self.path} does not exist yet; run 'churn-assets backfill' first.")
        with self._session(read_only=True) as connection:
            try:
                yield connection
            except duckdb.Error as error:
                if is_damage(error):
                    raise damaged(self.path, error) from error
                raise

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed as a whole when the block ends, rolled back when it raises."""
        if (outer := self._outer()) is not None:
            yield outer
            return
        with self._locked():
            self._make_file()
            with self._session(read_only=False) as connection, self._transaction(connection):
                yield connection

    @contextmanager
    def _transaction(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        setattr(_writing, self._file, connection)
        try:
            connection.begin()
            yield
            connection.commit()
        except BaseException as error:
            self._roll_back(connection)
            if isinstance(error, duckdb.Error) and is_damage(error):
                raise damaged(self.path, error) from error
            if isinstance(error, (duckdb.IOException, duckdb.TransactionException)):  # A full disk, say.
                raise unwritable(self.path, error) from error
            raise
        finally:
            delattr(_writing, self._file)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Alone, and the file holds everything: no log is beside it."""
        with self.alone():
            if self.path.exists():
                self._connect(read_only=False).close()
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No process of ours writes from here to the end of the block, or has the file open for writing; who wants to, waits.
        A process of others that writes when this begins is waited for.
        """
        with self._locked():
            if kept := kept_open.of(self._file):
                kept.let_go()
            if self.path.exists():
                try:
                    self._connect(read_only=True).close()
                except WarehouseBusy:
                    raise
                except ChurnError:
                    pass  # A file that does not open, nobody has open; who is alone may be about to replace it.
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Who holds this is the only process of ours that opens the file for writing, though others may have it open still."""
        lock = self._lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if kept := kept_open.of(self._file):
                    kept.let_go()  # Who has the lock is about to want the file.
                lock.acquire(timeout=self._timeout)
        except Timeout:
            raise WarehouseBusy(self._taken()) from None
        except OSError as error:
            raise ChurnError(f"{self.path.parent} cannot be written to: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def _lock(self) -> FileLock:
        return FileLock(self.path.with_name(self.path.name + ".lock"))

    @contextmanager
    def _session(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one session: to the file as it is kept open, or of its own. Only who writes, and so has the lock,
        opens a file to be kept open.
        """
        kept = kept_open.of(self._file)
        connection = kept.borrow(None if read_only else self._opened) if kept else None
        if kept is None or connection is None:
            with closing(self._connect(read_only=read_only)) as connection:
                yield connection
            return
        is_sound = False  # Of what raises, the engine may have invalidated itself.
        try:
            yield connection
            is_sound = True
        finally:
            kept.give_back(connection, is_sound=is_sound)

    def _opened(self) -> duckdb.DuckDBPyConnection:
        return self._connect(read_only=False)

    def _outer(self) -> duckdb.DuckDBPyConnection | None:
        return getattr(_writing, self._file, None)

    @staticmethod
    def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.rollback()
        except duckdb.Error:
            # The engine has invalidated itself: what was committed stays, closing discards the rest.
            return

    def _make_file(self) -> None:
        """Make a new file beside and move it into place: a process killed while DuckDB writes the first headers would
        leave one that no DuckDB opens.
        """
        if self.path.exists():
            return
        beside = self.path.with_name(self.path.name + ".new")
        # A log left behind by a warehouse that was moved away belongs to that one.
        for leftover in (beside, self.path.with_name(self.path.name + ".wal")):
            leftover.unlink(missing_ok=True)
        Warehouse(beside, self._timeout)._connect(read_only=False).close()
        beside.replace(self.path)

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._timeout
        pause = FIRST_PAUSE_SECONDS
        cause: duckdb.Error | None = None
        asking = kept_open.Asking(self._file)
        try:
            while True:
                try:
                    # DuckDB would let another thread in; a reader there would then see what changes in its midst.
                    if read_only or not kept_open.is_kept_elsewhere(self._file):
                        return duckdb.connect(str(self.path), read_only=read_only, config=CONFIG)
                except duckdb.Error as error:
                    if not is_taken(error):
                        raise unopened(self.path, error) from error
                    cause = error
                if time.monotonic() >= deadline:
                    raise WarehouseBusy(self._taken()) from cause
                asking.begin()
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            asking.end()

    def _taken(self) -> str:
        return (
            f"{self.path} was held elsewhere for more than {self._timeout:g} seconds; close it there "
            "(another run, a DuckDB shell, a notebook) or raise lock_timeout_seconds."
        )
