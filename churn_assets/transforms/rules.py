"""What cleaning needs to know of a deployment: formats, zones, vocabularies, lateness. No transform reads settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from churn_assets.contracts.tables import KNOWN_EVENT_TYPES
from churn_assets.settings import Settings, SourceName

IdType = Literal["integer", "string"]


@dataclass(frozen=True)
class CleaningRules:
    """Parameters of `clean_users` and `clean_events`. Zones are IANA names, lateness is in days."""

    user_id_type: IdType = "integer"
    event_id_type: IdType = "integer"
    timestamp_format: str = "iso8601"
    source_zone: str = "UTC"
    business_zone: str = "UTC"
    lateness_days: int = 3
    plans: tuple[str, ...] = ("free", "paid")
    event_types: tuple[str, ...] = KNOWN_EVENT_TYPES
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def value_map(self, column: str) -> Mapping[str, str]:
        return self.values.get(column, {})


def cleaning_rules(settings: Settings, source: SourceName) -> CleaningRules:
    """The rules by which rows of `source` are cleaned in this deployment."""
    own = settings.source(source)
    return CleaningRules(
        user_id_type=settings.sources.users.id_type,
        event_id_type=settings.sources.events.id_type,
        timestamp_format=own.timestamp_format,
        source_zone=own.timezone or settings.timezone,
        business_zone=settings.timezone,
        lateness_days=settings.lateness_days,
        plans=settings.sources.users.plans,
        event_types=(*KNOWN_EVENT_TYPES, *settings.sources.events.event_types),
        values=own.values,
    )
