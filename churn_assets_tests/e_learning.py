"""The default product, as tests of it name its parts."""

from __future__ import annotations

from churn_assets.contracts.declared import quarantine_reasons
from churn_assets.product import read_product

PRODUCT = read_product()
FEATURES = PRODUCT.feature_columns
KNOWN_EVENT_TYPES = PRODUCT.event_vocabulary
QUARANTINE_REASONS = quarantine_reasons(PRODUCT)
SOURCE_COLUMNS = {source: PRODUCT.source_columns(source) for source in ("users", "events")}
REQUIRED_SOURCE_COLUMNS = {source: PRODUCT.required_columns(source) for source in ("users", "events")}
OPTIONAL_SOURCE_COLUMNS = {source: PRODUCT.optional_columns(source) for source in ("users", "events")}
