"""Removing the versions of the training set that hold a user. A version is named by its content, so it is never changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.errors import ChurnError
from churn_assets.training.manifest import PARTS
from churn_assets.versions import UNFINISHED, alone_in, versions_in


def versions_with(root: Path, sought: Callable[[list[str]], Sequence[bool]]) -> list[str]:
    """The versions with a row of a sought user; `sought` says which of some ids are. Raises ChurnError for a version that
    cannot be read: nobody could say that the user is not in it.
    """
    return [
        folder.name for folder in versions_in(root) if any(_holds(folder / f"{part}.parquet", sought) for part in PARTS)
    ]


def remove_versions(root: Path, versions: Sequence[str], timeout_seconds: float) -> None:
    """Each at once, or not yet: a folder is renamed to what is removed as unfinished before it is emptied."""
    if not root.is_dir():
        return
    with alone_in(root, timeout_seconds):  # which removes what is unfinished, too
        for version in versions:
            try:
                condemned = root / f".{version}{UNFINISHED}"
                if (root / version).exists():
                    (root / version).rename(condemned)
                    shutil.rmtree(condemned)
            except OSError as error:
                raise ChurnError(f"{root / version} cannot be removed: {os.strerror(error.errno or 0)}.") from error


def _holds(file: Path, sought: Callable[[list[str]], Sequence[bool]]) -> bool:
    try:
        ids = pq.read_table(file, columns=["user_id"]).column("user_id").unique()
    except FileNotFoundError:
        return False
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ChurnError(f"{file} cannot be read; remove its folder, and run this again.") from error
    return any(sought(ids.cast(pa.string()).to_pylist()))
