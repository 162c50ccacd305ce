"""A condition on an attribute looks at the user's value as of the day, also where a property of events has its name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from churn_assets.product import read_product
from churn_assets.transforms import user_daily

DECLARED = """
[[attributes]]
name = "plan"
type = "label"
[[properties]]
name = "plan"
type = "label"
[[event_types]]
name = "play"
[[measures]]
name = "solo_plays"
where = { plan = "solo" }
"""


def test_an_event_that_leaves_the_attribute_out_counts_by_what_is_known_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(DECLARED, encoding="utf-8")
    product = read_product("mine", tmp_path, users_are="from_events")
    day = pd.Timestamp("2026-01-01")
    events = pd.DataFrame(
        {
            "user_id": [1, 1, 1],
            "event_date": [day] * 3,
            "event_id": [1, 2, 3],
            "event_time": [day + pd.Timedelta(hours=hour) for hour in (1, 2, 3)],
            "event_type": pd.Categorical(["play"] * 3),
            "plan": pd.Categorical(["free", "solo", None]),
            "landing_date": [day] * 3,
        }
    )
    grid = pd.DataFrame({"user_id": [1], "as_of_date": [day], "plan": pd.Categorical(["solo"])})
    assert user_daily(grid, events, product=product)["solo_plays"].tolist() == [3]
