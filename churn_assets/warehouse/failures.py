"""What DuckDB says of a file that is taken, damaged or cannot be written, in one sentence that says what to do.

Which is which is known by DuckDB's words: it has no kind of error of its own for any of them.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from churn_assets.errors import ChurnError

TAKEN = (
    "Could not set lock on file",  # by another process
    "being used by another process",  # the same on Windows
    "with a different configuration",  # by another thread, which writes while this one wants to read, or the reverse
    "Unique file handle conflict",  # by another thread that is just closing it
)
"""What DuckDB says where waiting helps. Nothing else is waited for: a bare "lock" is also in "block", which each report
of a damaged file holds.
"""
DAMAGE = (
    "Corrupt database file",  # the checksum of a block
    "Corrupt WAL file",  # the checksum of an entry of the log
    "Failure while replaying WAL",
    "Could not read enough bytes",  # of a file that was cut off
)


def is_taken(error: duckdb.Error) -> bool:
    """Whether somebody else has the file open in a way that keeps us out."""
    return any(phrase in str(error) for phrase in TAKEN)


def is_damage(error: duckdb.Error) -> bool:
    """Whether what is on the disk is not what DuckDB wrote there."""
    return any(phrase in str(error) for phrase in DAMAGE)


def damaged(path: Path, error: duckdb.Error) -> ChurnError:
    return ChurnError(
        f"{path} is damaged ({_sentence(error)}); restore a backup with 'churn-assets restore FILE --replace', or move "
        "the file away with its .wal and run 'churn-assets backfill'."
    )


def unopened(path: Path, error: duckdb.Error) -> ChurnError:
    """Of a file that DuckDB does not open although nobody holds it."""
    return damaged(path, error) if is_damage(error) else ChurnError(f"{path} cannot be opened: {_sentence(error)}.")


def unwritable(path: Path, error: duckdb.Error) -> ChurnError:
    return ChurnError(f"{path} could not be written, and holds what it held before: {_sentence(error)}.")


def _sentence(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].rstrip(".!")
