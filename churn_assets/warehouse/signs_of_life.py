"""Whether the process of a run is still there: each holds a lock that the system lets go when the process ends, however.

What is done about a run whose process is gone is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_HELD: set[Path] = set()
"""Locks of this process."""


class SignsOfLife:
    """The locks of a deployment's runs, a file for each in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def living(self, run_id: str) -> Iterator[None]:
        """Hold the run's lock from here to the end of the block. A block within a block of the same run joins it."""
        if self._of(run_id) in _HELD:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        own = FileLock(self._of(run_id))
        with self._one_at_a_time():
            own.acquire()
        _HELD.add(self._of(run_id))
        try:
            yield
        finally:
            _HELD.discard(self._of(run_id))
            with self._one_at_a_time():
                own.release()
                self.forget(run_id)

    def dead(self) -> list[str]:
        """The runs that began to hold their lock and whose process ended without letting go of it."""
        if not self._folder.is_dir():
            return []
        return sorted(path.stem for path in self._folder.glob("[!.]*.lock") if self._died(path))

    def _died(self, path: Path) -> bool:
        with self._one_at_a_time():
            try:
                if path.exists():
                    with FileLock(path, timeout=0):
                        return True
            except Timeout:
                pass
            return False

    def forget(self, run_id: str) -> None:
        self._of(run_id).unlink(missing_ok=True)

    def _of(self, run_id: str) -> Path:
        return self._folder.absolute() / f"{run_id}.lock"

    def _one_at_a_time(self) -> FileLock:
        """Else a run that has made its file and not yet locked it, or is just ending, would look dead."""
        return FileLock(self._folder / ".lock")
