"""The steps that clean what landed: each source, or events alone where they are all that says who there is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from churn_assets import transforms
from churn_assets.assets.step import Step
from churn_assets.calendar import SAME_DAY, Window
from churn_assets.settings import Settings, SourceName
from churn_assets.transforms.outcomes import Cleaned, combine_reconciliation, quality_score
from churn_assets.transforms.users_from_events import event_columns_of_users
from churn_assets.warehouse.frames import stacked
from churn_assets.warehouse.selection import Selection


def cleaning_steps(settings: Settings) -> tuple[Step, ...]:
    """In an order in which each finds its inputs made."""
    if settings.users_are == "from_events":
        return (_clean_events(settings), _users_from_events(settings))
    return (_clean_users(settings), _clean_events(settings))


def _clean_users(settings: Settings) -> Step:
    rules = transforms.cleaning_rules(settings, "users")
    return Step(
        name="clean_users",
        description="User versions, typed and repaired; what cannot be trusted is quarantined, and every row accounted for.",
        group="cleaned",
        outputs=_cleaned("users"),
        reads={"raw_users": Window(back=1)},
        compute=lambda frames, days: _parts(
            transforms.clean_users(frames["raw_users"], first_day=days.first, last_day=days.last, rules=rules)
        ),
        sized_by="raw_users",
        bucket_by=None if rules.value_map("user_id") else "user_id",
        parameters=(rules,),
        combine={"users_reconciliation": combine_reconciliation},
        notes=lambda parts: _quality(parts["users_reconciliation"]),
    )


def _users_from_events(settings: Settings) -> Step:
    rules = transforms.rules_of_made_users(settings)
    return Step(
        name="clean_users",
        description="Users as their events show them: a version for each day with events.",
        group="cleaned",
        outputs=("clean_users",),
        reads={"clean_events": SAME_DAY},
        selects={"clean_events": Selection(columns=event_columns_of_users(rules.product))},
        compute=lambda frames, _: (transforms.users_from_events(frames["clean_events"], rules=rules),),
        sized_by="clean_events",
        bucket_by="user_id",
        parameters=(rules,),
    )


def _clean_events(settings: Settings) -> Step:
    rules = transforms.cleaning_rules(settings, "events")
    return Step(
        name="clean_events",
        description="Accepted events, typed and deduplicated; the rest quarantined, and every row accounted for.",
        group="cleaned",
        outputs=_cleaned("events"),
        reads={"raw_events": Window(back=settings.lateness_days)},
        compute=lambda frames, days: _parts(
            transforms.clean_events(frames["raw_events"], first_day=days.first, last_day=days.last, rules=rules)
        ),
        sized_by="raw_events",
        bucket_by=None if rules.value_map("event_id") else "event_id",
        parameters=(rules,),
        combine={"events_reconciliation": combine_reconciliation},
        notes=lambda parts: _quality(parts["events_reconciliation"]),
    )


def _cleaned(source: SourceName) -> tuple[str, str, str]:
    return (f"clean_{source}", f"quarantined_{source}", f"{source}_reconciliation")


def _parts(cleaned: Cleaned) -> tuple[pd.DataFrame, ...]:
    return (cleaned.accepted, cleaned.quarantined, cleaned.reconciliation)


def _quality(reconciliation: list[pd.DataFrame]) -> dict[date, dict[str, Any]]:
    """Per landing day: the quality score and the counts behind it."""
    by_day = stacked(reconciliation).groupby("landing_date").sum(numeric_only=True)
    notes: dict[date, dict[str, Any]] = {}
    for day, counts in zip(by_day.index, by_day.to_dict("records"), strict=True):
        score = quality_score(
            counts["rows_accepted"], counts["rows_read"], counts["rows_duplicate"], counts["rows_unchanged"]
        )
        notes[day.date()] = ({} if score is None else {"quality_score": score}) | {str(k): n for k, n in counts.items()}
    return notes
