"""Sums of whole numbers are exact, or refused: never a number that wrapped in 64 bits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from churn_assets.errors import ChurnError
from churn_assets.product import read_product
from churn_assets.transforms import user_daily

DECLARED = """
[[properties]]
name = "coins"
type = "integer"
[[event_types]]
name = "win"
[[measures]]
name = "coins_won"
value = "coins"
[[measures]]
name = "most_coins"
agg = "max"
value = "coins"
"""
DAY = pd.Timestamp("2026-01-01")


def a_day(folder: Path, *coins: int) -> pd.DataFrame:
    (folder / "mine.toml").write_text(DECLARED, encoding="utf-8")
    count = len(coins)
    events = pd.DataFrame(
        {
            "user_id": [1] * count,
            "event_date": [DAY] * count,
            "event_id": range(count),
            "event_time": [DAY] * count,
            "event_type": pd.Categorical(["win"] * count),
            "coins": pd.array(coins, dtype="Int64"),
            "landing_date": [DAY] * count,
        }
    )
    grid = pd.DataFrame({"user_id": [1], "as_of_date": [DAY]})
    return user_daily(grid, events, product=read_product("mine", folder))


def test_up_to_2_53_a_sum_is_exact(tmp_path: Path) -> None:
    day = a_day(tmp_path, 2**53 - 3, 2)
    assert day["coins_won"].tolist() == [2**53 - 1]
    assert day["most_coins"].tolist() == [2**53 - 3]


@pytest.mark.parametrize("coins", [(9 * 10**18, 9 * 10**18), (-(2**63), -1), (2**53, 2)])
def test_a_larger_one_is_refused(tmp_path: Path, coins: tuple[int, ...]) -> None:
    with pytest.raises(ChurnError, match=r"^measure 'coins_won': whole numbers of a day .*; give 'coins' limits"):
        a_day(tmp_path, *coins)
