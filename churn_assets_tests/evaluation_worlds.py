"""Test rows of made-up users: features as a training set has them, and who churned."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from training_worlds import features

LABEL = "churned_30d"


def learnable(users: int, days: int = 2, seed: int = 0) -> pd.DataFrame:
    """Rows in which churn is likelier the longer a user is silent and, at the same silence, for one plan: what a model can learn
    and recency alone cannot say.
    """
    random = np.random.default_rng(seed)
    silence = random.integers(0, 14, users)
    free = random.random(users) < 0.5
    churned = random.random(users) < 0.02 + 0.03 * silence + 0.5 * free
    rows = [
        {
            "user_id": user,
            "as_of_date": date(2026, 1, 1) + timedelta(days=7 * day),
            "days_since_last_activity": int(silence[user]),
            "active_days_7d": max(0, 7 - int(silence[user])),
            "days_observed_7d": 7,
            "plan": "free" if free[user] else "paid",
            "country": f"C{user % 5}",
        }
        for day in range(days)
        for user in range(users)
    ]
    return features(*rows).assign(**{LABEL: np.tile(churned, days)})


def rows(*users: tuple[int, int | None, bool]) -> pd.DataFrame:
    """(user_id, days_since_last_activity, churned) of one day each; who was active within 7 days has an active day in them."""
    frame = features(
        *(
            {
                "user_id": user,
                "as_of_date": date(2026, 1, 1),
                "days_since_last_activity": silence,
                "active_days_7d": int(silence is not None and silence < 7),
            }
            for user, silence, _ in users
        )
    )
    return frame.assign(**{LABEL: [churned for *_, churned in users]})
