"""Runs that are killed at random moments, many times over, and what is left of the warehouse each time.
`python -m churn_assets_tests.torture --help`.
"""
