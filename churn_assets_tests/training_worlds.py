"""Tiny published user_features and churn_labels, which training sets are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from churn_assets.assets.step import Deployment
from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind, contracts
from churn_assets.product.columns import SEGMENTS
from churn_assets.settings import Settings
from churn_assets.warehouse import Publication, publish

Row = dict[str, Any]
START = date(2026, 1, 1)
HORIZON = 3
SETTINGS = """start_date = 2026-01-01
end_date = 2026-03-31
[labels]
horizon_days = 3
[training]
stride_days = 2
"""
LABEL = f"churned_{HORIZON}d"


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


def _default(column: Column) -> Any:
    if column.nullable:
        return None
    if column.name == "activity_segment":
        return next(iter(SEGMENTS))
    plain: Mapping[Kind, Any] = {Kind.FLAG: False, Kind.LABEL: "unknown", Kind.TEXT: "", Kind.NUMBER: 0.0}
    return plain.get(column.kind, int(column.minimum or 0))


def framed(contract: Contract, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame of the contract; what a row does not name is null, or the least the column allows."""
    rows = list(rows)
    return contract.typed(
        pd.DataFrame({c.name: [row.get(c.name, _default(c)) for row in rows] for c in contract.columns})
    )


def features(*rows: Mapping[str, Any], settings: Settings | None = None) -> pd.DataFrame:
    return framed(contracts(settings or Settings())["user_features"], rows)


def labels(*rows: Mapping[str, Any], settings: Settings) -> pd.DataFrame:
    """churn_labels; a row says user_id, as_of_date, is_at_risk and churned (None: censored)."""
    label = settings.labels.churned_column
    outcome = {None: None, True: 0, False: 2}
    whole = [
        {
            **row,
            label: row["churned"],
            "future_active_days": outcome[row["churned"]],
            "days_until_churn": 1 if row["churned"] else None,
            "days_followed": None if row["churned"] is None else 1,
            "censor_reason": "horizon_incomplete" if row["churned"] is None else None,
        }
        for row in rows
    ]
    return framed(contracts(settings)["churn_labels"], whole)


def deployment_in(data: Path, text: str = SETTINGS) -> Deployment:
    data.mkdir(parents=True, exist_ok=True)
    (data / "churn.toml").write_text(text, encoding="utf-8")
    return Deployment(Settings.load(data))


def store(deployment: Deployment, table: str, frame: pd.DataFrame, days: DayRange) -> None:
    """Publish a table's days, as its step would."""
    publication = Publication(deployment.contracts[table], days, [frame], lambda _: dict.fromkeys(days, ""), "0" * 12)
    with deployment.warehouse.writing() as connection:
        publish(connection, publication)


def store_days(deployment: Deployment, days: int, users: int = 4, observed: int | None = None) -> None:
    """Publish `days` days of `users` users: the first `observed` days (None: all) have labels, in which odd users on odd
    days churn. The last user is never at risk.
    """
    observed = days if observed is None else observed
    span = DayRange(day(1), day(days))
    rows: list[Row] = [
        {
            "user_id": user,
            "as_of_date": at,
            "days_since_signup": number,
            "total_events_30d": 10 * user + number % 7,
            "plan": "free" if user % 2 else "paid",
            "is_at_risk": user < users,
            "churned": bool(user % 2 and number % 2) if number < observed else None,
        }
        for number, at in enumerate(span)
        for user in range(1, users + 1)
    ]
    store(deployment, "user_features", features(*rows, settings=deployment.settings), span)
    store(deployment, "churn_labels", labels(*rows, settings=deployment.settings), span)
