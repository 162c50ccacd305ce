"""Features of one day under a declaration of 40 measures and 200 features, against the shipped one: cost per column."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Benchmark, Command, module
from bench.store import DAYS, Store, copied, nth_day

USERS = 20_000
MEASURES, FEATURES = 40, 200
SHIPPED_MEASURES, SHIPPED_FEATURES = 11, 65
"""Of the product that a data folder has without a word about it; a test holds them against it."""
EVENT_TYPES = ("login", "video_watch", "quiz_attempt", "course_enroll")
WINDOWS = (3, 7, 14, 21, 30)


def wide_declaration(store: Store) -> Benchmark:
    """A part of a day's cost is the same however much is declared, so growing with the columns is the most it may do."""
    users = store.users(USERS)
    world = store.world(users)
    loop, day = module("plain_loop"), nth_day(DAYS)
    narrow = store.computed(world, loop)
    wide = store.computed(store.declaring(world, declaration()), loop)
    return Benchmark(
        name="wide",
        work=f"user_features of day {DAYS}, {users:,} users, {MEASURES} measures, {FEATURES} features",
        against=f"the shipped {SHIPPED_MEASURES} measures and {SHIPPED_FEATURES} features",
        ours=lambda folder: _features(wide, day, folder),
        theirs=lambda folder: _features(narrow, day, folder),
        at_most=FEATURES / SHIPPED_FEATURES,
    )


def wide_user_days(store: Store) -> Benchmark:
    """From the landing on: what reads files and cleans them does not know how many measures are taken of it."""
    users = store.users(USERS)
    narrow = store.world(users)
    wide = store.declaring(narrow, declaration())
    return Benchmark(
        name="wide-days",
        work=f"landing to user_daily, {DAYS} days, {users:,} users, {MEASURES} measures",
        against=f"the shipped {SHIPPED_MEASURES} measures",
        ours=lambda folder: Command(module("plain_loop", copied(wide, folder / "data"))),
        theirs=lambda folder: Command(module("plain_loop", copied(narrow, folder / "data"))),
        at_most=MEASURES / SHIPPED_MEASURES,
    )


def _features(data: Path, day: str, folder: Path) -> Command:
    return Command(module("features_day", copied(data, folder / "data"), day))


def declaration() -> str:
    """Entries of churn.toml that add what is missing to MEASURES and FEATURES: counts, and their sums over WINDOWS."""
    entries = []
    for number in range(MEASURES - SHIPPED_MEASURES):
        event_type = EVENT_TYPES[number % len(EVENT_TYPES)]
        entries.append(f'[[measures]]\nname = "wide_{number:02d}"\nevent = ["{event_type}"]\n')
    for number in range((FEATURES - SHIPPED_FEATURES) // len(WINDOWS)):
        entries.append(f'[[features]]\nof = "wide_{number:02d}"\nwindows = {list(WINDOWS)}\n')
    return "\n".join(entries)
