"""Writing the warehouse file anew, so that nothing deleted is left in it.

DuckDB leaves the bytes of deleted rows in its free blocks: neither CHECKPOINT nor VACUUM clears them (measured on 2.0.0). A
copy has none.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from churn_assets.errors import ChurnError
from churn_assets.warehouse.connection import Warehouse
from churn_assets.warehouse.frames import identifier, literal

SUFFIX = ".rewritten"
SPILLED = ".tmp"
"""Of the folder in which DuckDB keeps what does not fit into memory; one that was killed leaves it behind."""


def rewrite(warehouse: Warehouse) -> None:
    """Put a copy of what the file holds in its place, in one step; a stop leaves the file as it was. Raises ChurnError.

    A reader that has the file open goes on reading the old one until it closes it.
    """
    path, beside = warehouse.path, warehouse.path.with_name(warehouse.path.name + SUFFIX)
    if not path.exists():
        return
    with warehouse.at_rest():
        try:
            _remove(beside)
            shutil.rmtree(path.with_name(path.name + SPILLED), ignore_errors=True)
            _copy(path, beside)
            beside.replace(path)
        except (duckdb.Error, OSError) as error:
            raise ChurnError(
                f"{path} could not be written anew ({type(error).__name__}); close it elsewhere, see that its own size is free "
                "on the disk, and run this again."
            ) from error
        finally:
            _remove(beside)


def _remove(file: Path) -> None:
    for path in (file, file.with_name(file.name + ".wal")):
        path.unlink(missing_ok=True)


def _copy(path: Path, beside: Path) -> None:
    """Everything in one DuckDB file into a new one. By a session of its own: it needs another file, which no other may."""
    with duckdb.connect(str(beside)) as connection:
        ((own,),) = connection.execute("SELECT current_database()").fetchall()
        for statement in (
            f"ATTACH {literal(str(path))} AS original (READ_ONLY)",
            f"COPY FROM DATABASE original TO {identifier(own)}",
            "DETACH original",
            "CHECKPOINT",
        ):
            connection.execute(statement).fetchall()
