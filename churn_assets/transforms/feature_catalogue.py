"""The declared features -> feature_catalogue: by which definitions each day's user_features were made."""

from __future__ import annotations

from datetime import date

import pandas as pd

from churn_assets.contracts.declared import KINDS
from churn_assets.product import Product


def feature_catalogue(*, first_day: date, last_day: date, product: Product) -> pd.DataFrame:
    """One row for each day of [first_day, last_day] and feature."""
    features = product.feature_columns
    definitions = pd.DataFrame(
        {
            "feature": [feature.name for feature in features],
            "version": [feature.version for feature in features],
            "type": [KINDS[feature.type].duckdb_type for feature in features],
            "source": [", ".join(feature.sources) for feature in features],
            "window_days": [feature.window_days for feature in features],
            "unit": [feature.unit or None for feature in features],
            "meaning": [feature.meaning for feature in features],
            "sees": [feature.sees for feature in features],
            "is_nullable": [feature.nullable for feature in features],
            "lower_limit": pd.Series([feature.minimum for feature in features], dtype="float64"),
            "upper_limit": pd.Series([feature.maximum for feature in features], dtype="float64"),
        }
    )
    days = pd.DataFrame({"as_of_date": pd.date_range(first_day, last_day).astype("datetime64[us]")})
    return days.merge(definitions, how="cross")
