"""What the benchmarks work on: landings and prepared deployments, made once and copied for each run.

Made by processes of their own: what the runner itself holds in memory would count as its children's peak.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from bench.measure import Command, timed

START = date(2026, 1, 1)
DAYS = 180
EVENTS_PER_USER_DAY = 0.28
"""100,000 users x 180 days are then 5 million events."""
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "churn_mlops"
PEER_USERS, PEER_DAYS = 2000, 120


@dataclass(frozen=True)
class Store:
    """Everything the benchmarks need below one folder, made when first asked for. `scale` multiplies users."""

    folder: Path
    scale: float = 1.0
    reference: Path = REFERENCE

    def users(self, count: int) -> int:
        return max(20, round(count * self.scale))

    def world(self, users: int) -> Path:
        """Data folder of a landing of 180 days with nothing published: everyone there from the start, none leaves."""
        return self._landing(f"world-{users}", users, DAYS, "churn=False")

    def steady_world(self, users: int, days: int) -> Path:
        """The same with every day alike."""
        return self._landing(f"steady-{users}", users, days, "churn=False, weekly=False, late_share=0.0")

    def peer_world(self) -> Path:
        """Data folder of the peer's dump, landed; a made-up world of its size where it is absent or another is asked for."""
        dump = [self.reference / "users.csv.gz", self.reference / "events.csv.gz"]
        if self.scale != 1 or not all(path.exists() for path in dump):
            days = max(5, round(PEER_DAYS * self.scale))
            return self._made(
                "peer-like", lambda at: (*churn_assets(at), "generate", "--users", str(PEER_USERS), "--days", str(days))
            )
        return self._made("peer", lambda at: (*churn_assets(at), "land", *map(str, dump)))

    def backfilled(self, world: Path, first: int, last: int) -> Path:
        """A copy of a world with its days first..last (counted from 1) published."""

        def command(at: Path) -> tuple[str, ...]:
            copied(world, at)
            return (*churn_assets(at), "backfill", nth_day(first), nth_day(last))

        return self._made(f"{world.name}-to-{last}", command)

    def declaring(self, world: Path, entries: str) -> Path:
        """A copy of a world whose churn.toml declares more, at its end."""
        place = self.folder / f"{world.name}-declaring"
        if not place.exists():
            copied(world, place)
            with (place / "churn.toml").open("a", encoding="utf-8") as file:
                file.write(f"\n{entries}")
        return place

    def computed(self, world: Path, build: tuple[str, ...]) -> Path:
        """A copy of a world with what the command `build` makes of it, given the data folder."""

        def command(at: Path) -> tuple[str, ...]:
            copied(world, at)
            return (*build, str(at))

        return self._made(f"{world.name}-computed", command)

    def _landing(self, name: str, users: int, days: int, options: str) -> Path:
        def command(at: Path) -> tuple[str, ...]:
            code = f"""
from datetime import date
from pathlib import Path
from churn_assets.settings_file import write_calendar
from churn_assets.synthetic import generate
data = Path({str(at)!r})
world = generate(data / "landing", start=date.fromisoformat("{START}"), days={days}, users={users}, signup_during=0.0,
                 events_per_user_day={EVENTS_PER_USER_DAY}, {options})
write_calendar(data / "churn.toml", world.start, world.end)
"""
            return (sys.executable, "-c", code)

        return self._made(name, command)

    def _made(self, name: str, command) -> Path:
        place = self.folder / name
        if not place.exists():
            unfinished = self.folder / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            timed(Command(command(unfinished)))
            unfinished.rename(place)
        return place


def churn_assets(data: Path) -> tuple[str, ...]:
    """The product's command on one data folder."""
    return (sys.executable, "-c", "from churn_assets.cli import main; main()", "--data", str(data))


def nth_day(number: int) -> str:
    return (START + timedelta(days=number - 1)).isoformat()


def landing_days(data: Path) -> list[str]:
    return sorted(folder.name.removeprefix("date=") for folder in (data / "landing" / "events").iterdir())


def copied(data: Path, place: Path) -> Path:
    """A data folder of its own to work in. The landing, which nobody writes to, is linked.

    Ends when the copy is on the disk: else the first commit of what is measured would wait for it.
    """
    place.mkdir(parents=True, exist_ok=True)
    for part in data.iterdir():
        if part.name == "landing":
            (place / part.name).symlink_to(part.resolve())
        elif part.is_dir():
            shutil.copytree(part, place / part.name)
        else:
            shutil.copy2(part, place / part.name)
    os.sync()
    return place


def environment(data: Path) -> Mapping[str, str]:
    return {"CHURN_DATA_DIR": str(data)}
