"""What happened, before a tool exports it: 30 users of a small app and some 400 events of six types on 40 days."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

DAYS, USERS, EVENTS = 40, 30, 400
START = datetime(2026, 1, 5, tzinfo=timezone.utc)
TYPES = {"App Opened": 30, "Song Played": 40, "Song Skipped": 15, "Search": 8, "Plan Upgraded": 3, "Cancelled": 4}


@dataclass(frozen=True)
class Happening:
    number: int
    id: str
    user: int
    time: datetime
    type: str
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def user_id(self) -> str:
        return f"user-{self.user:03d}"

    @property
    def device_id(self) -> str:
        return str(uuid.UUID(int=10**30 + self.user))

    @property
    def user_properties(self) -> dict[str, Any]:
        return {"plan": ("free", "solo", "family")[self.user % 3], "beta_tester": self.user % 5 == 0}

    @property
    def country(self) -> str:
        return ("DE", "FR", "BR", "IN")[self.user % 4]

    @property
    def platform(self) -> str:
        return ("iOS", "Android", "Web")[self.user % 3]


def happenings(seed: int = 7) -> list[Happening]:
    """In the order in which they happened, to the microsecond."""
    draw = random.Random(seed)
    times = sorted(START + timedelta(seconds=draw.uniform(0, DAYS * 86_400)) for _ in range(EVENTS))
    rows = []
    for number, time in enumerate(times, 1):
        kind = draw.choices([*TYPES], [*TYPES.values()])[0]
        properties: dict[str, Any] = {}
        if kind.startswith("Song"):
            properties = {
                "ms_played": draw.randrange(1_000, 300_000),
                "track_id": f"track-{draw.randrange(40)}",
                "genre": draw.choice(["rock", "jazz", "pop"]),
                "offline": draw.random() < 0.2,
            }
        elif kind == "Plan Upgraded":
            properties = {"price": round(draw.uniform(4, 20), 2), "currency": "EUR"}
        elif kind == "Search":
            properties = {"results": draw.randrange(50)}
        user = draw.randrange(1, USERS + 1)
        rows.append(Happening(number, str(uuid.UUID(int=draw.getrandbits(128))), user, time, kind, properties))
    return rows
