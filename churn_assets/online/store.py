"""What an online store is: one day of features and scores, replaced whole.

A reader sees one day or another and never two of them mixed, whenever a publisher is killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

from filelock import FileLock, Timeout

from churn_assets.errors import ChurnError
from churn_assets.files import unfinished_at
from churn_assets.serving_settings import SQLITE
from churn_assets.settings import Settings

UserId = int | str
Row = tuple[UserId, str, str | None]
"""A user, the values of the features as a JSON list, and those of the score, None for a user who is not at risk."""
FORMAT = 1


def checksum_of(user: UserId, features: str, score: str | None) -> int:
    """Of a row, so that one flipped bit is no other value."""
    return crc32(f"{user}\n{features}\n{score or ''}".encode())


def damaged_store(where: str, kind: str = "") -> ChurnError:
    return ChurnError(
        f"{where} cannot be used as an online store{f' ({kind})' if kind else ', values in it are not as they were written'}; run "
        "'churn-assets online publish --replace'."
    )


@dataclass(frozen=True)
class Snapshot:
    """The day that a store holds, and what its rows are made of."""

    as_of_date: date
    published_at: str
    """When the tables it is made of were published (UTC): of two states of a day, the later is the newer."""
    version: str
    """Content hash of the day's user_features."""
    features: Mapping[str, str]
    """Names in the order of the values, each with a digest of its definition."""
    scores: Sequence[str] | None
    """Names of a score's values; None where the day has not been scored."""
    scores_version: str | None
    scored_by: str | None
    """The model, or the rule, that scored the day."""
    users: int
    id_type: str

    @property
    def state(self) -> tuple[date, str]:
        """What orders snapshots: the later one is the newer."""
        return self.as_of_date, self.published_at

    def as_json(self) -> str:
        text = json.dumps({"format": FORMAT, **asdict(self), "as_of_date": self.as_of_date.isoformat()})
        return f"{crc32(text.encode()):08x}{text}"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Snapshot:
        """Raises ChurnError for what another release wrote."""
        try:
            text = text.decode() if isinstance(text, bytes) else text
            if text[:8] != f"{crc32(text[8:].encode()):08x}":
                raise ValueError
            found = json.loads(text[8:])
            if found.pop("format") != FORMAT:
                raise ValueError
            return cls(**{**found, "as_of_date": date.fromisoformat(found["as_of_date"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ChurnError(
                f"{where} holds no snapshot that this release can read; run 'churn-assets online publish --replace'."
            ) from error


@dataclass(frozen=True)
class Vector:
    """What a store has of a user, as JSON lists in the order of the snapshot's names. Who asks for one is spared reading the other."""

    features_text: str
    score_text: str | None

    @classmethod
    def checked(cls, user: UserId, features: str, score: str | None, checksum: int, where: str) -> Vector:
        """Raises ChurnError for values that are not as they were written."""
        if checksum_of(user, features, score) != checksum:
            raise damaged_store(where)
        return cls(features, score)

    @property
    def features(self) -> list[Any]:
        found: list[Any] = json.loads(self.features_text)
        return found

    @property
    def score(self) -> list[Any] | None:
        return json.loads(self.score_text) if self.score_text else None


class Store(Protocol):
    """Where a snapshot lies. Every method raises ChurnError where the place cannot be reached or is damaged."""

    @property
    def place(self) -> str:
        """In words, without a password."""

    def snapshot(self) -> Snapshot | None:
        """What it holds; None: nothing yet."""

    def read(self, users: Sequence[UserId]) -> tuple[Snapshot, list[Vector | None]] | None:
        """The users in their order, all of one snapshot; None for one it does not have. None: it holds nothing yet."""

    def replace(self, snapshot: Snapshot, batches: Iterable[Sequence[Row]]) -> None:
        """The snapshot and its rows in place of what is there, at one moment. The caller has found that it is to be replaced."""

    def remove(self, users: Sequence[UserId]) -> int:
        """Take users out; how many were there."""


def open_store(settings: Settings) -> Store:
    """The store of a deployment. Raises ChurnError where it has none, or Redis is not installed."""
    serving = settings.serving
    if not serving.is_on:
        raise ChurnError(
            f'This deployment keeps nothing for a service; set [serving] store = "{SQLITE}" in '
            f"{settings.data_dir / 'churn.toml'} and run 'churn-assets backfill'."
        )
    if serving.store == SQLITE:
        from churn_assets.online.sqlite_store import SqliteStore

        return SqliteStore(settings.online_path)
    from churn_assets.online.redis_store import RedisStore

    return RedisStore(serving.store, serving.key_prefix)


@contextmanager
def alone_at(settings: Settings) -> Iterator[None]:
    """No other process of this deployment replaces the snapshot meanwhile. Raises ChurnError after the lock's time."""
    lock: Path = settings.online_path.with_name(f".{settings.online_path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=settings.lock_timeout_seconds):
            unfinished_at(settings.online_path).unlink(missing_ok=True)  # A killed publisher's.
            yield
    except Timeout as error:
        raise ChurnError(
            "Another process has been publishing to the online store for too long; try again later."
        ) from error
