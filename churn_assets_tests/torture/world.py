"""The world of the campaign: small, wholly computed, and then redelivered in part, so that most partitions have an old
version and a new one that a torn write could mix.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import planned
from churn_assets.automation.instance import ensure_instance
from churn_assets.settings import Settings
from churn_assets.synthetic import generate
from churn_assets.warehouse import publish

START, DAYS, USERS = date(2026, 1, 1), 4, 20
LAST = START + timedelta(days=DAYS - 1)
REDELIVERED = START + timedelta(days=1)
"""Day by day a run of it alone differs from one of all days: its late event changes the day before, too."""
SETTINGS = f"""start_date = {START}
end_date = {LAST}
lock_timeout_seconds = 120

[labels]
at_risk_days = 1
horizon_days = 1
"""
LATE = """event_id,user_id,event_time,event_type,course_id,watch_minutes,quiz_score,amount
900001,1,2026-01-01T08:00:00,login,,,,
900002,2,2026-01-02T09:00:00,video_watch,c1,30,,
900003,3,2026-01-02T09:30:00,quiz_attempt,c1,,80,
"""


def deployment(data: Path) -> Deployment:
    return Deployment(Settings.load(data))


def make_world(data: Path, seed: int) -> None:
    """Everything computed in a plain loop, and then three more events delivered for a day that is published."""
    generate(data / "landing", start=START, days=DAYS, users=USERS, seed=seed, signup_during=0.2)
    (data / "churn.toml").write_text(SETTINGS)
    one = deployment(data)
    for work in planned(one).works:
        with one.warehouse.writing() as connection:
            for step in work.steps:
                for publication in step.publications(one, work.days):
                    publish(connection, publication)
    (data / "landing/events" / f"date={REDELIVERED}" / "late.csv").write_text(LATE)
    ensure_instance(data / "dagster_home")
