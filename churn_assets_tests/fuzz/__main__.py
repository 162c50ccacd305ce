"""`python -m churn_assets_tests.fuzz [MINUTES] [SEED]`; exit code 1 where something was found."""

from __future__ import annotations

import sys

from churn_assets_tests.fuzz.campaign import campaign

if __name__ == "__main__":
    minutes, seed = [*sys.argv[1:], *("60", "1")[len(sys.argv) - 1 :]]
    sys.exit(campaign(float(minutes), int(seed)))
