"""Features of users as of today, with what has arrived since the last published day, as a service gives them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from churn_assets.assets.arrived import ArrivedFeatures
from churn_assets.assets.step import Deployment
from churn_assets.contracts import Column, Kind
from churn_assets.online.store import UserId
from churn_assets.training.write import FEATURES


class Now(BaseModel):
    """Features as of today."""

    user_id: int | str
    as_of_date: str = Field(description="Today, of the deployment's zone")
    settled_until: str = Field(description="The last published day")
    arrived_until: str | None = Field(description="The last day since whose files were read; null: nothing has arrived")
    features: dict[str, Any]


class FeaturesNow:
    def __init__(self, deployment: Deployment, today: Callable[[], date]) -> None:
        self._arrived, self._today = ArrivedFeatures(deployment), today
        self._columns = deployment.contracts[FEATURES].values

    def of(self, users: Sequence[UserId]) -> list[dict[str, Any] | None]:
        """Of each user; None for one nobody knows yet. Raises ChurnError."""
        found = self._arrived.of(users, self._today())
        common = {
            "settled_until": found.settled_until.isoformat(),
            "arrived_until": found.arrived_until.isoformat() if found.arrived_until else None,
        }
        names = [column.name for column in self._columns]
        values = [_as_json(found.features[column.name], column) for column in self._columns]
        days = _as_json(found.features["as_of_date"], Column("as_of_date", Kind.DATE, ""))
        by_user: dict[Any, dict[str, Any]] = {
            user: {"user_id": user, "as_of_date": day, **common, "features": dict(zip(names, row, strict=True))}
            for user, day, row in zip(found.features["user_id"].tolist(), days, zip(*values, strict=True), strict=True)
        }
        return [by_user.get(user) for user in users]


def _as_json(values: pd.Series[Any], column: Column) -> list[Any]:
    """As the store has them: instants in ISO 8601, and null for what is no finite number."""
    if column.kind is Kind.NUMBER:
        return [float(value) if np.isfinite(value) else None for value in values]
    if column.kind in (Kind.DATE, Kind.INSTANT):
        form = "%Y-%m-%d" if column.kind is Kind.DATE else "%Y-%m-%dT%H:%M:%S.%fZ"
        return [None if pd.isna(value) else value.strftime(form) for value in values]
    kind = {Kind.INTEGER: int, Kind.FLAG: bool}.get(column.kind, str)
    return [None if pd.isna(value) else kind(value) for value in values]
