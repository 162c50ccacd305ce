"""What is answered about users: the values of the store with their age, and a sample of them noted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from churn_assets.contracts.scores import PLACES
from churn_assets.errors import ChurnError
from churn_assets.online.served import ServedLog
from churn_assets.online.store import Snapshot, Store, UserId, Vector
from churn_assets.settings import Settings

NOTHING_YET = "The online store is empty; run 'churn-assets backfill'."
NOT_SCORED = "The day in the online store has not been scored; run 'churn-assets backfill'."
Clock = Callable[[], datetime]


class Unavailable(ChurnError):
    """There is nothing to answer with, whoever is asked for."""


def _now() -> datetime:
    return datetime.now(tz=ZoneInfo("UTC"))


@dataclass
class Answers:
    settings: Settings
    store: Store
    clock: Clock = _now
    random: random.Random = field(default_factory=random.Random)
    noted: Callable[[int], None] = lambda _: None
    not_noted: Callable[[int], None] = lambda _: None
    """Called with how many vectors were; an answer does not wait for its note, nor fail with it."""

    def features(self, users: Sequence[UserId]) -> list[dict[str, Any] | None]:
        """Of each user the features as of the day of the store; None for one it does not have. Raises ChurnError."""
        snapshot, vectors = self._read(users)
        age, names = self._age(snapshot), list(snapshot.features)
        found = [
            {"user_id": user, **age, "features": dict(zip(names, vector.features, strict=True))} if vector else None
            for user, vector in zip(users, vectors, strict=True)
        ]
        self._note(snapshot, [entry for entry in found if entry])
        return found

    def scores(self, users: Sequence[UserId]) -> list[dict[str, Any] | None]:
        """The same of the scores; a user who is not at risk has none."""
        snapshot, vectors = self._read(users)
        if snapshot.scores is None:
            raise Unavailable(NOT_SCORED)
        age, names = self._age(snapshot), list(snapshot.scores)
        return [
            {"user_id": user, **age, **_score(names, vector.score)} if vector else None
            for user, vector in zip(users, vectors, strict=True)
        ]

    def age_days(self, snapshot: Snapshot) -> int:
        return (self.today() - snapshot.as_of_date).days

    def today(self) -> date:
        """The business day."""
        return self.clock().astimezone(ZoneInfo(self.settings.timezone)).date()

    def _read(self, users: Sequence[UserId]) -> tuple[Snapshot, list[Vector | None]]:
        found = self.store.read(users)
        if found is None:
            raise Unavailable(NOTHING_YET)
        return found

    def _age(self, snapshot: Snapshot) -> dict[str, Any]:
        days = self.age_days(snapshot)
        return {
            "as_of_date": snapshot.as_of_date.isoformat(),
            "age_days": days,
            "is_stale": days > self.settings.serving.stale_after_days,
        }

    def _note(self, snapshot: Snapshot, given: Sequence[dict[str, Any]]) -> None:
        share = self.settings.serving.sample
        chosen = [entry for entry in given if self.random.random() < share]
        if chosen:
            vectors = ((entry["user_id"], entry["features"]) for entry in chosen)
            try:
                ServedLog(self.settings.served_dir).note(snapshot.as_of_date, snapshot.version, vectors)
            except ChurnError:
                self.not_noted(len(chosen))
            else:
                self.noted(len(chosen))


def _score(names: Sequence[str], values: Sequence[Any] | None) -> dict[str, Any]:
    found = dict(zip(names, values, strict=True)) if values else dict.fromkeys(names)
    found = {"is_at_risk": values is not None, **found}
    pairs = [(found.pop(f"reason_{place}"), found.pop(f"effect_{place}")) for place in PLACES]
    reasons = [{"subject": subject, "effect": effect} for subject, effect in pairs if subject is not None]
    return {**found, "reasons": reasons}
