"""The declared features -> feature_catalogue: by which definitions each day's user_features were made."""

from __future__ import annotations

from datetime import date

import pandas as pd

from churn_assets.contracts.features import FEATURES


def feature_catalogue(*, first_day: date, last_day: date) -> pd.DataFrame:
    """One row for each day of [first_day, last_day] and feature."""
    definitions = pd.DataFrame(
        {
            "feature": [feature.name for feature in FEATURES],
            "version": [feature.version for feature in FEATURES],
            "type": [feature.kind.duckdb_type for feature in FEATURES],
            "source": [", ".join(feature.sources) for feature in FEATURES],
            "window_days": [feature.window_days for feature in FEATURES],
            "unit": [feature.unit or None for feature in FEATURES],
            "meaning": [feature.meaning for feature in FEATURES],
            "sees": [feature.sees for feature in FEATURES],
            "is_nullable": [feature.nullable for feature in FEATURES],
            "lower_limit": pd.Series([feature.minimum for feature in FEATURES], dtype="float64"),
            "upper_limit": pd.Series([feature.maximum for feature in FEATURES], dtype="float64"),
        }
    )
    days = pd.DataFrame({"as_of_date": pd.date_range(first_day, last_day).astype("datetime64[us]")})
    return days.merge(definitions, how="cross")
