"""How many examples property tests draw: some in each run of the tests, all of them where CHURN_TESTS=thorough says so."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("CHURN_TESTS") == "thorough"
SHARE = 1.0 if THOROUGH else 0.4
FEWEST = 10


def examples(thorough: int) -> int:
    """The number to draw of a test that draws `thorough` of them when all are asked for."""
    return max(min(FEWEST, thorough), round(thorough * SHARE))
