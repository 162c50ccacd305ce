"""A copy of the warehouse in one file, and the way back. No copy is trusted before every partition of it was verified.

What else a deployment has needs no command: landing files and training sets are never changed once they are written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.automation.erase import erase_again
from churn_assets.automation.verify import verify
from churn_assets.errors import ChurnError
from churn_assets.warehouse import Warehouse


def backup(deployment: Deployment, file: Path) -> int:
    """Copy the warehouse to `file`; gives how many partitions it holds. Runs wait meanwhile, readers do not.

    Raises ChurnError, leaving no file, where the warehouse is not as published.
    """
    if file.exists():
        raise ChurnError(f"{file} exists already; name another file, backups are not overwritten.")
    with deployment.warehouse.alone(), _beside(file) as copy:
        partitions = _copied(deployment, deployment.warehouse.path, copy)
        copy.replace(file)
    return partitions


def restore(deployment: Deployment, file: Path, *, replace: bool) -> int:
    """Put the warehouse that `file` holds in the place of the deployment's; gives how many partitions it holds. Users who
    were erased since it was made are taken out of it.

    Raises ChurnError, leaving everything as it was, where the file is not as published or a warehouse is there already
    and `replace` does not say that it may go.
    """
    path = deployment.warehouse.path
    if not file.is_file():
        raise ChurnError(f"{file} is no file; name one that 'churn-assets backup' wrote.")
    if path.exists() and not replace:
        raise ChurnError(f"{path} exists; use --replace to put the backup in its place.")
    with deployment.warehouse.alone(), _beside(path) as copy:
        partitions = _copied(deployment, file, copy)
        # First of all what belongs to the old file: its log would be replayed into the new one. A kill in between leaves
        # the old state but for a transaction that no checkpoint followed, and the command can be given again.
        _log(path).unlink(missing_ok=True)
        copy.replace(path)
    erase_again(deployment)
    return partitions


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A name next to `file` to write to, of which nothing is left in the end."""
    copy = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield copy
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(f"{file} cannot be written ({cause}); nothing was changed.") from error
    finally:
        for leftover in (copy, _log(copy), copy.with_name(f"{copy.name}.lock")):
            leftover.unlink(missing_ok=True)


def _copied(deployment: Deployment, file: Path, copy: Path) -> int:
    """Copy the file, and the log that a killed run may have left beside it, into one, and verify that; gives how many
    partitions it holds.

    Nobody may write meanwhile. A connection of ours that reads would not see to that: POSIX takes a process's locks on a
    file away as soon as it closes the file once, which copying does.
    """
    shutil.copyfile(file, copy)
    if _log(file).exists():
        shutil.copyfile(_log(file), _log(copy))
    try:
        with Warehouse(copy).writing():
            pass  # Closing it makes the log part of the file.
        found = [
            (partitions, sum(not finding.waits for finding in findings))
            for _, partitions, findings in verify(deployment, Warehouse(copy))
        ]
    except ChurnError as error:
        raise ChurnError(f"Nothing was copied, because {str(error).replace(str(copy), str(file))}") from error
    partitions, wrong = (sum(counts) for counts in zip(*found, strict=True))
    if wrong or not partitions:
        raise ChurnError(
            f"Nothing was copied, because {wrong} of {partitions} partitions in {file} are not as published; name a file that "
            "holds what was published with these settings."
        )
    _reach_the_disk(copy)
    return partitions


def _reach_the_disk(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")
