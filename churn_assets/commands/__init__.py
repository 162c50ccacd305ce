"""The commands of `churn-assets`, one a file, and what they share: `options`, `errors` and `display`.

A command imports what it works with when it runs, so that `--help` need not wait for Dagster and pandas.
"""
