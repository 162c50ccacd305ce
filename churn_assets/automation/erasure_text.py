"""Where an id may stand as text and nothing says that it is one: Dagster's logs, and any other file of the deployment.

Only for ids that cannot be mistaken for anything else. A number, or a word, stands in a log for many things.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churn_assets.files import replace_content
from churn_assets.warehouse.frames import identifier

BLOT = "erased"
SHORTEST = 6
"""Characters of an id that is searched for as text."""
SQLITE = b"SQLite format 3\x00"
BESIDE_DATABASES = ("-wal", "-shm", "-journal")
PIECE_BYTES = 1 << 24
LOCK_SECONDS = 60


def is_unmistakable(user: str, id_type: str) -> bool:
    """Whether the id, wherever it stands, can only mean the user: text with letters and digits, or an address."""
    return id_type == "string" and len(user) >= SHORTEST and bool(re.search(r"[^\W\d_].*\d|\d.*[^\W\d_]|@", user))


def blot_out(folder: Path, text: str) -> None:
    """Replace the text in every SQLite database and every other file of a folder, in place."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if path.name.endswith(BESIDE_DATABASES):
            continue  # Opening the database makes it part of that. It is gone then, as after a kill it was not.
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
        if is_database:
            _blot_out_of_database(path, _spellings(text))
        else:
            _blot_out_of_file(path, _spellings(text))


def files_naming(folder: Path, text: str) -> Iterator[Path]:
    """The files in whose bytes or name the text stands; compressed ones and Parquet are looked into unpacked."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if text in str(path.relative_to(folder)) or _is_in(path, text):
            yield path


def _spellings(text: str) -> list[str]:
    """As it is, and as JSON has it."""
    return list(dict.fromkeys([text, json.dumps(text)[1:-1]]))


def _blot_out_of_database(path: Path, spellings: list[str]) -> None:
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        changed = 0
        for table in map(identifier, tables):
            for _, column, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                name = identifier(column)
                for text in spellings:
                    changed += connection.execute(
                        f"UPDATE {table} SET {name} = replace({name}, ?, ?) WHERE typeof({name}) = 'text' AND instr({name}, ?)",
                        [text, BLOT, text],
                    ).rowcount
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if changed or any(text.encode() in path.read_bytes() for text in spellings):
            connection.execute("VACUUM")  # SQLite keeps deleted bytes, too
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _blot_out_of_file(path: Path, spellings: list[str]) -> None:
    content = path.read_bytes()
    clean = content
    for text in spellings:
        clean = clean.replace(text.encode(), BLOT.encode())
    if clean != content:
        replace_content(path, clean)


def _is_in(path: Path, text: str) -> bool:
    try:
        if path.suffix == ".parquet":
            return any(_is_in_column(column, text) for column in pq.read_table(path).columns)
        if path.suffix == ".gz":
            return text.encode() in gzip.decompress(path.read_bytes())
    except (OSError, EOFError, pa.ArrowException):
        pass  # no such file after all: its bytes are looked at
    with path.open("rb") as file:
        tail = b""
        while piece := file.read(PIECE_BYTES):
            if text.encode() in tail + piece:
                return True
            tail = piece[-len(text.encode()) :]
    return False


def _is_in_column(column: pa.ChunkedArray, text: str) -> bool:
    if pa.types.is_nested(column.type):
        return any(text in str(value) for value in column.to_pylist())
    return bool(pc.any(pc.match_substring(column.cast(pa.string()), text)).as_py())
