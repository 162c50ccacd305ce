"""How many rows would be quarantined, and why: by the cleaning's own parsers, in its order, one reason per row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from churn_assets.inspection.columns import Column
from churn_assets.inspection.times import usable_times
from churn_assets.transforms import parsing

MADE_OF = ("user_id", "event_time", "event_type")
"""What an event's id is made of where the source has none."""


def rejected_events(
    roles: Mapping[str, Column], *, user_id_type: str, event_id_type: str, timestamp_format: str
) -> tuple[dict[str, int], int]:
    """Rows by reason, and exact copies, which are dropped. `roles` has no event_id where it is made of others."""
    rows = min(column.rows for column in roles.values())
    texts = pd.DataFrame({name: column.texts[:rows] for name, column in roles.items()})
    bad = {"bad_user_id": _bad_ids(texts["user_id"], user_id_type)}
    if "event_id" in roles:
        bad["bad_event_id"] = _bad_ids(texts["event_id"], event_id_type)
    bad["bad_event_time"] = ~_are_times(texts["event_time"], timestamp_format)
    bad["bad_event_type"] = texts["event_type"].fillna("").str.strip().eq("").to_numpy(dtype=bool)
    counts, gone = _first_reasons(bad, rows)
    good = texts[~gone]
    if "event_id" not in roles:
        return counts, int(good.duplicated([*MADE_OF]).sum())
    repeated, copies = good.duplicated(["event_id"]), good.duplicated()
    counts["conflict"] = int((repeated & ~copies).sum())
    return {reason: count for reason, count in counts.items() if count}, int((repeated & copies).sum())


def rejected_users(user: Column, signup: Column, *, id_type: str, timestamp_format: str) -> dict[str, int]:
    """Rows by reason."""
    bad = {
        "bad_user_id": _bad_ids(user.texts, id_type),
        "bad_signup_date": ~_are_times(signup.texts, timestamp_format),
    }
    return _first_reasons(bad, user.rows)[0]


def _bad_ids(texts: pd.Series[str], id_type: str) -> np.ndarray:
    found, _ = parsing.ids(texts, id_type)
    return np.asarray(parsing.is_missing(found))


def _are_times(texts: pd.Series[str], timestamp_format: str) -> np.ndarray:
    codes, unique = pd.factorize(texts)
    usable = usable_times(parsing.as_text(pd.Series(unique)), timestamp_format)
    return np.append(usable, False)[codes]


def _first_reasons(bad: Mapping[str, np.ndarray], rows: int) -> tuple[dict[str, int], np.ndarray]:
    gone = np.zeros(rows, dtype=bool)
    counts = {}
    for reason, is_bad in bad.items():
        if count := int((is_bad & ~gone).sum()):
            counts[reason] = count
        gone |= is_bad
    return counts, gone
