"""What cleaning needs to know of a deployment: formats, zones, the product, lateness. No transform reads settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from churn_assets.product import Product, read_product
from churn_assets.product.parts import for_cleaning, for_made_users
from churn_assets.settings import IdType, Settings, SourceName, SourceSettings
from churn_assets.time_formats import ISO_8601
from churn_assets.transforms.parsing import Formats, Series, mapped, without


@dataclass(frozen=True)
class CleaningRules:
    """Parameters of `clean_users` and `clean_events`. Zones are IANA names, lateness is in days."""

    user_id_type: IdType = "integer"
    event_id_type: IdType = "integer"
    timestamp_format: Formats = ISO_8601
    source_zone: str = "UTC"
    business_zone: str = "UTC"
    lateness_days: int = 3
    product: Product = field(default_factory=read_product)
    other_event_types: tuple[str, ...] = ()
    """Event types of the deployment besides those of the product."""
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Texts that mean no value, in whatever column."""

    def value_map(self, column: str) -> Mapping[str, str]:
        return self.values.get(column, {})

    def given(self, texts: Series, column: str) -> Series:
        """Texts of a column as the source means them: null where they mean no value, contract values for its own."""
        return mapped(without(texts, self.missing), self.value_map(column))


def cleaning_rules(settings: Settings, source: SourceName) -> CleaningRules:
    """The rules by which rows of `source` are cleaned in this deployment."""
    own = settings.source(source)
    return _rules(settings, own, for_cleaning(settings.declaration, source))


def rules_of_made_users(settings: Settings) -> CleaningRules:
    """The rules by which users are made from events in this deployment."""
    return _rules(settings, settings.sources.events, for_made_users(settings.declaration))


def _rules(settings: Settings, own: SourceSettings, product: Product) -> CleaningRules:
    return CleaningRules(
        user_id_type=settings.sources.users.id_type,
        event_id_type=settings.event_id_type,
        timestamp_format=own.timestamp_format,
        missing=own.missing,
        source_zone=own.timezone or settings.timezone,
        business_zone=settings.timezone,
        lateness_days=settings.lateness_days,
        product=product,
        other_event_types=settings.sources.events.event_types,
        values=own.values,
    )
