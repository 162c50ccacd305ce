"""The store as a SQLite file, written beside and put in its place: whoever has the old one open reads it to the end."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from churn_assets.errors import ChurnError
from churn_assets.files import written_beside
from churn_assets.online.store import Row, Snapshot, UserId, Vector, checksum_of, damaged_store

AT_ONCE = 500
"""Users of one query: SQLite limits its parameters."""
FileState = tuple[int, int, int]


@dataclass
class _Opened:
    connection: sqlite3.Connection
    state: FileState
    snapshot: Snapshot


class SqliteStore:
    """Threads share one connection. The file of a snapshot never changes, so that SQLite need lock nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @property
    def place(self) -> str:
        return str(self.path)

    def snapshot(self) -> Snapshot | None:
        with self._lock, self._failing_in_words():
            return opened.snapshot if (opened := self._current()) else None

    def read(self, users: Sequence[UserId]) -> tuple[Snapshot, list[Vector | None]] | None:
        with self._lock, self._failing_in_words():
            opened = self._current()
            if opened is None:
                return None
            found: dict[UserId, Vector] = {}
            for start in range(0, len(users), AT_ONCE):
                some = users[start : start + AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = f"SELECT * FROM users WHERE user_id IN ({marks})"
                for user, features, score, checksum in opened.connection.execute(query, list(some)):
                    found[user] = Vector.checked(user, features, score, checksum, self.place)
            return opened.snapshot, [found.get(user) for user in users]

    def replace(self, snapshot: Snapshot, batches: Iterable[Sequence[Row]]) -> None:
        with self._written_anew() as connection:
            connection.execute("BEGIN")
            kind = "INTEGER" if snapshot.id_type == "integer" else "TEXT"
            columns = f"user_id {kind} PRIMARY KEY, features TEXT NOT NULL, score TEXT, checksum INTEGER NOT NULL"
            connection.execute(f"CREATE TABLE users ({columns})")
            connection.execute("CREATE TABLE snapshot (json TEXT NOT NULL)")
            for rows in batches:
                checked = ((*row, checksum_of(*row)) for row in rows)
                connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", checked)
            connection.execute("INSERT INTO snapshot VALUES (?)", [snapshot.as_json()])
            connection.execute("COMMIT")

    def remove(self, users: Sequence[UserId]) -> int:
        """The file is written anew without them: rows that were deleted would stay in its free pages."""
        found = self.read(users)
        known = [user for user, vector in zip(users, found[1], strict=True) if vector] if found else []
        if not found or not known:
            return 0
        left = replace(found[0], users=found[0].users - len(known))
        with self._written_anew() as connection:
            with closing(sqlite3.connect(self._uri(self.path), uri=True)) as old:
                old.backup(connection)
            connection.execute("BEGIN")
            connection.executemany("DELETE FROM users WHERE user_id = ?", [(user,) for user in known])
            connection.execute("UPDATE snapshot SET json = ?", [left.as_json()])
            connection.execute("COMMIT")
            connection.execute("VACUUM")
        return len(known)

    def _current(self) -> _Opened | None:
        """The file as it is now, opened; a new one is noticed by its inode, size or time."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._close()
            return None
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._opened is None or self._opened.state != state:
            self._close()
            connection = sqlite3.connect(self._uri(self.path), uri=True, check_same_thread=False)
            ((text,),) = connection.execute("SELECT json FROM snapshot").fetchall()
            self._opened = _Opened(connection, state, Snapshot.from_json(text, self.place))
        return self._opened

    def _close(self) -> None:
        if self._opened:
            self._opened.connection.close()
            self._opened = None

    @staticmethod
    def _uri(path: Path) -> str:
        return f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"

    @contextmanager
    def _written_anew(self) -> Iterator[sqlite3.Connection]:
        """To a file that takes the place of this one once it is closed. Until then it is nobody's, so that no step of it need be safe."""
        with (
            self._failing_in_words(),
            written_beside(self.path) as beside,
            closing(sqlite3.connect(beside, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            yield connection

    @contextmanager
    def _failing_in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise damaged_store(self.place, type(error).__name__) from error
        except OSError as error:
            raise ChurnError(f"{self.path} cannot be read or written: {os.strerror(error.errno or 0)}.") from error
