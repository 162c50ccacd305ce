"""Folders that are named by a hash of all that decides their content: written whole or not at all, by one process, never again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError

VERSION_DIGITS = 16
UNFINISHED = ".new"


def version_of(identity: Mapping[str, Any]) -> str:
    """A hash of JSON values, such as everything that decides a version's rows; the order of keys does not matter."""
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()[:VERSION_DIGITS]


def write_version(root: Path, version: str, timeout_seconds: float, write: Callable[[Path], None]) -> Path:
    """The folder of a version; if there is none, `write` is given an empty folder, which takes its name once it is written.

    Raises ChurnError where the folder cannot be written, or another process holds it for too long.
    """
    folder = root / version
    if folder.exists():
        return folder
    with alone_in(root, timeout_seconds):
        if folder.exists():
            return folder
        unfinished = root / f".{version}{UNFINISHED}"
        try:
            unfinished.mkdir()
            write(unfinished)
            unfinished.rename(folder)
        except OSError as error:
            raise ChurnError(f"{root} cannot be written to: {os.strerror(error.errno or 0)}.") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def versions_in(root: Path) -> list[Path]:
    """The folders of whole versions, by name."""
    return sorted(path for path in root.glob("[!.]*") if path.is_dir())


@contextmanager
def alone_in(root: Path, timeout_seconds: float) -> Iterator[None]:
    """One writer at a time, so that what a killed one left behind is known from another's work, and removed."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".lock")
        lock.acquire(timeout=timeout_seconds)
    except Timeout:
        raise ChurnError(f"{root} was held by another process for more than {timeout_seconds:g} seconds.") from None
    except OSError as error:
        raise ChurnError(f"{root} cannot be written to: {os.strerror(error.errno or 0)}.") from error
    try:
        for leftover in root.glob(f".*{UNFINISHED}"):
            shutil.rmtree(leftover)
        yield
    finally:
        lock.release()
