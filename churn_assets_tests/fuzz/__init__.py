"""Damaged files for the readers: whatever comes, they read or refuse, and never make a row of two.

`python -m churn_assets_tests.fuzz MINUTES [SEED]` looks for what is not so; a case is made again from its number alone.
"""
