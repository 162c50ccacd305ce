"""What a service has given out, as a sample: a file of JSON lines for each day of features."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError
from churn_assets.files import replace_content

VERSION, USER, FEATURES = "version", "user_id", "features"
DIGEST_BYTES = 16
PATIENCE_SECONDS = 0.5
"""How long an answer waits for an erasure that rewrites the log."""


@dataclass(frozen=True)
class Line:
    """A vector that was given out. `features` are values by name; None: the line cannot be read, one that a kill cut off say."""

    user_id: Any
    version: str
    features: Mapping[str, Any] | None


@dataclass(frozen=True)
class ServedLog:
    folder: Path
    _digests: dict[date, str] = field(default_factory=dict, compare=False, repr=False)

    def note(self, day: date, version: str, vectors: Iterable[tuple[Any, Mapping[str, Any]]]) -> None:
        """Append vectors of the day's `version`. Raises ChurnError where the file cannot be written, or is being rewritten."""
        lines = [json.dumps({USER: user, VERSION: version, FEATURES: dict(features)}) for user, features in vectors]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock(PATIENCE_SECONDS), self._path(day).open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
        except Timeout as error:
            raise ChurnError(f"{self.folder} is held by another process.") from error
        except OSError as error:
            raise ChurnError(f"{self.folder} cannot be written to: {error.strerror}.") from error

    def lines(self, day: date) -> Iterator[Line]:
        path = self._path(day)
        if not path.exists():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                yield _read(text)

    def version(self, day: date) -> str:
        """A digest of all that is noted of the day; empty where that is nothing."""
        if day not in self._digests:
            path = self._path(day)
            digest = blake2b(path.read_bytes(), digest_size=DIGEST_BYTES).hexdigest() if path.exists() else ""
            self._digests[day] = digest
        return self._digests[day]

    def remove(self, users: Collection[Any]) -> int:
        """Take out the lines of users, and those that cannot be read, which may be theirs; how many lines that were."""
        return self._rewrite(lambda line: line.features is None or line.user_id in users)

    def holding(self, users: Collection[Any]) -> int:
        """How many lines are of these users."""
        return sum(line.user_id in users for path in self._paths() for line in self.lines(_day_of(path)))

    def _rewrite(self, is_gone: Callable[[Line], bool]) -> int:
        if not self.folder.is_dir():
            return 0
        removed = 0
        with self._lock():
            for path in self._paths():
                texts = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
                kept = [text for text in texts if not is_gone(_read(text))]
                if len(kept) < len(texts):
                    replace_content(path, "".join(kept).encode())
                    removed += len(texts) - len(kept)
        return removed

    def _paths(self) -> Sequence[Path]:
        return sorted(self.folder.glob("[0-9]*.jsonl")) if self.folder.is_dir() else []

    def _path(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.jsonl"

    def _lock(self, timeout: float = -1) -> FileLock:
        return FileLock(self.folder / ".lock", timeout=timeout)


def _day_of(path: Path) -> date:
    return date.fromisoformat(path.stem)


def _read(text: str) -> Line:
    try:
        found = json.loads(text)
        features = found[FEATURES]
        return Line(found[USER], str(found[VERSION]), features if isinstance(features, dict) else None)
    except (ValueError, KeyError, TypeError):
        return Line(None, "", None)
